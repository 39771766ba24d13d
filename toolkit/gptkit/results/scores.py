"""The types of what `gptkit score` measures: language models on one text."""

from __future__ import annotations

import msgspec

from gptkit.events.losses import Loss
from gptkit.results.schema import Interval


class ModelScore(msgspec.Struct, frozen=True, kw_only=True):
    """A model's loss on the whole text.

    Attributes:
        source: the folder, run or hub name.
        model_type: the architecture, as transformers calls it; for a run, its recipe.
        parameters: all of them, embeddings included.
        context: tokens of the longest context that was used.
        prefix_id: the id that stands before the first token of the text; it is not scored.
        ci95: the interval from the text, by a block bootstrap; None for a text of one block.
        seconds: of scoring, without loading.
    """

    name: str
    source: str
    model_type: str
    vocab_size: int
    parameters: int
    context: int
    prefix_id: int
    loss: Loss
    ci95: Interval | None
    seconds: float


class ScoreVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether model `a` is better than `b` on this text.

    Attributes:
        delta_bits_per_byte: the loss of b minus that of a.
        ci95: its interval from the text.
        p_holm: the p-value from the text, corrected for all pairs.
    """

    a: str
    b: str
    delta_bits_per_byte: float
    ci95: Interval | None
    p_holm: float | None
    significant: bool
    message: str


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What `gptkit score --json` prints; models are in the order of their losses.

    Attributes:
        text: the name of the text.
        sha256: the hash of its UTF-8 bytes.
    """

    gptkit: str
    text: str
    sha256: str
    bytes: int
    models: list[ModelScore]
    verdicts: list[ScoreVerdict]
