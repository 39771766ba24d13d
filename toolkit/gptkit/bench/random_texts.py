"""Encode and decode random Unicode texts with every tokenizer that spells any text."""

from __future__ import annotations

import random
import sys
import time

from gptkit.data.corpus import load_corpus
from gptkit.results.stress_schema import TextRow
from gptkit_tokenizers import Tokenizer, get_tokenizer

SPECS = (
    "char+bytes",
    "byte",
    "gpt2",
    "bpe:512",
    "bpe:512:split=gpt4:digits=2:case=factored",
    "bpe:512:superwords=400",
    "unigram:300",
    "wordpiece:300",
)
LEARNING_CHARS = 20_000
MOST_CHARS = 40
RANGES = (  # of code points, and how often each is drawn
    ((0x20, 0x7E), 6),
    ((0x00, 0x1F), 2),
    ((0x80, 0x24F), 3),
    ((0x300, 0x36F), 2),  # marks that combine with the character before
    ((0x370, 0x1FFF), 2),
    ((0x2000, 0x20FF), 2),  # spaces, joiners and marks of direction
    ((0x3000, 0xD7FF), 2),
    ((0xE000, 0xFFFF), 1),
    ((0x10000, 0x10FFFF), 1),
)
ODD = ("\r\n", " " * 9, "'s", "\u200d", "\ufeff", "<|endoftext|>", "▁", "Ġ", "##", "aaaaaaaa", "\0")


def random_text(rng: random.Random) -> str:
    """Return up to `MOST_CHARS` characters of one to three ranges, with odd pieces between."""
    weights = [weight for _, weight in RANGES]
    chosen = rng.choices([bounds for bounds, _ in RANGES], weights, k=rng.randint(1, 3))
    pieces = []
    for _ in range(rng.randint(0, MOST_CHARS)):
        if rng.random() < 0.05:
            pieces.append(rng.choice(ODD))
        else:
            pieces.append(chr(rng.randint(*rng.choice(chosen))))
    return "".join(pieces)


def failure(tokenizer: Tokenizer, text: str) -> str | None:
    """Say what is wrong with a text's tokens; None if they spell it, byte for byte."""
    data = text.encode()
    ids = tokenizer.encode_array(text)
    counted = sum(len(tokenizer.token_bytes(i)) for i in ids.tolist())
    if counted != len(data):
        return f"its tokens count {counted} bytes of {len(data)}"
    if (spelled := tokenizer.decode_bytes(ids)) != data:
        return f"it comes back as {spelled!r}"
    return None


def measure_texts(*, texts: int, only: str | None = None, seed: int = 0) -> list[TextRow]:
    """Send `texts` random texts through each tokenizer of `SPECS`, or through one.

    A text that fails is shown on standard error.
    """
    learning = load_corpus(None).train[:LEARNING_CHARS]
    rows = []
    for spec in SPECS if only is None else (only,):
        tokenizer = get_tokenizer(spec, text=learning)
        rng = random.Random(seed)
        began, n_bytes, failures = time.monotonic(), 0, 0
        for _ in range(texts):
            text = random_text(rng)
            n_bytes += len(text.encode())
            if (wrong := failure(tokenizer, text)) is not None:
                failures += 1
                print(f"{spec}: {text!r}: {wrong}", file=sys.stderr)
        rows.append(
            TextRow(
                tokenizer=spec,
                texts=texts,
                n_bytes=n_bytes,
                failures=failures,
                seconds=time.monotonic() - began,
            )
        )
    return rows
