"""Time the encoding of 100 MB of text, in memory and into shards on disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gptkit.bench.measure import Measurement, alternate
from gptkit.data.corpus import load_corpus
from gptkit.data.shards import encode_shards
from gptkit.data.text_on_disk import LargeText, index_files
from gptkit_tokenizers import Tokenizer, get_tokenizer
from gptkit_tokenizers.bpe import load_encoding

N_BYTES = 100_000_000


def measure(rounds: int, *, n_bytes: int = N_BYTES) -> list[Measurement]:
    """Time char against a list comprehension, and gpt2 on all cores against one tiktoken call."""
    corpus = load_corpus().text
    text = corpus * max(1, n_bytes // len(corpus.encode()))
    size = f"{len(text.encode()) / 1e6:.0f} MB"
    char, gpt2 = get_tokenizer("char", corpus), get_tokenizer("gpt2")
    stoi = {c: char.encode(c)[0] for c in set(corpus)}
    encode_ordinary = load_encoding("gpt2").encode_ordinary
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text.txt"
        file.write_text(text, encoding="utf-8")
        on_disk, _ = index_files([file])
        shards = alternate(
            lambda: gpt2.encode_array(text), lambda: _into_shards(gpt2, on_disk), rounds=rounds
        )
    return [
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
            what=f"gpt2 encode of {size}, all cores",
            against="one encode_ordinary call",
            goal=1.6,
            rounds=alternate(
                lambda: encode_ordinary(text), lambda: gpt2.encode_array(text), rounds=rounds
            ),
        ),
        Measurement(
            name="encode-shards",
            what=f"gpt2 encode of {size} from disk into checked shards",
            against="the same text encoded in memory, all cores",
            goal=0.9,
            rounds=shards,
        ),
    ]


def _into_shards(tokenizer: Tokenizer, text: LargeText) -> None:
    with tempfile.TemporaryDirectory() as folder:
        encode_shards(tokenizer, text, Path(folder))
