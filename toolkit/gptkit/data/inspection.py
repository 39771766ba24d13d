"""Measure tokenizers on a corpus, without training anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gptkit.data.corpus import Corpus
from gptkit.data.corpus_facts import CorpusFacts
from gptkit.data.encoding import build_tokenizer, encode_text
from gptkit.data.parity import TextTokens, compare_tokens
from gptkit.data.text_files import join_files
from gptkit.data.text_on_disk import LargeText
from gptkit_tokenizers import LossyTokenizer, Tokenizer, audit
from gptkit_tokenizers.measures import Measures, measure
from gptkit_tokenizers.spec import without_each_option
from gptkit_tokenizers.trained import is_learned, learned_size

MAX_INSPECTED_CHARS = 64_000_000  # the most characters that are measured
STRETCH_CHARS = 40  # characters of the text that are shown cut into tokens
PASSAGE_CHARS = 800  # on a page


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


class CountedText(msgspec.Struct, frozen=True, kw_only=True):
    """The number of tokens of a text under each tokenizer, by its name."""

    name: str
    bytes: int
    tokens: dict[str, int]


class PartEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What an option of a learned tokenizer does: its tokens with it, and without it.

    Attributes:
        part: the option, as in a spec: `digits=2`.
        without: the spec without it.
    """

    tokenizer: str
    part: str
    without: str
    tokens: int
    tokens_without: int


class TokenizerCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a tokenizer costs on a text.

    Attributes:
        load_seconds: to build it; for a learned one, from the cache if it is there.
        encode_seconds: to encode the whole text once, on all cores.
        peak_bytes: the most memory of the process, with Python and the text; None on Windows.
    """

    load_seconds: float
    encode_seconds: float
    peak_bytes: int | None


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What `gptkit inspect --json` prints, see `to_document`.

    Attributes:
        corpus: the first text, on which everything but `texts` is measured.
        stretch: a part of this text.
        texts: all texts.
        tokens: how many tokens each tokenizer makes of each text; for several texts.
        parts: what each option of the tokenizers does.
    """

    corpus: CorpusFacts
    stretch: str
    tokenizers: list[InspectedTokenizer]
    texts: list[CountedText]
    tokens: list[TextTokens]
    parts: list[PartEffect]


def inspect_tokenizers(
    corpora: Sequence[Corpus],
    tokenizers: Mapping[str, str | Tokenizer],
    *,
    on_tokenizer: Callable[[str], None] = lambda name: None,
) -> Inspection:
    """Measure tokenizers on texts.

    Args:
        corpora: tokenizers learn from all of them, are measured on the first, and the tokens of
            each are counted.
        tokenizers: specs or tokenizers by name.
        on_tokenizer: called with each name before it is measured.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that cannot encode the text.
    """
    corpus, *others = corpora
    text, *other_texts = map(inspected_text, corpora)
    source = joined_corpus(corpora)
    stretch = passage(text, STRETCH_CHARS)
    rows, tokens, parts = {}, {}, []
    for name in sorted(tokenizers, key=lambda name: -learned_size(tokenizers[name])):
        on_tokenizer(name)
        given = tokenizers[name]
        tokenizer = build_tokenizer(source, given) if isinstance(given, str) else given
        rows[name] = row = _inspect(name, tokenizer, text, corpus.val, stretch)
        tokens[name] = [row.measures.tokens, *(len(tokenizer.encode_array(t)) for t in other_texts)]
        if isinstance(given, str):
            parts += _parts(row, given, source, text)
    texts = [
        CountedText(
            name=one.name,
            bytes=len(its_text.encode()),
            tokens={name: tokens[name][i] for name in tokenizers},
        )
        for i, (one, its_text) in enumerate(
            zip((corpus, *others), (text, *other_texts), strict=True)
        )
    ]
    return Inspection(
        corpus=corpus.facts(),
        stretch=stretch,
        tokenizers=[rows[name] for name in tokenizers],
        texts=texts,
        tokens=[
            compare_tokens(name, {text.name: text.tokens[name] for text in texts})
            for name in (tokenizers if len(texts) > 1 else ())
        ],
        parts=sorted(parts, key=lambda part: [*tokenizers].index(part.tokenizer)),
    )


def to_document(found: Inspection) -> dict[str, Any]:
    """Return plain data, with a tokenizer's measures beside its name."""
    document = msgspec.to_builtins(found)
    document["tokenizers"] = [row | row.pop("measures") for row in document["tokenizers"]]
    return document


def inspected_text(corpus: Corpus) -> str:
    """Return the text that is measured: all of it, or the start of a large one."""
    large = isinstance(corpus.train, LargeText)
    return corpus.train[:MAX_INSPECTED_CHARS] if large else corpus.text


def joined_corpus(corpora: Sequence[Corpus]) -> Corpus:
    """Join texts to what tokenizers learn from, as an experiment on all of them does."""
    first, *others = corpora
    if not others:
        return first
    trains = [corpus.train[:MAX_INSPECTED_CHARS] for corpus in corpora]
    return replace(first, train=join_files(trains), val=join_files([c.val for c in corpora]))


def _parts(row: InspectedTokenizer, spec: str, corpus: Corpus, text: str) -> list[PartEffect]:
    """Learn a tokenizer again without each of its options, and count its tokens."""
    if not is_learned(spec):
        return []
    found = []
    for part, without in without_each_option(spec).items():
        other = build_tokenizer(corpus, without)
        found.append(
            PartEffect(
                tokenizer=row.tokenizer,
                part=part,
                without=without,
                tokens=row.measures.tokens,
                tokens_without=len(other.encode_array(text)),
            )
        )
    return found


def _inspect(
    name: str, tokenizer: Tokenizer, text: str, held_out: str, stretch: str
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
        tokenizer=name,
        measures=measures,
        val_bytes_per_token=val.bytes_per_token,
        n_bytes=whole.n_bytes,
        lost_bytes=whole.lost_bytes,
        audit=message,
        cut=cut,
    )


def passage(text: str, n_chars: int) -> str:
    """Return some characters from the middle of a text, from the start of a word."""
    middle = max(0, min(len(text) // 2, len(text) - n_chars))
    start = text.find(" ", middle) + 1 or middle
    return text[start : start + n_chars]
