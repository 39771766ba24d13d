"""Measure tokenizers on a corpus, without training anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from gptkit.data.corpus import Corpus
from gptkit.data.corpus_facts import CorpusFacts
from gptkit.data.encoding import build_tokenizer, encode_text
from gptkit.data.text_on_disk import LargeText
from gptkit_tokenizers import LossyTokenizer, Tokenizer, audit
from gptkit_tokenizers.measures import Measures, measure
from gptkit_tokenizers.trained import learned_size

MAX_INSPECTED_CHARS = 64_000_000  # the most characters that are measured
STRETCH_CHARS = 40  # characters of the text that are shown cut into tokens


class InspectedTokenizer(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a tokenizer on a corpus.

    Attributes:
        measures: measures on the whole text, or on its start if it is large.
        val_bytes_per_token: bytes per token on val, which no tokenizer learned from.
        n_bytes: bytes of the text that is measured.
        lost_bytes: bytes of this text that its tokens do not spell.
        audit: "passes", or the audit's message.
        cut: the tokens of `Inspection.stretch`, as text.
    """

    tokenizer: str
    measures: Measures
    val_bytes_per_token: float
    n_bytes: int
    lost_bytes: int
    audit: str
    cut: list[str]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What `gptkit inspect --json` prints; `stretch` is a part of the text."""

    corpus: CorpusFacts
    stretch: str
    tokenizers: list[InspectedTokenizer]


def inspect_tokenizers(
    corpus: Corpus,
    specs: Sequence[str],
    *,
    on_tokenizer: Callable[[str], None] = lambda spec: None,
) -> Inspection:
    """Measure tokenizers on a corpus.

    Args:
        on_tokenizer: called with each spec before it is measured.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that cannot encode the text.
    """
    large = isinstance(corpus.train, LargeText)
    text = corpus.train[:MAX_INSPECTED_CHARS] if large else corpus.text
    stretch = _stretch(text)
    rows = {}
    for spec in sorted(specs, key=learned_size, reverse=True):
        on_tokenizer(spec)
        rows[spec] = _inspect(spec, build_tokenizer(corpus, spec), text, corpus.val, stretch)
    tokenizers = [rows[spec] for spec in specs]
    return Inspection(corpus=corpus.facts(), stretch=stretch, tokenizers=tokenizers)


def _inspect(
    spec: str, tokenizer: Tokenizer, text: str, held_out: str, stretch: str
) -> InspectedTokenizer:
    whole = encode_text(tokenizer, text, lossy_ok=True)
    val = encode_text(tokenizer, held_out, lossy_ok=True)
    message = "passes"
    measures = measure(tokenizer, text, whole.ids[:])
    if whole.lost_bytes:
        measures = replace(measures, words_whole=None)
        try:
            audit(tokenizer, text, whole.ids[:])
        except LossyTokenizer as error:
            message = str(error)
    cut = [tokenizer.token_text(i) for i in tokenizer.encode(stretch)]
    return InspectedTokenizer(
        tokenizer=spec,
        measures=measures,
        val_bytes_per_token=val.bytes_per_token,
        n_bytes=whole.n_bytes,
        lost_bytes=whole.lost_bytes,
        audit=message,
        cut=cut,
    )


def _stretch(text: str) -> str:
    """Return about a line from the middle of the text, from the start of a word."""
    middle = len(text) // 2
    start = text.find(" ", middle) + 1 or middle
    return text[start : start + STRETCH_CHARS]
