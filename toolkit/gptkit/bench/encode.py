"""Time the encoding of 100 MB of text, in memory and into shards on disk."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gptkit.bench.measure import Measurement, alternate
from gptkit.data.corpus import load_corpus
from gptkit.data.shards import encode_shards
from gptkit.data.text_on_disk import LargeText, index_files
from gptkit_tokenizers import Tokenizer, get_tokenizer
from gptkit_tokenizers.bpe import PIECE_CHARS, load_encoding
from gptkit_tokenizers.chunking import encode_in_chunks
from gptkit_tokenizers.cuts import next_word
from gptkit_tokenizers.word_cache import WordCache

if TYPE_CHECKING:
    import numpy as np

N_BYTES = 100_000_000


def measure(rounds: int, *, n_bytes: int = N_BYTES) -> list[Measurement]:
    """Time char against a list comprehension, and gpt2 on all cores against one tiktoken call.

    A table of words begins empty in each round, so it learns the words of the text, too.
    """
    corpus = load_corpus().text
    text = corpus * max(1, n_bytes // len(corpus.encode()))
    size = f"{len(text.encode()) / 1e6:.0f} MB"
    char, gpt2 = get_tokenizer("char", corpus), get_tokenizer("gpt2")
    stoi = {c: char.encode(c)[0] for c in set(corpus)}
    encoding = load_encoding("gpt2")

    def encode_by_words() -> np.ndarray:
        words = WordCache(gpt2, encoding.encode_to_numpy, line_breaks=True)
        return encode_in_chunks(text, words.encode, next_cut=next_word, chunk=PIECE_CHARS)

    def encode_ordinary() -> list[int]:
        return encoding.encode_ordinary(text)

    def encode_array() -> np.ndarray:
        return get_tokenizer("gpt2").encode_array(text)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text.txt"
        file.write_text(text, encoding="utf-8")
        on_disk, _ = index_files([file])
        shards = alternate(
            encode_ordinary, lambda: _into_shards(get_tokenizer("gpt2"), on_disk), rounds=rounds
        )
    rows = [
        Measurement(
            name="encode-char",
            what=f"char encode of {size}",
            against="[stoi[c] for c in text]",
            goal=20,
            rounds=alternate(
                lambda: [stoi[c] for c in text], lambda: char.encode_array(text), rounds=rounds
            ),
        ),
        Measurement(
            name="encode-gpt2",
            what=f"gpt2 encode of {size}, all cores, without the extra",
            against="one encode_ordinary call",
            goal=1.8,
            rounds=alternate(encode_ordinary, encode_by_words, rounds=rounds),
        ),
        Measurement(
            name="encode-shards",
            what=f"gpt2 encode of {size} from disk into checked shards",
            against="one encode_ordinary call",
            goal=1.8,
            rounds=shards,
        ),
    ]
    if find_spec("gigatoken"):
        fast = Measurement(
            name="encode-gpt2-fast",
            what=f"gpt2 encode of {size}, all cores, with the extra fast",
            against="one encode_ordinary call",
            goal=5,
            rounds=alternate(encode_ordinary, encode_array, rounds=rounds),
        )
        rows.insert(2, fast)
    return rows


def _into_shards(tokenizer: Tokenizer, text: LargeText) -> None:
    with tempfile.TemporaryDirectory() as folder:
        encode_shards(tokenizer, text, Path(folder))
