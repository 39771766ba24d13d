"""Capital letters as marks of their own, so that "The" and "the" share a token, without loss.

A text is written in small letters with two marks: one before a word's single capital, one before a
word in capitals. The marks are ids, not characters, so no text can contain them. A letter is only
written small if its capital has as many bytes and is the only one that belongs to it. So every
token spells as many bytes as before, and a mark none.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Self

import regex

from gptkit_tokenizers.base import JsonObject, Tokenizer, id_dtype, unknown_id, utf8
from gptkit_tokenizers.bpe import TiktokenTokenizer, make_encoding, ranks_from_json, ranks_to_json
from gptkit_tokenizers.guard import encoding_errors

if TYPE_CHECKING:
    import numpy as np
    import tiktoken

ONE, ALL = "\ufdd0", "\ufdd1"  # noncharacters stand for the marks on their way to tiktoken
N_MARKS = 2
# Only at the start of a word, so that a long word without capitals takes time by its length.
_WITH_CAPITALS = regex.compile(r" ?+(?<!\p{L})(\p{L}*\p{Lu}\p{L}*)")
_LETTER, _LETTERS = regex.compile(r"\p{L}"), regex.compile(r"\p{L}+")
_SIGNS = regex.compile(f"[{ONE}{ALL}]")


class CaseFactoredTokenizer(Tokenizer):
    """A byte-pair encoding of small letters, with two ids that say where capitals are.

    Args:
        name: the name of the tokenizer.
        ranks: the ranks of the text in small letters, from 0 without holes; the marks' ids follow.
        pattern: a regular expression for words.

    >>> ranks = {bytes([b]): b for b in range(256)} | {b"th": 256, b"the": 257}
    >>> tokenizer = CaseFactoredTokenizer("case", ranks, pattern=" ?[a-z]+")
    >>> tokenizer.encode("The THE the"), tokenizer.decode([258, 257])
    ([258, 257, 259, 32, 257, 32, 257], 'The')
    """

    context_free = False

    def __init__(self, name: str, ranks: Mapping[bytes, int], *, pattern: str) -> None:
        self.name = name
        self.vocab_size = len(ranks) + N_MARKS
        self._ranks, self._pattern = ranks, pattern
        self._marks = {ONE: len(ranks), ALL: len(ranks) + 1}
        self._small = TiktokenTokenizer(name, ranks, pattern=pattern)

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        return make_encoding(self.name, self._ranks, self._pattern, self._marks)

    def encode(self, text: str) -> list[int]:
        return self.encode_array(text).tolist()

    def encode_array(self, text: str) -> np.ndarray:
        import numpy as np

        utf8(text)
        dtype = id_dtype(self.vocab_size)
        if not _SIGNS.search(text):
            with encoding_errors(self.name):
                ids = self._encoding.encode_to_numpy(mark_capitals(text), allowed_special="all")
            return ids.astype(dtype)
        parts = [self.encode_array(part) for part in _SIGNS.split(text)]
        between = [self._small.encode_array(found[0]) for found in _SIGNS.finditer(text)]
        woven = [ids for pair in zip(parts, [*between, parts[0][:0]], strict=True) for ids in pair]
        return np.concatenate(woven).astype(dtype)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        pieces: list[bytes] = []
        mark, run = -1, list[int]()
        for token in [*ids, self._marks[ONE]]:
            if not 0 <= token < self.vocab_size:
                raise unknown_id(self, token)
            if token < len(self._ranks):
                run.append(token)
                continue
            pieces.append(self._spell(mark, run))
            mark, run = token, []
        return b"".join(pieces)

    def _spell(self, mark: int, ids: list[int]) -> bytes:
        """Return the bytes of ids that follow a mark; -1 is no mark."""
        spelled = self._small.decode_bytes(ids)
        if mark < 0:
            return spelled
        text = spelled.decode("utf-8", errors="surrogateescape")
        found = (_LETTER if mark == self._marks[ONE] else _LETTERS).search(text)
        if found is None:
            return spelled
        capitals = found[0].translate(_capitals())
        text = text[: found.start()] + capitals + text[found.end() :]
        return text.encode("utf-8", errors="surrogateescape")

    def token_bytes(self, token: int) -> bytes:
        if len(self._ranks) <= token < self.vocab_size:
            return b""
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self._small.token_bytes(token)

    def token_text(self, token: int) -> str:
        if token == self._marks[ONE]:
            return "⇧"
        return "⇪" if token == self._marks[ALL] else super().token_text(token)

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "pattern": self._pattern,
            "case_factored": ranks_to_json(self._ranks, len(self._ranks)),
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        return cls(data["name"], ranks_from_json(data["case_factored"]), pattern=data["pattern"])


def mark_capitals(text: str) -> str:
    """Write a text in small letters, with `ONE` and `ALL` where its capitals were.

    >>> print(mark_capitals("The KING's iPad").replace(ONE, "⇧").replace(ALL, "⇪"))
    ⇧the⇪ king's i⇧pad
    """
    small = _small_letters()

    def mark(found: regex.Match[str]) -> str:
        word = found[1]
        blank = found[0][: -len(word)]
        if len(word) > 1 and all(ord(letter) in small for letter in word):
            return f"{ALL}{blank}{word.translate(small)}"
        marked = "".join(f"{ONE}{small[ord(c)]}" if ord(c) in small else c for c in word)
        return f"{ONE}{blank}{marked[1:]}" if marked[0] == ONE else blank + marked

    return _WITH_CAPITALS.sub(mark, text)


def in_small_letters(text: str) -> str:
    """Return a text with every letter small whose capital can be restored.

    >>> in_small_letters("The İ and the Σ")
    'the İ and the σ'
    """
    return text.translate(_small_letters())


@cache
def _small_letters() -> dict[int, str]:
    """Return the small letter of each capital: one of as many bytes, that leads back to it."""
    letters = {}
    for capital in map(chr, range(sys.maxunicode + 1)):
        small = capital.lower()
        if unicodedata.category(capital) != "Lu" or len(small) > 1 or small.upper() != capital:
            continue
        if len(small.encode()) == len(capital.encode()):
            letters[ord(capital)] = small
    return letters


@cache
def _capitals() -> dict[int, str]:
    return {ord(small): chr(code) for code, small in _small_letters().items()}
