r"""Prove that no match of a regular expression crosses the start of a word that a space precedes.

Then a text may be cut between a character that is no blank and a space before a letter, and
the matches on both sides stay the same.

The proof walks the parsed expression. It follows two facts: whether a part can end in a character
that is no blank, and whether the next part can begin with a space. An expression of which no two
neighbours do both matches no text with a non-blank and then a space. Lookahead is only accepted
after blanks, and of one character: there it cannot see beyond the cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, reduce
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import regex

_PROPERTY = re.compile(r"\\[pP]\{[^}]*\}|\\[pP]\w")
_SET_OPERATIONS = re.compile(r"&&|--|\[\^?\[|\|\|")  # Python's parser does not know them
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)


@dataclass(frozen=True)
class _Part:
    """What a part of an expression can match.

    Attributes:
        empty: nothing.
        begins_with_space: a text that begins with a space; or it looks at what follows.
        ends_in_other: a text that ends in a character that is no blank.
        crosses: a text in which a space follows a character that is no blank; or it is unknown.
    """

    empty: bool = True
    begins_with_space: bool = False
    ends_in_other: bool = False
    crosses: bool = False


_UNKNOWN = _Part(crosses=True)
_LOOKAHEAD = _Part(begins_with_space=True)


@cache
def stays_within_words(pattern: str) -> bool:
    r"""Return whether it is proved that no match of a pattern goes on from a word to a space.

    >>> stays_within_words(r" ?\p{L}+|\s+(?!\S)|\s+"), stays_within_words(r"\S+ \S+")
    (True, False)
    """
    tree = _parse(pattern)
    return tree is not None and not _walk(tree).crosses


@cache
def matches_every_space(pattern: str) -> bool:
    r"""Return whether one of the alternatives of a pattern is `\s` or `\s+`.

    >>> matches_every_space(r"\p{N}{1,3}|\s+"), matches_every_space(r"\p{N}{1,3}")
    (True, False)
    """
    return any(part in pattern.split("|") for part in (r"\s", r"\s+", r"\s++"))


def _parse(pattern: str) -> Any:
    if _SET_OPERATIONS.search(pattern):
        return None
    try:
        return parser.parse(_PROPERTY.sub(_stand_in, pattern))
    except (re.error, regex.error, OverflowError, RecursionError):
        return None


def _stand_in(found: re.Match[str]) -> str:
    """Replace a Unicode property by a letter; by what the parser refuses, if it has the space."""
    return r"\p" if regex.fullmatch(found[0], " ") else "a"


def _walk(nodes: Any) -> _Part:
    return reduce(_join, map(_part, nodes), _Part())


def _join(a: _Part, b: _Part) -> _Part:
    return _Part(
        empty=a.empty and b.empty,
        begins_with_space=a.begins_with_space or (a.empty and b.begins_with_space),
        ends_in_other=b.ends_in_other or (b.empty and a.ends_in_other),
        crosses=a.crosses or b.crosses or (a.ends_in_other and b.begins_with_space),
    )


def _part(node: tuple[Any, Any]) -> _Part:
    op, value = node
    if op in _REPEATS:
        low, high, inner = value
        once = _walk(inner)
        repeated = _join(once, once) if high > 1 else once
        return _Part(
            empty=low == 0 or once.empty,
            begins_with_space=once.begins_with_space,
            ends_in_other=once.ends_in_other,
            crosses=repeated.crosses,
        )
    if op is ops.BRANCH:
        parts = [_walk(branch) for branch in value[1]]
        return _Part(*(any(getattr(p, f) for p in parts) for f in _Part.__dataclass_fields__))
    if op is ops.SUBPATTERN:
        return _walk(value[-1])
    if op is ops.ATOMIC_GROUP:
        return _walk(value)
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        direction, inner = value
        return _LOOKAHEAD if direction == 1 and inner.getwidth() == (1, 1) else _UNKNOWN
    if op is ops.AT:
        return _LOOKAHEAD if value in (ops.AT_END, ops.AT_END_STRING) else _UNKNOWN
    return _character(op, value)


def _character(op: Any, value: Any) -> _Part:
    if op is ops.LITERAL:
        return _one(space=value == ord(" "), other=not chr(value).isspace())
    if op is ops.NOT_LITERAL:
        return _one(space=value != ord(" "), other=True)
    if op is ops.ANY:
        return _one(space=True, other=True)
    if op is not ops.IN:
        return _UNKNOWN
    negated = value[0][0] is ops.NEGATE
    members = value[1:] if negated else value
    space = any(_has_space(member) for member in members)
    blanks_only = all(_is_blank(member) for member in members)
    no_others = negated and (ops.CATEGORY, ops.CATEGORY_NOT_SPACE) in members
    return _one(space=space != negated, other=not (no_others if negated else blanks_only))


def _one(*, space: bool, other: bool) -> _Part:
    return _Part(empty=False, begins_with_space=space, ends_in_other=other)


def _has_space(member: tuple[Any, Any]) -> bool:
    op, value = member
    if op is ops.LITERAL:
        return value == ord(" ")
    if op is ops.RANGE:
        return value[0] <= ord(" ") <= value[1]
    return value in (ops.CATEGORY_SPACE, ops.CATEGORY_NOT_WORD, ops.CATEGORY_NOT_DIGIT)


def _is_blank(member: tuple[Any, Any]) -> bool:
    op, value = member
    return (op is ops.LITERAL and chr(value).isspace()) or value is ops.CATEGORY_SPACE
