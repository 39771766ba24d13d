"""Score language models on a text in exact bits per byte: other people's, and our runs.

Every byte of the text is scored once. Its bytes are counted from the tokens themselves, after an
audit of the tokenizer. Special tokens are never scored: the text is encoded as plain text. The
first token follows the model's beginning-of-text token; without one its end-of-text token; without
both a line break. In an export of a run, it follows the last id of the training text, as in the
run. Windows are disjoint unless a stride is given; the first token of a window follows the last
one of the window before.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gptkit.data.encoding import EncodedText, encode_text
from gptkit.data.id_array import IdArray
from gptkit.engines.run_folder import Run, load_run
from gptkit.errors import ConfigError
from gptkit.eval.evaluation import Evaluation, sweep
from gptkit.export.causal_lm import HUB, check_model_folder, load_causal_lm
from gptkit.export.hugging_face import ExportRecord
from gptkit.results.byte_losses import (
    ByteLosses,
    block_bits,
    cut_blocks,
    shared_borders,
    to_byte_losses,
)
from gptkit.results.schema import Interval
from gptkit.results.scores import ModelScore, Scores, ScoreVerdict
from gptkit.results.statistics import (
    CONFIDENCE,
    Difference,
    block_bytes_for,
    holm,
    paired_difference,
    text_p_value,
)
from gptkit_tokenizers import Tokenizer, get_tokenizer

MAX_CONTEXT = 2048  # tokens; a longer context is used only if it is asked for


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model that is not loaded yet, with its tokenizer.

    Attributes:
        run: for a run of ours; None for a model of transformers.
        record: for an export of ours.
    """

    name: str
    place: str
    tokenizer: Tokenizer
    run: Run | None = None
    record: ExportRecord | None = None


def score_models(
    models: Mapping[str, str],
    text: str,
    *,
    text_name: str,
    context: int | None = None,
    stride_bytes: int | None = None,
    lossy_ok: bool = False,
    on_model: Callable[[str], None] = lambda name: None,
) -> Scores:
    """Score models on a text.

    Args:
        models: folders of runs or of models, or `hf:OWNER/NAME[@REVISION]`, by name.
        context: the longest context in tokens; None for each model's own, at most 2,048.
        stride_bytes: how far windows advance, in bytes of text; None for disjoint windows.
        lossy_ok: score a model whose tokenizer loses bytes, and add the cost of restoring them.
        on_model: called with each name before its model is loaded.

    Raises:
        ConfigError: a model or an option cannot be used.
        TokenizerError: a tokenizer cannot be read, or does not give the text's bytes back.
    """
    sources = [open_source(name, place) for name, place in models.items()]
    encoded = [
        encode_text(source.tokenizer, text, lossy_ok=lossy_ok, keep_utf8=True) for source in sources
    ]
    scores, losses = [], {}
    for source, text_ids in zip(sources, encoded, strict=True):
        on_model(source.name)
        score, nats = _score(source, text_ids, context=context, stride_bytes=stride_bytes)
        scores.append(score)
        losses[source.name] = nats
    scores.sort(key=lambda score: score.loss.bits_per_byte)
    data = text.encode()
    return Scores(
        gptkit=version("gptkit"),
        text=text_name,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        models=scores,
        verdicts=judge_scores([score.name for score in scores], losses),
    )


def open_source(name: str, place: str) -> Source:
    """Find a model and read its tokenizer; the weights are not read yet.

    Raises:
        ConfigError, RunError, TokenizerError: the place has no model, or no tokenizer.
    """
    folder = Path(place).expanduser()
    if (folder / "result.json").is_file():
        run = load_run(folder)
        return Source(name=name, place=place, tokenizer=run.tokenizer, run=run)
    if place.startswith(HUB):
        return Source(name=name, place=place, tokenizer=get_tokenizer(place))
    check_model_folder(folder)
    tokenizer = get_tokenizer(str(folder))
    return Source(name=name, place=place, tokenizer=tokenizer, record=read_export(folder))


def read_export(folder: Path) -> ExportRecord | None:
    """Return the record of an export of ours, or None if the folder is none."""
    try:
        return msgspec.json.decode((folder / "gptkit.json").read_bytes(), type=ExportRecord)
    except OSError:
        return None
    except ValueError as error:
        raise ConfigError(
            f"{folder / 'gptkit.json'} is no record of an export: {error}."
        ) from error


def _score(
    source: Source, text: EncodedText, *, context: int | None, stride_bytes: int | None
) -> tuple[ModelScore, ByteLosses]:
    model, model_type, prefix = _load(source, context)
    _check_fit(source, model, text)
    stride = None
    if stride_bytes is not None:
        stride = max(1, min(model.block_size, round(stride_bytes / text.bytes_per_token)))
    began = time.perf_counter()
    nats = sweep_from_start(model, text.ids, prefix=prefix, stride=stride)
    seconds = time.perf_counter() - began
    evaluation = Evaluation(
        nats=nats,
        n_bytes=text.n_bytes,
        n_chars=text.n_chars,
        lost_bytes=text.lost_bytes,
        lost_nats=text.lost_nats,
    )
    assert text.utf8 is not None
    losses = to_byte_losses(nats, text.ends, text.utf8, also=text.lost_nats)
    whole = _on_blocks(losses, losses.borders)
    return ModelScore(
        name=source.name,
        source=source.place,
        model_type=model_type,
        vocab_size=model.vocab_size,
        parameters=sum(p.numel() for p in model.parameters())
        if source.run is None
        else source.run.result.params.total,
        context=model.block_size,
        prefix_id=prefix,
        loss=evaluation.loss,
        ci95=_interval(whole),
        seconds=seconds,
    ), losses


def _load(source: Source, context: int | None) -> tuple[Any, str, int]:
    """Load a model; return it, its type, and the id that stands before the text."""
    line_break = source.tokenizer.encode("\n")[-1:] or [0]
    if source.run is not None:
        own = source.run.model
        if context is not None and context < own.block_size:
            raise ConfigError(
                f"context is {context}, but the run {source.name} always has a context of "
                f"{own.block_size} tokens.\nGive that or more, or export the run."
            )
        return own, source.run.config.recipe, line_break[0]
    loaded = load_causal_lm(source.place, block_size=context or MAX_CONTEXT)
    if source.record is not None:
        loaded.block_size = min(loaded.block_size, source.record.block_size)
    config = loaded.model.config
    if source.record is not None:
        return loaded, config.model_type, source.record.prefix_id
    text_config = config.get_text_config()
    known = [text_config.bos_token_id, text_config.eos_token_id]
    ids = [i for one in known for i in (one if isinstance(one, list) else [one])]
    prefix = next((i for i in ids if i is not None and 0 <= i < loaded.vocab_size), line_break[0])
    return loaded, config.model_type, prefix


def _check_fit(source: Source, model: Any, text: EncodedText) -> None:
    if source.tokenizer.vocab_size > model.vocab_size:
        raise ConfigError(
            f"the tokenizer of {source.place} has {source.tokenizer.vocab_size:,} ids, and its "
            f"model only {model.vocab_size:,}: they do not belong together.\nPut the model's own "
            "tokenizer.json into its folder."
        )
    if len(text.ids) < model.block_size:
        raise ConfigError(
            f"the text has {len(text.ids):,} tokens under {source.name}, fewer than its context of "
            f"{model.block_size:,}.\nGive a longer text, or context={len(text.ids)} or less."
        )


def sweep_from_start(model: Any, ids: IdArray, *, prefix: int, stride: int | None) -> np.ndarray:
    """Return the nats (N,) of every id of a text with nothing before it but `prefix`.

    The model is one of ours, or a `CausalLM`. The first window is scored as a whole; the others
    advance by `stride`.
    """
    before = np.array([prefix], dtype=np.int64)
    first, rest = ids[: model.block_size], ids[model.block_size :]
    if stride is None or not len(rest):
        return sweep(model, ids, before=before)
    head = sweep(model, first, before=before)
    read = np.concatenate([before, first.astype(np.int64)])
    return np.concatenate([head, sweep(model, rest, before=read, stride=stride)])


def judge_scores(ranked: Sequence[str], losses: Mapping[str, ByteLosses]) -> list[ScoreVerdict]:
    """Compare every pair of models on the text; the uncertainty is the text's alone.

    Args:
        ranked: the names of the models, the best first.
    """
    pairs = []
    for a, b in itertools.combinations(ranked, 2):
        shared = shared_borders(losses[a], losses[b])
        pairs.append((a, b, *_on_blocks(losses[b], shared, losses[a])))
    p_values = [p for *_, p in pairs if p is not None]
    corrected = iter(holm(p_values))
    verdicts = []
    for a, b, difference, p in pairs:
        p_holm = None if p is None else next(corrected)
        significant = p_holm is not None and p_holm < 1 - CONFIDENCE
        claim = f"{difference.mean:.3f}"
        if difference.text is not None:
            claim += f" ± {difference.text:.3f}"
        says = (
            f"{a} is better than {b} by {claim} bits per byte"
            if significant
            else f"{a} and {b} cannot be told apart on this text ({claim} bits per byte)"
        )
        verdicts.append(
            ScoreVerdict(
                a=a,
                b=b,
                delta_bits_per_byte=difference.mean,
                ci95=_interval((difference, p)),
                p_holm=p_holm,
                significant=significant,
                message=says,
            )
        )
    return verdicts


def _on_blocks(
    losses: ByteLosses, borders: np.ndarray, less: ByteLosses | None = None
) -> tuple[Difference, float | None]:
    """Return the bits per byte, less those of another model, and the p-value of none."""
    ends = cut_blocks(borders, block_bytes_for(len(losses.text)))
    bits = block_bits(losses, ends)
    if less is not None:
        bits = bits - block_bits(less, ends)
    difference = paired_difference(bits[None], np.diff(ends, prepend=0))
    return difference, text_p_value(difference, n_blocks=len(ends))


def _interval(found: tuple[Difference, float | None]) -> Interval | None:
    difference, _ = found
    if difference.text is None:
        return None
    return (difference.mean - difference.text, difference.mean + difference.text)
