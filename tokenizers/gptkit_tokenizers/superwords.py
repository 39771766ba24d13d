r"""Tokens across words: a second stage of merges over the tokens of a first one.

The first stage is any tokenizer. The second learns byte-pair merges over its ids, within a line and
not across digits, so " of the" can become one token. As in SuperBPE (Liu et al., 2025): the words
of the first stage hold for the first ids alone.

Hugging Face's trainer learns the merges. It reads characters, so each id becomes a character: from
`FIRST` on, and from `FIRST_BARRIER` on for an id that is not merged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from gptkit_tokenizers.base import JsonObject, Tokenizer, id_dtype, unknown_id, utf8
from gptkit_tokenizers.chunking import cut_text, encode_in_chunks
from gptkit_tokenizers.registry import tokenizer_from_dict

if TYPE_CHECKING:
    import numpy as np
    import tokenizers

FIRST, FIRST_BARRIER = 0x10000, 0xE0000
PIECE_CHARS = 250_000
_LINE_END = re.compile(r"(?<=\S)\n(?=[^\W\d_])")
_BARRIER = re.compile(rb"[\n0-9]")
MAX_PART_IDS = 500  # the trainer's time grows with the square of a part's length
_PART = re.compile(rf"[{chr(FIRST)}-{chr(FIRST_BARRIER - 1)}]{{1,{MAX_PART_IDS}}}|.", re.DOTALL)

Merge = tuple[int, int]


class SuperwordTokenizer(Tokenizer):
    """The tokens of another tokenizer, merged across words.

    Args:
        name: the name of the tokenizer.
        base: the first stage.
        merges: pairs of ids. A merge whose tokens no earlier merge spells makes the next id, from
            `base.vocab_size` on.

    >>> from gptkit_tokenizers.byte import ByteTokenizer
    >>> tokenizer = SuperwordTokenizer("pairs", ByteTokenizer(), [(32, 98), (256, 101)])
    >>> tokenizer.encode("to be"), tokenizer.token_bytes(257)
    ([116, 111, 257], b' be')
    """

    def __init__(self, name: str, base: Tokenizer, merges: Sequence[Merge]) -> None:
        self.name = name
        self.context_free = base.context_free
        self._base, self._merges = base, [(int(a), int(b)) for a, b in merges]
        self._signs = signs_of(base)
        spelled = list(self._signs)  # each id as characters
        ids = {signs: i for i, signs in enumerate(spelled)}
        self._expanded = [[i] for i in range(base.vocab_size)]
        for a, b in self._merges:
            if ids.setdefault(spelled[a] + spelled[b], len(ids)) == len(spelled):
                spelled.append(spelled[a] + spelled[b])
                self._expanded.append(self._expanded[a] + self._expanded[b])
        self._ids = ids
        self._sign_merges = [(spelled[a], spelled[b]) for a, b in self._merges]
        self.vocab_size = len(ids)

    @cached_property
    def _second(self) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer, models

        return Tokenizer(models.BPE(self._ids, self._sign_merges))

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self._encode_piece(text).tolist()

    def encode_array(self, text: str) -> np.ndarray:
        utf8(text)
        return encode_in_chunks(text, self._encode_piece, next_cut=_next_line, chunk=PIECE_CHARS)

    def _encode_piece(self, text: str) -> np.ndarray:
        import numpy as np

        parts = parts_of(self._base, self._signs, text)
        encodings = self._second.encode_batch_fast(parts, add_special_tokens=False)
        return np.array([i for e in encodings for i in e.ids], dtype=id_dtype(self.vocab_size))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise unknown_id(self, token)
        return self._base.decode_bytes([i for token in ids for i in self._expanded[token]])

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return b"".join(self._base.token_bytes(i) for i in self._expanded[token])

    def token_text(self, token: int) -> str:
        return "".join(self._base.token_text(i) for i in self._expanded[token])

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "superwords_of": self._base.to_dict(), "merges": self._merges}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        return cls(data["name"], tokenizer_from_dict(data["superwords_of"]), data["merges"])


def learn_superwords(base: Tokenizer, text: str, n: int) -> list[Merge]:
    """Learn merges of a tokenizer's ids across words that make at most n new ids.

    Args:
        base: the first stage.
        text: the text to learn from.
        n: the number of new ids.
    """
    from tokenizers import Tokenizer, models, trainers

    signs = signs_of(base)
    second = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=len(signs) + n, initial_alphabet=signs, show_progress=False
    )
    pieces = cut_text(text, _next_line, PIECE_CHARS)
    second.train_from_iterator((parts_of(base, signs, piece) for piece in pieces), trainer)
    ids = {sign: i for i, sign in enumerate(signs)}
    merges = []
    for a, b in json.loads(second.to_str())["model"]["merges"]:
        merges.append((ids[a], ids[b]))
        ids.setdefault(a + b, len(ids))
    return merges


def signs_of(base: Tokenizer) -> list[str]:
    """Return a character for each id of a tokenizer; one of a barrier, if no merge may use it."""
    barriers = [_BARRIER.search(base.token_bytes(i)) for i in range(base.vocab_size)]
    return [chr((FIRST_BARRIER if b else FIRST) + i) for i, b in enumerate(barriers)]


def parts_of(base: Tokenizer, signs: Sequence[str], text: str) -> list[str]:
    """Return the signs of a text's ids, in the parts within which ids are merged."""
    return _PART.findall("".join([signs[i] for i in base.encode(text)]))


def _next_line(text: str, index: int) -> int:
    """Return the first place at or after an index where a line begins with a letter, or the end."""
    found = _LINE_END.search(text, index)
    return found.end() if found else len(text)
