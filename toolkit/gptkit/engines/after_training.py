"""Measure trained arms further: the loss over all tokenizations, and on perturbed texts."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_text
from gptkit.engines.run_folder import load_run
from gptkit.errors import CorpusWarning
from gptkit.eval.baselines import MAX_COUNTED_IDS
from gptkit.eval.counted import CountedBigram
from gptkit.eval.evaluation import evaluate
from gptkit.eval.marginal import Gap, Lattice, PairLogProbs, pair_marginal, sampled_gap
from gptkit.eval.perturb import perturb
from gptkit.models import MODELS, Model
from gptkit.results.byte_losses import ByteLosses, read_arm_losses, to_byte_losses
from gptkit.results.perturbations import cost_of_perturbation
from gptkit.results.schema import COUNTED_BIGRAM, ArmResult, Marginal, Perturbed
from gptkit_tokenizers import TokenizerError

log = logging.getLogger("gptkit")

EXACT_BYTES = 50_000  # of the text, for models of pairs


def measure_marginals(
    folder: Path, arms: Sequence[ArmResult], texts: Mapping[str, EncodedCorpus]
) -> list[Marginal]:
    """Measure the first seed of each tokenizer and model, and counted bigrams of each tokenizer.

    A tokenizer whose bytes are not known by its ids alone is left out, with a warning.
    """
    rows = []
    for name, encoded in texts.items():
        log.info("%s  the loss over all tokenizations", name)
        if not encoded.tokenizer.context_free or encoded.reported.lost_bytes:
            warnings.warn(
                f"{name} has no loss over all tokenizations: the bytes of its tokens are not known "
                "by their ids alone.",
                CorpusWarning,
                stacklevel=2,
            )
            continue
        rows += _marginals(folder, [a for a in arms if a.tokenizer == name], name, encoded)
    return rows


def _marginals(
    folder: Path, arms: Sequence[ArmResult], name: str, encoded: EncodedCorpus
) -> list[Marginal]:
    lattice = Lattice(encoded.tokenizer)
    text = encoded.reported
    assert text.utf8 is not None
    earlier = encoded.train if encoded.test is None else encoded.val
    before = int(earlier.ids[-1:][0])
    counted = CountedBigram(
        encoded.train.ids[-MAX_COUNTED_IDS:].astype(np.int64), encoded.tokenizer.vocab_size
    )

    def by_counts(history: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(counted.bigram(history, ids)))

    ids = text.ids[:].astype(np.int64)
    ends = np.asarray(text.ends[:])

    def exact(log_probs: PairLogProbs) -> Gap:
        n = int(np.searchsorted(ends, EXACT_BYTES, side="right")) or len(ids)
        n_bytes = int(ends[n - 1])
        history = np.concatenate([[before], ids[: n - 1]])
        canonical = -float(log_probs(history, ids[:n]).sum())
        part = text.utf8[:n_bytes] if text.utf8 is not None else b""
        marginal = pair_marginal(lattice, part, before, log_probs)
        return Gap(n_bytes=n_bytes, canonical=canonical, marginal=marginal, error=None)

    rows = [_row(name, COUNTED_BIGRAM, exact(by_counts))]
    for arm in arms:
        if arm.seed != 0:
            continue
        run = load_run(folder / arm.id, tokenizer=encoded.tokenizer)
        if MODELS[run.config.model.architecture].support_is_pairs:
            gap = exact(_pairs_of(run.model))
        else:
            gap = sampled_gap(
                run.model, lattice, ids, ends, text.utf8, before=before, log_probs=by_counts
            )
        rows.append(_row(name, arm.model, gap))
    return rows


def _pairs_of(model: Model) -> PairLogProbs:
    @torch.no_grad()
    def log_probs(history: np.ndarray, ids: np.ndarray) -> np.ndarray:
        pairs = torch.from_numpy(history)[:, None], torch.from_numpy(ids)[:, None]
        return -model.nll(*pairs)[:, 0].double().numpy()

    return log_probs


def _row(tokenizer: str, model: str, gap: Gap) -> Marginal:
    per_byte = 1 / (math.log(2) * gap.n_bytes)
    return Marginal(
        tokenizer=tokenizer,
        model=model,
        bytes=gap.n_bytes,
        canonical=gap.canonical * per_byte,
        bits_per_byte=gap.marginal * per_byte,
        error=None if gap.error is None else gap.error * per_byte,
    )


def measure_perturbed(
    folder: Path,
    arms: Sequence[ArmResult],
    texts: Mapping[str, EncodedCorpus],
    corpus: Corpus,
    kinds: Sequence[str],
) -> list[Perturbed]:
    """Score every arm on each perturbation of the text that the losses are from."""
    text = corpus.val if corpus.test is None else corpus.test
    clean_lines = text.split("\n")
    ends = np.cumsum([len((line + "\n").encode()) for line in clean_lines])
    ends[-1] -= 1
    if not clean_lines[-1]:
        ends = ends[:-1]
    rows = []
    for kind in kinds:
        log.info("scoring the text with perturbed %s", kind)
        lines = perturb(text, kind)
        changed = "".join(lines)
        changed_ends = np.cumsum([len(line.encode()) for line in lines])
        for name, encoded in texts.items():
            for model in dict.fromkeys(arm.model for arm in arms):
                seeds = [a for a in arms if (a.tokenizer, a.model) == (name, model)]
                try:
                    losses = [_score(folder, arm, encoded, changed) for arm in seeds]
                except TokenizerError:
                    rows.append(_perturbed(name, model, kind, None))
                    continue
                clean = [read_arm_losses(folder, arm) for arm in seeds]
                cost = cost_of_perturbation(clean, losses, ends=ends, changed_ends=changed_ends)
                rows.append(_perturbed(name, model, kind, cost))
    return rows


def _perturbed(
    tokenizer: str, model: str, kind: str, cost: tuple[float, tuple[float, float] | None] | None
) -> Perturbed:
    delta, interval = (None, None) if cost is None else cost
    return Perturbed(
        tokenizer=tokenizer, model=model, kind=kind, delta_bits_per_byte=delta, ci95=interval
    )


def _score(folder: Path, arm: ArmResult, encoded: EncodedCorpus, text: str) -> ByteLosses:
    run = load_run(folder / arm.id, tokenizer=encoded.tokenizer)
    other = encode_text(encoded.tokenizer, text, lossy_ok=encoded.reported.lost_bytes > 0)
    before = encoded.train if encoded.test is None else encoded.val
    found = evaluate(run.model, other, before=before.ids, stride=run.config.schedule.eval_stride)
    return to_byte_losses(found.nats, other.ends, text.encode(), also=other.lost_nats)
