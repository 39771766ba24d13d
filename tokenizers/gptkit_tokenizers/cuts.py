"""Find out where a text may be cut without changing an id of a borrowed tokenizer.

A cut is safe if no word of the tokenizer crosses it, and both sides are cut into the same words
with and without it. For a tokenizer without words, no token may cross it: then merges on one side
do not depend on the other. Where that is not proved, the text is not cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from gptkit_tokenizers.base import JsonObject
from gptkit_tokenizers.chunking import NextCut
from gptkit_tokenizers.pattern_cuts import matches_every_space, stays_within_words
from gptkit_tokenizers.word_patterns import LEARNED_PATTERNS, PATTERNS

SPACE_SIGN = "▁"  # stands for a space in SentencePiece's pieces
_LETTER = r"[^\W\d_]"
_SPACES = re.compile(rf"[^\s{SPACE_SIGN}](?= {_LETTER})")
_WORDS = re.compile(rf"{_SPACES.pattern}|(?<=\S)\n(?={_LETTER})")
_ACROSS_SPACE = re.compile(rf"\S (?:{_LETTER}|$)")
_NEWLINE_LETTER = re.compile(rf"\n{_LETTER}")
_KNOWN_PATTERNS = {*PATTERNS.values(), LEARNED_PATTERNS["gpt2"]}
_CHARACTER_WISE = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase"}  # normalisers; a space stays one
_REMOVE_BLANKS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_CHANGE_BLANKS = {"BertNormalizer", "StripAccents", "Nmt"}  # safe in front of these


def next_space(text: str, index: int) -> int:
    """Return the first place at or after an index that is between a word and a space before a
    letter, in any script; the end without one.

    >>> next_space("to be, or not", 3)
    6
    """
    found = _SPACES.search(text, index)
    return found.end() if found else len(text)


def next_word(text: str, index: int) -> int:
    r"""Return the first such place, or one between a line break and a letter; the end without one.

    GPT-2's words, and all later ones of OpenAI, begin at these places.

    >>> next_word("to be\nor not", 3)
    6
    """
    found = _WORDS.search(text, index)
    return found.end() if found else len(text)


def pattern_cuts(pattern: str) -> NextCut | None:
    """Return where words of a pattern begin for certain; None if that is not proved.

    Text that no match covers is dropped, as tiktoken does.
    """
    if pattern in _KNOWN_PATTERNS:
        return next_word
    return next_space if stays_within_words(pattern) else None


def json_cuts(saved: JsonObject, vocab: Callable[[], Iterable[str]]) -> NextCut | None:
    """Return the safe cuts of a tokenizer.json; None if none are proved.

    Args:
        saved: its content; the model's vocabulary and merges are not needed.
        vocab: returns its tokens.
    """
    steps = _flat(saved.get("pre_tokenizer"), "pretokenizers")
    normalizers = _flat(saved.get("normalizer"), "normalizers")
    space = " "
    for part in normalizers:
        if part["type"] == "Replace" and part["pattern"] == {"String": " "}:
            space = part["content"]
        elif part["type"] in _CHANGE_BLANKS and steps and steps[0]["type"] in _REMOVE_BLANKS:
            continue
        elif part["type"] not in _CHARACTER_WISE:
            return None
    if space not in (" ", SPACE_SIGN):
        return None
    entries = saved.get("added_tokens") or []
    added = [e["content"].replace(space, " ") for e in entries if not e.get("special")]
    if any(map(_ACROSS_SPACE.search, added)):
        return None
    for step in steps:
        cut = _word_cut(step, space)
        if cut is not None:
            return next_space if any(map(_NEWLINE_LETTER.search, added)) else cut
        if not _keeps_cuts(step, space):
            return None
    model = saved["model"]
    if model["type"] != "BPE" or model.get("ignore_merges") or space != SPACE_SIGN:
        return None
    return token_cuts([*vocab(), *added])


def token_cuts(tokens: Iterable[str]) -> NextCut | None:
    """Return the safe cuts of a byte-pair encoding whose words may be whole texts.

    Args:
        tokens: the vocabulary; "▁" stands for a space.
    """
    vocab = set(tokens)
    spelled = [token.replace(SPACE_SIGN, " ") for token in vocab]
    if SPACE_SIGN not in vocab or any(map(_ACROSS_SPACE.search, spelled)):
        return None
    line_breaks = "\n" in vocab or "<0x0A>" in vocab
    if line_breaks and not any(map(_NEWLINE_LETTER.search, spelled)):
        return next_word
    return next_space


def _word_cut(step: JsonObject, space: str) -> NextCut | None:
    """Return the cuts at which a pre-tokeniser begins a word for certain."""
    kind = step["type"]
    if kind == "Metaspace":
        splits = step.get("split", True) and step.get("replacement", SPACE_SIGN) == SPACE_SIGN
        return next_space if splits else None
    if space != " ":
        return None
    if kind in _REMOVE_BLANKS:
        return next_space
    if kind == "ByteLevel":
        return next_word if step.get("use_regex", True) else None
    if kind == "Split" and (pattern := step["pattern"].get("Regex")) and _isolates(step):
        cut = pattern_cuts(pattern)
        return cut if cut is not None and matches_every_space(pattern) else None
    return None


def _keeps_cuts(step: JsonObject, space: str) -> bool:
    """Return whether a pre-tokeniser gives the same words on both sides of a cut."""
    kind = step["type"]
    if kind == "Digits":
        return True
    if kind == "Punctuation":
        return step.get("behavior", "Isolated") == "Isolated"
    if kind != "Split":
        return False
    string = step["pattern"].get("String")
    if string == " " and space != " ":
        return True  # the normaliser left no space
    return (
        _isolates(step)
        and space == " "
        and stays_within_words(step["pattern"].get("Regex") or re.escape(string or ""))
    )


def _isolates(step: JsonObject) -> bool:
    return step["behavior"] in ("Isolated", "Removed")


def _flat(part: JsonObject | None, inside: str) -> list[JsonObject]:
    """Return the parts of a sequence, or the one part, as a list."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [one for inner in part[inside] for one in _flat(inner, inside)]
