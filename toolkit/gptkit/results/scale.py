"""Compose scale.json from the experiments at the rungs of a ladder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np

from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.results.by_text import cut_by_text
from gptkit.results.byte_losses import ByteLosses, block_bits, cut_blocks, read_arm_losses
from gptkit.results.crossovers import Judgement, Ladder, judge_ladder
from gptkit.results.scale_schema import Axis, Crossover, PairAtTop, Rung, Scale
from gptkit.results.scale_sentences import amount, is_as_predicted, say_crossover, say_ladder
from gptkit.results.schema import ArmResult, Results
from gptkit.results.statistics import ALPHA, block_bytes_for, holm
from gptkit.results.summary import group_by_model, join_names, mean_bits, say_leads, std_bits

FIGURES = re.compile(r"^\S+-s\d+(?: \(and \d+ more arms?\))?|(?<![\w:])\d[\d.,]*")


def compose_scale(
    folder: Path,
    rungs: Sequence[Results],
    *,
    config: ExperimentConfig,
    axis: Axis,
    factor: float,
    extrapolate: float,
    seconds: float,
) -> Scale:
    """Judge the experiments in a ladder's folder, one for each rung, from the smallest.

    Args:
        config: the config of the top rung, resolved.
        seconds: the duration of the whole ladder.
    """
    judged, says = {}, {}
    warnings: list[str] = []
    models = dict.fromkeys(arm.model for arm in rungs[-1].arms)
    ladders = {name: read_ladders(folder, rungs, model=name, axis=axis) for name in models}
    whole = {
        name: judge_ladder(ladder, model=name, axis=axis, extrapolate=extrapolate)
        for name, (ladder, _) in ladders.items()
    }
    corrected = iter(holm([p for found in whole.values() for p in found.p_values]))
    n_pairs = sum(len(found.p_values) for found in whole.values())
    for model, (ladder, _) in ladders.items():
        maybe = [pair for pair in whole[model].found if next(corrected) >= ALPHA]
        judged[model], says[model] = _with_words(
            whole[model], ladder, axis, extrapolate, maybe=maybe, n_pairs=n_pairs
        )
        warnings += _warnings(judged[model], ladder, model)
    by_text, tops, too_short = _judge_texts(
        {model: of_texts for model, (_, of_texts) in ladders.items()}, axis, extrapolate
    )
    for model, (ladder, of_texts) in ladders.items():
        leader = ladder.tokenizers[int(ladder.curves()[:, -1].argmin())]
        if better := better_on_texts(tops, model=model, leader=leader):
            at_top = amount(float(ladder.budgets[-1]), axis)
            says[model] += f" But at {at_top} {say_leads(better, n_texts=len(of_texts))}."
    if too_short:
        warnings.append(f"too short for a ladder of its own: {join_names(too_short)}")
    return Scale(
        gptkit=version("gptkit"),
        name=folder.name,
        experiment=config,
        axis=axis,
        factor=factor,
        extrapolate=extrapolate,
        rungs=[
            _rung(results, seeds) for results in rungs for seeds in group_by_model(results.arms)
        ],
        fits=[fit for found in judged.values() for fit in found.fits],
        predicted=[pair for found in judged.values() for pair in found.predicted],
        found=[pair for found in judged.values() for pair in found.found],
        crossovers=[p for found in judged.values() for p in found.crossovers] + by_text,
        says=says,
        warnings=warnings + warnings_of_rungs([results.warnings for results in rungs]),
        seconds=seconds,
    )


def _judge_texts(
    ladders: Mapping[str, Mapping[str, Ladder]], axis: Axis, extrapolate: float
) -> tuple[list[Crossover], list[tuple[str, PairAtTop, float]], list[str]]:
    """Judge the ladders on each of several texts, by model and text.

    Returns:
        Crossovers; text, difference at the top rung and p-value of each pair; and the texts that
        are too short.
    """
    crossovers: list[Crossover] = []
    tops: list[tuple[str, PairAtTop, float]] = []
    too_short = set()
    for model, of_texts in ladders.items():
        for text, ladder in of_texts.items():
            if len(ladder.block_bytes) < 2:
                too_short.add(text)
                continue
            judgement = judge_ladder(ladder, model=model, axis=axis, extrapolate=extrapolate)
            found, _ = _with_words(judgement, ladder, axis, extrapolate)
            crossovers += [msgspec.structs.replace(one, text=text) for one in found.crossovers]
            tops += [(text, *one) for one in zip(found.found, found.p_values, strict=True)]
    return crossovers, tops, sorted(too_short)


def better_on_texts(
    tops: Sequence[tuple[str, PairAtTop, float]], *, model: str, leader: str
) -> dict[str, list[str]]:
    """Find the texts on which another tokenizer is ahead of the leader at the top rung.

    Args:
        tops: text, difference there and p-value, of all models; Holm-corrected for all of them.

    Returns:
        The texts, by the tokenizer that is furthest ahead.
    """
    ahead: dict[str, PairAtTop] = {}
    for (text, pair, _), p in zip(tops, holm([p for *_, p in tops]), strict=True):
        if pair.model == model and pair.b == leader and p < ALPHA:
            further = ahead.setdefault(text, pair)
            ahead[text] = max(further, pair, key=lambda one: one.delta_bits_per_byte)
    better: dict[str, list[str]] = {}
    for text, pair in ahead.items():
        better.setdefault(pair.a, []).append(text)
    return better


def read_ladders(
    folder: Path, rungs: Sequence[Results], *, model: str, axis: Axis
) -> tuple[Ladder, dict[str, Ladder]]:
    """Read the losses by byte of a model's arms, in blocks at whose ends all tokenizers cut.

    Returns:
        The ladder on the whole text, and those on each of several texts, by name.
    """
    tokenizers = list(dict.fromkeys(arm.tokenizer for arm in rungs[-1].arms))
    losses: list[list[list[ByteLosses]]] = []
    budgets = []
    for results in rungs:
        arms = [arm for arm in results.arms if arm.model == model]
        budgets.append(_budget(arms, axis))
        losses.append(
            [
                [read_arm_losses(folder / results.name, a) for a in arms if a.tokenizer == name]
                for name in tokenizers
            ]
        )
    borders = reduce(np.intersect1d, (seeds[0].borders for seeds in losses[0]))
    borders = np.concatenate([[0], borders])

    def on_blocks(ends: np.ndarray) -> Ladder:
        bits = [[[block_bits(one, ends) for one in seeds] for seeds in rung] for rung in losses]
        return Ladder(
            tokenizers=tokenizers,
            budgets=np.array(budgets),
            bits=np.swapaxes(np.array(bits), 0, 1),  # (T, R, S, K)
            block_bytes=np.diff(ends, prepend=0),
        )

    whole = on_blocks(cut_blocks(borders, block_bytes_for(int(borders[-1]))))
    if rungs[-1].by_text is None:
        return whole, {}
    sizes = {row.text: row.bytes for row in rungs[-1].by_text.losses}
    until = np.cumsum([*sizes.values()]).tolist()
    starts = [0, *until[:-1]]
    ranges = dict(zip(sizes, zip(starts, until, strict=True), strict=True))
    ends, of_text = cut_by_text(borders, ranges)
    cut = on_blocks(ends)
    return whole, {
        name: replace(
            cut, bits=cut.bits[..., of_text == i], block_bytes=cut.block_bytes[of_text == i]
        )
        for i, name in enumerate(sizes)
    }


def _budget(arms: Sequence[ArmResult], axis: Axis) -> float:
    if axis == "params":
        return float(arms[0].params.body)
    return fmean(arm.train.bytes for arm in arms)


def _rung(results: Results, seeds: Sequence[ArmResult]) -> Rung:
    return Rung(
        folder=results.name,
        tokenizer=seeds[0].tokenizer,
        model=seeds[0].model,
        bytes=fmean(arm.train.bytes for arm in seeds),
        params=seeds[0].params.body,
        epochs=fmean(arm.train.epochs for arm in seeds),
        bits_per_byte=mean_bits(seeds),
        std=std_bits(seeds),
        seconds=fmean(arm.train.seconds for arm in seeds),
    )


def _with_words(
    judgement: Judgement,
    ladder: Ladder,
    axis: Axis,
    extrapolate: float,
    *,
    maybe: Sequence[PairAtTop] = (),
    n_pairs: int = 1,
) -> tuple[Judgement, str]:
    """Say in words what a ladder shows.

    Args:
        maybe: the pairs whose difference at the top rung may be chance among `n_pairs`.
    """
    top, lowest = float(ladder.budgets[-1]), float(ladder.budgets[0])
    crossovers = [
        msgspec.structs.replace(
            pair,
            says=say_crossover(pair, top=top, lowest=lowest, axis=axis, extrapolate=extrapolate),
        )
        for pair in judgement.crossovers
    ]
    text = say_ladder(
        crossovers,
        judgement.found,
        judgement.predicted,
        bits=dict(zip(ladder.tokenizers, ladder.curves().tolist(), strict=True)),
        budgets=ladder.budgets.tolist(),
        axis=axis,
        chance=[frozenset((pair.a, pair.b)) for pair in maybe],
        n_pairs=n_pairs,
    )
    return replace(judgement, crossovers=crossovers), text


def warnings_of_rungs(warnings: Sequence[Sequence[str]]) -> list[str]:
    """Say each kind of warning once, in the words of the largest rung that has it.

    Args:
        warnings: of each rung, the smallest first. They are of one kind if only their figures
            differ, and the arms that they name first; a number in a tokenizer's name is no figure.

    >>> warnings_of_rungs([["bpe:512: 2 epochs"], ["bpe:512: 3 epochs", "bpe:1024: 3 epochs"]])
    ['at 2 of 2 rungs: bpe:512: 3 epochs', 'at 1 of 2 rungs: bpe:1024: 3 epochs']
    >>> warnings_of_rungs([["a-m-s0 (and 2 more arms): overfitted"], ["b-m-s1: overfitted"]])
    ['at 2 of 2 rungs: b-m-s1: overfitted']
    """
    kinds: dict[str, dict[int, str]] = {}
    for rung, of_rung in enumerate(warnings):
        for warning in of_rung:
            kinds.setdefault(FIGURES.sub("", warning), {})[rung] = warning
    return [
        f"at {len(same)} of {len(warnings)} rungs: {same[max(same)]}" for same in kinds.values()
    ]


def _warnings(judgement: Judgement, ladder: Ladder, model: str) -> list[str]:
    notes = []
    before, last = np.argsort(ladder.curves()[:, -2:], axis=0, kind="stable").T
    if before.tolist() != last.tolist():
        notes.append(
            f"under {model} the order of the tokenizers still changes between the last two rungs: "
            "a larger rung may change it again"
        )
    missed = [
        f"{p.a} and {p.b}"
        for p, f in zip(judgement.predicted, judgement.found, strict=True)
        if not is_as_predicted(p, f)
    ]
    if missed:
        notes.append(
            f"under {model} the top rung was not what the rungs below predicted for "
            f"{', '.join(missed)}: do not trust what is said beyond the top rung"
        )
    return notes
