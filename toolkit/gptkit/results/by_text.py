"""Compare tokenizers on each of several texts, and on all of them with equal weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

import numpy as np

from gptkit.results.byte_losses import ByteLosses, block_bits, shared_borders
from gptkit.results.schema import ALL, ArmResult, TextLoss, TextVerdict
from gptkit.results.statistics import (
    ALPHA,
    Difference,
    block_bytes_for,
    difference_of,
    holm,
    paired_difference,
)
from gptkit.results.summary import group_by_model
from gptkit.results.verdict import describe, is_significant

Losses = Callable[[ArmResult], ByteLosses]
Ranges = Mapping[str, tuple[int, int]]  # the bytes of each text, by name


def losses_by_text(arms: Sequence[ArmResult], losses: Losses, ranges: Ranges) -> list[TextLoss]:
    """Return each tokenizer's loss on each text, under each model."""
    rows = []
    for seeds in group_by_model(arms):
        sums = [np.concatenate([[0.0], np.cumsum(losses(a).nats, dtype=float)]) for a in seeds]
        for name, (start, end) in ranges.items():
            bits = [float(s[end] - s[start]) / math.log(2) / (end - start) for s in sums]
            rows.append(
                TextLoss(
                    text=name,
                    tokenizer=seeds[0].tokenizer,
                    model=seeds[0].model,
                    bytes=end - start,
                    bits_per_byte=fmean(bits),
                    std=stdev(bits) if len(bits) > 1 else None,
                )
            )
    return rows


def judge_by_text(
    arms: Sequence[ArmResult], losses: Losses, ranges: Ranges, *, level: float = ALPHA
) -> list[TextVerdict]:
    """Make a verdict for each text, model and pair, and one over all texts with equal weights.

    p-values are corrected for all of them.
    """
    found: list[tuple[str, str, str, str, Difference, int]] = []
    for model in dict.fromkeys(arm.model for arm in arms):
        groups = [g for g in group_by_model(arms) if g[0].model == model]
        for a, b in itertools.combinations(groups, 2):
            for text, difference in _compare(a, b, losses, ranges).items():
                pair = a[0].tokenizer, b[0].tokenizer
                if difference.mean < 0:
                    pair, difference = pair[::-1], _turned(difference)
                found.append((text, model, *pair, difference, len(a)))
    p_values = [one[4].p for one in found]
    corrected = iter(holm([p for p in p_values if p is not None]))
    verdicts = []
    for text, model, a_name, b_name, difference, n_seeds in found:
        p_holm = None if difference.p is None else next(corrected)
        half = difference.half_width
        claim = describe(
            a_name, difference, p_holm=p_holm, n_seeds=n_seeds, n_pairs=len(found), level=level
        )
        verdicts.append(
            TextVerdict(
                text=text,
                model=model,
                a=a_name,
                b=b_name,
                delta_bits_per_byte=difference.mean,
                ci95=None if half is None else (difference.mean - half, difference.mean + half),
                p_holm=p_holm,
                significant=is_significant(difference, p_holm=p_holm, level=level),
                message=f"{a_name} vs {b_name} under {model} on {text}: {claim}",
            )
        )
    return verdicts


def _turned(difference: Difference) -> Difference:
    return Difference(
        mean=-difference.mean,
        text=difference.text,
        seeds=difference.seeds,
        both=difference.both,
        p=difference.p,
    )


def _compare(
    a: Sequence[ArmResult], b: Sequence[ArmResult], losses: Losses, ranges: Ranges
) -> dict[str, Difference]:
    """Return the difference b - a on each text, and over all."""
    bits, ends, of_text = [], np.empty(0, dtype=np.int64), np.empty(0)
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
        a_losses, b_losses = losses(one), losses(other)
        if not i:
            ends, of_text = cut_by_text(shared_borders(a_losses, b_losses), ranges)
        bits.append(block_bits(b_losses, ends) - block_bits(a_losses, ends))
    stacked, lengths = np.stack(bits), np.diff(ends, prepend=0)
    each = {
        name: paired_difference(stacked[:, of_text == i], lengths[of_text == i])
        for i, name in enumerate(ranges)
    }
    return each | {ALL: _stratified(stacked, lengths, of_text)}


def cut_by_text(borders: np.ndarray, ranges: Ranges) -> tuple[np.ndarray, np.ndarray]:
    """Cut each text into blocks: their ends (K,), and the index of each block's text (K,)."""
    ends: list[int] = []
    of_text: list[int] = []
    for i, (start, end) in enumerate(ranges.values()):
        wanted = np.append(np.arange(start, end, block_bytes_for(end - start))[1:], end)
        cut = np.unique(borders[np.searchsorted(borders, wanted)])
        cut = cut[cut > (ends[-1] if ends else 0)]
        ends += cut.tolist()
        of_text += [i] * len(cut)
    return np.array(ends), np.array(of_text)


def _stratified(bits: np.ndarray, lengths: np.ndarray, of_text: np.ndarray) -> Difference:
    """Return the mean over texts of the difference on each: blocks vary within texts only.

    Cochran, "Sampling techniques", 1977, section 5.4: the variance of a stratified mean is the sum
    of those of the strata, weighted by the square of their shares; its degrees of freedom are
    Satterthwaite's. A text of one block has no variance, so the mean has none from the text either.

    Args:
        bits: (S, K).
        lengths, of_text: (K,).
    """
    texts = np.unique(of_text)
    per_seed = np.zeros(len(bits))
    variances, degrees = [], []
    for text in texts:
        mine = of_text == text
        n_bytes, n_blocks = lengths[mine].sum(), int(mine.sum())
        rate = bits[:, mine].sum(axis=1) / n_bytes
        per_seed += rate / len(texts)
        left = bits[:, mine].mean(axis=0) - rate.mean() * lengths[mine]
        variances.append(
            float((left**2).sum()) / n_bytes**2 * n_blocks / max(1, n_blocks - 1) / len(texts) ** 2
        )
        degrees.append(n_blocks - 1)
    mean = float(per_seed.mean())
    errors: dict[str, tuple[float, float]] = {}
    if all(degrees):
        freedom = float(sum(degrees))  # of no variance
        if variance := sum(variances):
            freedom = variance**2 / sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
        errors["text"] = math.sqrt(variance), freedom
    if len(bits) > 1:
        errors["seeds"] = float(per_seed.std(ddof=1)) / math.sqrt(len(bits)), len(bits) - 1.0
    return difference_of(mean, errors)
