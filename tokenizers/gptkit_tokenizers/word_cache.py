"""Encode a large text by looking up the words that were met before.

Most words of a text were met before. Their ids are kept in a table, and only the others are encoded
by the tokenizer's library, joined into one text. A word is what lies between two safe cuts (see
`cuts`), so its ids do not depend on what is around it. Only cuts among ASCII characters are used,
because they can be found in the bytes: in front of a space between a visible character and a
letter, and, where the tokenizer allows it, between a line break and a letter.

Every step is a NumPy operation on all words of a text, so threads work at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gptkit_tokenizers.base import Tokenizer, id_dtype, token_lengths

Encode = Callable[[str], np.ndarray]  # text -> ids (N,)

SLOT_BITS = 18
MOST_IDS = 1 << 20  # of all words in the table
KEY_BYTES = 16  # 15 of the word, and its length
NO_KEY = np.uint64(0)  # the upper half of the key of a longer word, and of an empty slot
_LETTER, _SPACE, _VISIBLE, _LINE_BREAK = 1, 2, 3, 4
_CLASS_BITS = 3
_CLASSES = bytearray(256)  # of other bytes: 0
_CLASSES[33:127] = bytes([_VISIBLE]) * 94
_CLASSES[ord("A") : ord("Z") + 1] = _CLASSES[ord("a") : ord("z") + 1] = bytes([_LETTER]) * 26
_CLASSES[ord(" ")], _CLASSES[ord("\n")] = _SPACE, _LINE_BREAK
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)
_LOWER = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(KEY_BYTES)], dtype=np.uint64)
_UPPER = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(KEY_BYTES)], dtype=np.uint64)
_LENGTH = np.array([n << 56 for n in range(KEY_BYTES)], dtype=np.uint64)


class WordCache:
    """The ids of words, learned from the texts that are encoded. Threads may share it.

    It switches itself off if the ids of a text do not spell the text: then it cannot tell which ids
    are of which word.

    Args:
        tokenizer: the tokenizer, for the bytes of its ids.
        encode: its library's encoding.
        line_breaks: whether a text may also be cut between a line break and a letter, as
            `cuts.next_word` does.
    """

    def __init__(self, tokenizer: Tokenizer, encode: Encode, *, line_breaks: bool) -> None:
        self._encode, self._line_breaks = encode, line_breaks
        self._lengths = token_lengths(tokenizer)
        self._table = _Table(id_dtype(tokenizer.vocab_size))
        self._works = True

    def encode(self, text: str) -> np.ndarray:
        """Return `encode(text)` (N,)."""
        data = text.encode()
        words = _find_words(data, line_breaks=self._line_breaks)
        few = len(words.starts) * KEY_BYTES < len(data)  # as in a script without spaces
        if few or not text or not self._works:
            return self._encode(text)
        slots = self._table.find(words)
        new = np.flatnonzero(slots < 0)
        first, count = self._table.first[slots], self._table.count[slots]
        ids = self._table.ids  # read after the slots, so it has their ids
        if len(new):
            new_ids, begin, end = self._encode_words(data, words.starts[new], words.stops[new])
            if not self._works:
                return self._encode(text)
            first[new], count[new] = begin + len(ids), end - begin
            self._table.add(words, new, new_ids, begin, end - begin)
            ids = np.concatenate([ids, new_ids])
        return ids[_ranges(first, count)]

    def _encode_words(
        self, data: bytes, starts: np.ndarray, stops: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Encode words in one call -> ids, and where each word's begin and end (M,)."""
        between = _separators(data, starts, stops)
        parts = [data[i:j] for i, j in zip(starts.tolist(), stops.tolist(), strict=True)]
        joined = b"".join([p for pair in zip(parts, between, strict=True) for p in pair])
        ids = self._encode(joined.decode())
        lengths = self._lengths[ids]
        ends = np.cumsum(lengths)
        after = np.cumsum(stops - starts + [len(b) for b in between])  # each word's separator
        until = np.append(0, after[:-1]) + stops - starts
        end = np.searchsorted(ends, until) + 1
        begin = np.append(0, np.searchsorted(ends, after[:-1]) + 1)
        spelled = len(ends) and ends[-1] == after[-1] and lengths.all()
        if not (spelled and (ends[end - 1] == until).all()):
            self._works = False
        return ids, begin, end


def _separators(data: bytes, starts: np.ndarray, stops: np.ndarray) -> list[bytes]:
    r"""Return what to put after each of the words, so that the text is cut there safely.

    A word that begins with a letter comes after a line break, and others do not.
    """
    of = np.frombuffer(data, np.uint8)
    breaks = of[stops[:-1] - 1] == ord("\n")
    letters = np.frombuffer(bytes(_CLASSES), np.uint8)[of[starts[1:]]] == _LETTER
    between = [b""] * len(starts)
    for i in np.flatnonzero(breaks != letters).tolist():
        between[i] = b"a" if breaks[i] else b" a\n"
    return between


def _ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return first[0], first[0] + 1, … for count[0] numbers, and so on.

    >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    indices = np.repeat(first - (np.cumsum(count) - count), count)
    indices += np.arange(len(indices))
    return indices


@dataclass(frozen=True)
class _Words:
    """The words of a text, with their keys: two halves of the bytes and the length, each (M,)."""

    starts: np.ndarray
    stops: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def _find_words(data: bytes, *, line_breaks: bool) -> _Words:
    n = len(data)
    padded = np.zeros(n + KEY_BYTES, np.uint8)
    padded[:n] = np.frombuffer(data, np.uint8)
    starts = _find_starts(data, line_breaks=line_breaks)
    stops = np.append(starts[1:], n)
    lengths = stops - starts
    fits = lengths < KEY_BYTES
    known = np.minimum(lengths, KEY_BYTES - 1)
    eight_bytes = np.ndarray(n + 9, "<u8", padded, strides=(1,))
    lower = eight_bytes[starts] & _LOWER[known]
    upper = eight_bytes[np.minimum(starts + 8, n)] & _UPPER[known] | _LENGTH[known]
    return _Words(starts, stops, lower, np.where(fits, upper, NO_KEY))


def _find_starts(data: bytes, *, line_breaks: bool) -> np.ndarray:
    r"""Return where words start: at 0, and at each safe cut.

    >>> _find_starts(b"to be\nor not", line_breaks=True).tolist()
    [0, 2, 6, 8]
    """
    classes = np.frombuffer(data.translate(bytes(_CLASSES)), np.uint8)
    before, at, after = classes[:-2], classes[1:-1], classes[2:]
    visible = (before == _LETTER) | (before == _VISIBLE)
    cut_here = visible & (after == _LETTER)
    starts = np.zeros(max(1, len(data)), dtype=bool)
    starts[0] = True
    starts[1:-1] |= cut_here & (at == _SPACE)
    if line_breaks:
        starts[2:] |= cut_here & (at == _LINE_BREAK)
    return np.flatnonzero(starts)


class _Table:
    """A hash table from words to ids, each word in one of two slots. No entry ever changes.

    Attributes:
        first, count: of each slot, where its ids begin in `ids`, and how many there are.
    """

    def __init__(self, dtype: np.dtype) -> None:
        n_slots = 1 << SLOT_BITS
        self.lower, self.upper = (np.zeros(n_slots, np.uint64) for _ in range(2))
        self.first, self.count = (np.zeros(n_slots, np.int64) for _ in range(2))
        self._ids, self._n_ids = np.zeros(MOST_IDS, dtype), 0
        self._lock = threading.Lock()

    @property
    def ids(self) -> np.ndarray:
        return self._ids[: self._n_ids]

    def find(self, words: _Words) -> np.ndarray:
        """Return the slot of each word (M,), or -1."""
        slots = np.full(len(words.lower), -1)
        left = np.arange(len(slots))
        for tried in _slots(words.lower, words.upper):
            at = tried[left]
            there = (self.lower[at] == words.lower[left]) & (self.upper[at] == words.upper[left])
            there &= words.upper[left] != NO_KEY
            slots[left[there]] = at[there]
            left = left[~there]
        return slots

    def add(
        self,
        words: _Words,
        which: np.ndarray,
        ids: np.ndarray,
        first: np.ndarray,
        count: np.ndarray,
    ) -> None:
        """Add words whose ids are `count` of `ids` from `first`, as far as there is room."""
        fits = words.upper[which] != NO_KEY
        lower, upper = words.lower[which[fits]], words.upper[which[fits]]
        first, count = first[fits], count[fits]
        one, other = _slots(lower, upper)
        with self._lock:
            slots = np.where(self.upper[one] == NO_KEY, one, other)
            slots, chosen = np.unique(slots, return_index=True)
            free = self.upper[slots] == NO_KEY
            slots, chosen = slots[free], chosen[free]
            added = ids[_ranges(first[chosen], count[chosen])]
            end = self._n_ids + len(added)
            if end > len(self._ids):
                return
            self._ids[self._n_ids : end] = added
            self.count[slots] = count[chosen]
            self.first[slots] = self._n_ids + np.cumsum(count[chosen]) - count[chosen]
            self._n_ids = end
            self.lower[slots] = lower[chosen]
            self.upper[slots] = upper[chosen]  # last: now others find the word


def _slots(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two slots in which each word may be."""
    mixed = lower * _MULTIPLIERS[0] ^ upper * _MULTIPLIERS[1]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MULTIPLIERS[0]
    one = mixed >> np.uint64(64 - SLOT_BITS)
    other = mixed >> np.uint64(64 - 2 * SLOT_BITS) & np.uint64((1 << SLOT_BITS) - 1)
    return one.astype(np.int64), other.astype(np.int64)
