"""Encode large texts with gigatoken, the extra `fast`, where it gives the same ids.

Its ids are compared with the tokenizer's own library: on hard cases when it is loaded, on the first
million characters of each text, on the start of every piece of the rest, and on every character
that the text has, because the libraries know different versions of Unicode. At the first difference
it is switched off for this tokenizer, with one warning.
"""

from __future__ import annotations

import sys
import tempfile
import unicodedata
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gptkit_tokenizers.base import Tokenizer, TokenizerError, TokenizerWarning, id_dtype
from gptkit_tokenizers.chunking import Encode, NextCut, encode_in_chunks
from gptkit_tokenizers.guard import is_library_error
from gptkit_tokenizers.word_patterns import CL100K, GPT2, O200K, QWEN

if TYPE_CHECKING:
    import numpy as np

MIN_CHARS = 4_000_000  # for a shorter text, loading and comparing cost more than they save
FIRST_CHARS = 1_000_000  # of each text, compared as a whole
SAMPLE_CHARS = 10_000  # of each piece, compared
PATTERN_NAMES = {GPT2: "gpt2", CL100K: "gpt4", O200K: "o200k", QWEN: "qwen2"}  # gigatoken's names


class FastEncoder:
    """Another engine for one tokenizer, compared with its own library.

    Args:
        tokenizer: the tokenizer, for its name and its number of ids.
        reference: its own encoding of a piece.
        load: returns the engine's encoding, or None if it has none; it may raise anything.
    """

    def __init__(
        self, tokenizer: Tokenizer, reference: Encode, load: Callable[[], Encode | None]
    ) -> None:
        self._tokenizer, self._reference, self._load = tokenizer, reference, load
        self._engine: Encode | None = None
        self._loaded = False
        self._compared: set[str] = set()  # characters beyond ASCII, and runs of combining marks

    def encode(self, text: str, next_cut: NextCut) -> np.ndarray | None:
        """Return the ids of a large text; None where the engine cannot be used or differs."""
        if len(text) < MIN_CHARS:
            return None
        try:
            if not self._loaded:
                self._loaded = True
                self._engine = self._load() if find_spec("gigatoken") else None
                if self._engine is not None:
                    self._compare(hard_cases(), None, "for hard cases")
            if self._engine is None:
                return None
            first = text[: next_cut(text, FIRST_CHARS)]
            self._compare(first, next_cut, "at the start of this text")
            return encode_in_chunks(
                text, lambda piece: self._piece(piece, next_cut), next_cut=next_cut
            )
        except TokenizerError:
            raise
        except BaseException as error:
            if not is_library_error(error):
                raise
            self._engine = None
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(
                f"the fast encoder is not used for {self._tokenizer.name}: {reason}",
                TokenizerWarning,
                stacklevel=4,
            )
            return None

    def _piece(self, piece: str, next_cut: NextCut) -> np.ndarray:
        import numpy as np

        assert self._engine is not None
        new = _characters_of(piece) - self._compared
        if new:
            beside = (f"a{c}b {c} 1{c}2!{c}<s{c}'é {c}'s\n{c}\n" for c in sorted(new))
            self._compare("".join(beside), None, "in this text")
            self._compared |= new
        ids = self._engine(piece)
        expected = self._reference(piece[: next_cut(piece, SAMPLE_CHARS)])
        if not np.array_equal(ids[: len(expected)], expected):
            raise ValueError("its ids differ in this text.")
        if ids.max(initial=0) >= self._tokenizer.vocab_size:
            raise ValueError("it gives ids outside the vocabulary.")
        return ids.astype(id_dtype(self._tokenizer.vocab_size))

    def _compare(self, text: str, next_cut: NextCut | None, where: str) -> None:
        import numpy as np

        assert self._engine is not None
        expected = encode_in_chunks(
            text, self._reference, next_cut=next_cut, chunk=FIRST_CHARS // 8
        )
        if not np.array_equal(self._engine(text), expected):
            raise ValueError(f"its ids differ {where}.")


def _characters_of(text: str) -> set[str]:
    """Return the characters of a text that are not ASCII, and its runs of combining marks."""
    import numpy as np
    import regex

    if text.isascii():
        return set()
    seen = np.zeros(sys.maxunicode + 1, dtype=bool)
    seen[np.frombuffer(text.encode("utf-32-le"), "<u4")] = True
    found = {chr(c) for c in np.flatnonzero(seen[128:]) + 128}
    if any(unicodedata.category(c).startswith("M") for c in found):
        found |= set(regex.findall(r"\p{M}{2,}", text))
    return found


def load_json(saved: bytes) -> Encode:
    """Load a tokenizer.json whose special tokens are ordinary text."""
    import gigatoken
    import msgspec

    parts = msgspec.json.decode(saved, type=dict[str, msgspec.Raw])
    added = msgspec.json.decode(parts.get("added_tokens", b"[]")) or []
    ordinary = [entry for entry in added if not entry.get("special")]
    parts["added_tokens"] = msgspec.Raw(msgspec.json.encode(ordinary))
    return gigatoken.Tokenizer.from_json(msgspec.json.encode(parts)).encode


def load_sentencepiece(name: str, model: bytes) -> Encode:
    """Load a SentencePiece model, without a space in front of the text."""
    from gigatoken._load.sentencepiece import sentencepiece_to_tokenizer_json

    from gptkit_tokenizers.tokenizer_json import without_additions

    content = sentencepiece_to_tokenizer_json(model)
    return load_json(without_additions(name, content.encode()))


def load_ranks(ranks: Mapping[bytes, int], pattern: str) -> Encode | None:
    """Load a table of ranks; None for a pattern that gigatoken does not have."""
    import gigatoken

    if pattern not in PATTERN_NAMES:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ranks.tiktoken"
        by_rank = sorted(ranks.items(), key=lambda item: item[1])
        path.write_bytes(b"".join(b"%s %d\n" % (b64encode(t), rank) for t, rank in by_rank))
        return gigatoken.Tokenizer.from_tiktoken(path, PATTERN_NAMES[pattern], {}).encode


@cache
def hard_cases() -> str:
    """Return a text of everything that tokenizers treat differently, some 30,000 characters."""
    scripts = [
        "The quick brown fox's 1st jump wasn't 12345.67% sure; they'LL we'd I'm x²½ Ⅷ ﬁ\n",
        "Zażółć gęślą jaźń ÀÉÎÕÜ ß İstanbul Ǆ Straße naïve cafe\u0301 A\u030a\n",
        "Съешь ещё этих мягких французских булок Ελληνικά ΣΊΣΥΦΟΣ עברית العربيّة हिन्दी ภาษาไทย\n",
        "日本語の文章、中文字符，한국어 문장. 全角ＡＢＣ　１２３\n",
        "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪 🦆\u200d\u200b\ufeff\u2060 ▁▁ a▁b Ġ Ċ\n",
        "<|endoftext|><s></s>[CLS][UNK]<unk><pad> <|im_start|>user\n",
        "\0a\0\x01\x7f\x85b\u2028c\u2029d\xa0e\u3000f\r\ng\rh\n\n\n  i   j\t\tk \n \n  l\v\fm\x1c",
        'if (x_1 != y->z[0]) { return "a\\n"; } // http://a.b/c?d=e&f=%20#g --- ... ?!?! \'"`\n',
        "1 12 123 1234 12345 123456 1234567 ١٢٣٤ १२३ 1,000,000.00 0x1F 1e-9\n",
        *(c * 300 for c in ("a", " ", "\n", "ab", "é", "!", "7", "\t", "中", " a")),
    ]
    blocks = (
        *range(0x0800),
        *range(0x0900, 0x0E80),
        *range(0x1E00, 0x2C00),
        *range(0x3000, 0x3100),
    )
    characters = [chr(c) for c in blocks if unicodedata.category(chr(c)) != "Cn"]
    return "".join(scripts) + " ".join(characters) + "a".join(characters)
