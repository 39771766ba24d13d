"""Calibration of ladders: how often the sets of crossovers and the predictions hold the truth.

The texts are from Markov sources, so there is as much of them as a truth needs. Most arms are
counted bigrams of tokens, which take milliseconds: a larger vocabulary sees further back, but needs
more text, so orders flip. Their true curves are means over many arms on a long text. Copies of one
tokenizer have no difference. A sample of ladders is of decoders that are trained; each is drawn
from a pool of seeds, and the mean of the pool on the whole evaluation text is the truth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from importlib.metadata import version

import numpy as np

from gptkit.config import Schedule
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.data.markov import MarkovSource
from gptkit.eval.counted import CountedBigram
from gptkit.models import build_model
from gptkit.plan.recipes import decoder
from gptkit.results.byte_losses import ByteLosses, block_bits, cut_blocks, to_byte_losses
from gptkit.results.crossovers import Judgement, Ladder, judge_ladder, rungs_of
from gptkit.results.statistics import BLOCK_BYTES, CONFIDENCE
from gptkit.results.studies import LadderCoverage, ScaleCalibration
from gptkit.results.trend import draw_trends
from gptkit.train.loop import train_to_end
from gptkit_tokenizers import Tokenizer, get_tokenizer, token_lengths

SPECS = ("char", "bpe:288", "bpe:512")
LENGTHS, SEEDS = (4, 6), 3  # rungs of a ladder
RUNGS = LENGTHS[0]  # of ladders of copies and of trained decoders
TOPS = (64_000, 192_000)  # bytes of the largest rung; each for half of the ladders
EXTRAPOLATE = 10.0
TEXT_CHARS = 3_000_000
LEARNING_CHARS = 200_000
VAL_BYTES = 60_000
TRUTH_BYTES = 240_000  # of the text that true curves are measured on
TRUTH_ARMS = 12  # counted arms, of which a true loss is the mean
TRUTH_POINTS = 14
SOURCES = tuple((order, seed) for seed in (11, 12, 13) for order in (2, 3))
TRAINED_SPECS = ("char", "bpe:512")
TRAINED_STEPS = 64  # of the largest rung
TRAINED_VAL_PARTS = 4

OnDone = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A ladder, and the truth: the differences at the top, and the crossovers, by pair.

    Attributes:
        top: b - a by pair of tokenizers.
        crossover: the largest budget at which a true difference changes its sign; None without.
    """

    ladder: Ladder
    top: dict[tuple[str, str], float]
    crossover: dict[tuple[str, str], float | None]


class CountedArms:
    """Counted bigrams of several tokenizers on the text of one source."""

    def __init__(self, source: MarkovSource, specs: Sequence[str], *, seed: int) -> None:
        self.text = source.write(TEXT_CHARS, seed=seed)  # one byte for each character
        self.tokenizers: list[Tokenizer] = [
            get_tokenizer(spec, self.text[:LEARNING_CHARS]) for spec in specs
        ]
        self.ids = [t.encode_array(self.text).astype(np.int64) for t in self.tokenizers]
        self.ends = [
            token_lengths(t)[ids].cumsum() for t, ids in zip(self.tokenizers, self.ids, strict=True)
        ]

    def model(self, t: int, start: int, n_bytes: int) -> CountedBigram:
        """Count the pairs of tokenizer t in `n_bytes` of the text from `start`."""
        first, last = np.searchsorted(self.ends[t], [start, start + n_bytes])
        return CountedBigram(self.ids[t][first:last], self.tokenizers[t].vocab_size)

    def losses(self, model: CountedBigram, t: int, text: str) -> ByteLosses:
        """Return a model's losses on a text, which it did not count."""
        ids = self.tokenizers[t].encode_array(text).astype(np.int64)
        history = np.concatenate([self.ids[t][:1], ids[:-1]])
        ends = token_lengths(self.tokenizers[t])[ids].cumsum()
        return to_byte_losses(-np.log(model.bigram(history, ids)), ends, text.encode())

    def true_curves(self, budgets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the mean loss (T, X) of many arms, in bits per byte of a long text."""
        val = self.text[-TRUTH_BYTES:]
        last = len(self.text) - TRUTH_BYTES
        curves = np.zeros((len(self.tokenizers), len(budgets)))
        for x, budget in enumerate(budgets.astype(int)):
            starts = rng.integers(LEARNING_CHARS, last - budget, size=TRUTH_ARMS)
            for t in range(len(curves)):
                nats = [self.losses(self.model(t, s, budget), t, val).nats.sum() for s in starts]
                curves[t, x] = np.mean(nats) / math.log(2) / TRUTH_BYTES
        return curves


def counted_trials(
    order: int,
    seed: int,
    *,
    ladders: int,
    top: int,
    rungs: int = RUNGS,
    specs: Sequence[str] = SPECS,
    on_done: OnDone,
) -> list[Trial]:
    """Make ladders of counted arms on the text of one source, and measure their truth."""
    rng = np.random.default_rng([order, seed, top])
    arms = CountedArms(MarkovSource.random(order=order, seed=seed), specs, seed=seed)
    budgets = np.array([top // 2**i for i in reversed(range(rungs))])
    grid = np.union1d(
        budgets, np.geomspace(budgets[0], EXTRAPOLATE * top, TRUTH_POINTS).astype(int)
    )
    grid = grid[grid < TEXT_CHARS - TRUTH_BYTES - LEARNING_CHARS]
    names = [str(i) for i in range(len(specs))]
    copies = len(set(specs)) == 1
    curves = np.zeros((len(specs), len(grid))) if copies else arms.true_curves(grid, rng)
    tops, crossovers = _truth(names, grid, curves, top)
    trials = []
    last = len(arms.text) - TRUTH_BYTES - VAL_BYTES - top
    for _ in range(ladders):
        place = int(rng.integers(LEARNING_CHARS, last))
        val = arms.text[place : place + VAL_BYTES]
        starts = rng.integers(LEARNING_CHARS, last, size=(len(specs), rungs, SEEDS))
        if not copies:
            starts[:] = starts[0]  # the seeds of a comparison read the same text
        losses = [
            [
                [arms.losses(arms.model(t, s, int(budget)), t, val) for s in starts[t, r]]
                for r, budget in enumerate(budgets)
            ]
            for t in range(len(specs))
        ]
        trials.append(Trial(ladder=_ladder(names, budgets, losses), top=tops, crossover=crossovers))
        on_done()
    return trials


def _truth(
    names: Sequence[str], grid: np.ndarray, curves: np.ndarray, top: int
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float | None]]:
    tops, crossovers = {}, {}
    for a, b in itertools.permutations(range(len(names)), 2):
        difference = curves[b] - curves[a]
        turns = np.flatnonzero(np.diff(np.sign(difference)))
        at = None
        if len(turns):
            i = turns[-1]
            share = difference[i] / (difference[i] - difference[i + 1])
            at = float(np.exp(np.log(grid[i]) + share * np.log(grid[i + 1] / grid[i])))
        tops[names[a], names[b]] = float(np.interp(np.log(top), np.log(grid), difference))
        crossovers[names[a], names[b]] = at
    return tops, crossovers


def _ladder(
    names: Sequence[str], budgets: np.ndarray, losses: Sequence[Sequence[Sequence[ByteLosses]]]
) -> Ladder:
    borders = reduce(np.intersect1d, (of_rungs[0][0].borders for of_rungs in losses))
    ends = cut_blocks(np.concatenate([[0], borders]), BLOCK_BYTES)
    bits = [[[block_bits(one, ends) for one in seeds] for seeds in rungs] for rungs in losses]
    return Ladder(
        tokenizers=names,
        budgets=budgets,
        bits=np.array(bits),
        block_bytes=np.diff(ends, prepend=0),
    )


def trained_trials(pool: int, *, ladders: int, on_done: OnDone) -> list[Trial]:
    """Train a pool of small decoders at each rung, and draw ladders of three seeds from it."""
    source = MarkovSource.random(order=2, seed=21)
    text = source.write(600_000, seed=21)
    val = text[-TRAINED_VAL_PARTS * VAL_BYTES :]
    corpus = Corpus(name="markov", train=text[: -len(val)], val=val, sha256="")
    recipe = decoder()
    model_config = replace(recipe.model, n_layer=1, n_head=2, n_embd=32)
    steps = [TRAINED_STEPS // 2**i for i in reversed(range(RUNGS))]
    losses: list[list[list[ByteLosses]]] = []
    for spec in TRAINED_SPECS:
        encoded = encode_corpus(corpus, spec)
        optim = recipe.optim_for(encoded.train.bytes_per_token)
        block_size = max(8, round(64 / encoded.train.bytes_per_token))
        losses.append([])
        for n in steps:
            schedule = Schedule(block_size=block_size, steps=n, bytes_per_step=1024, evaluations=1)
            arms = []
            for seed in range(pool):
                model = build_model(
                    model_config,
                    block_size=block_size,
                    vocab_size=encoded.tokenizer.vocab_size,
                    train_ids=encoded.train.ids,
                    seed=seed,
                )
                last = train_to_end(model, encoded, optim, replace(schedule, seed=seed))
                arms.append(
                    to_byte_losses(last.evaluation.nats, encoded.val.ends, corpus.val.encode())
                )
                on_done()
            losses[-1].append(arms)
    budgets = np.array(steps) * 1024
    whole = _ladder(TRAINED_SPECS, budgets, losses)
    tops, crossovers = _truth(TRAINED_SPECS, budgets, whole.curves(), int(budgets[-1]))
    rng = np.random.default_rng(0)
    parts = np.array_split(np.arange(len(whole.block_bytes)), TRAINED_VAL_PARTS)
    trials = []
    for i in range(ladders):
        part = parts[i % TRAINED_VAL_PARTS]
        chosen = [rng.permutation(pool)[:SEEDS] for _ in budgets]
        bits = np.stack([whole.bits[:, r, chosen[r]] for r in range(RUNGS)], axis=1)
        ladder = replace(whole, bits=bits[..., part], block_bytes=whole.block_bytes[part])
        trials.append(Trial(ladder=ladder, top=tops, crossover=crossovers))
    return trials


def coverage(arms: str, trials: Sequence[Trial]) -> LadderCoverage:
    """Count how often what the ladders say is true."""
    top, by_law, by_fit, by_rung = [], [], [], []
    in_set, claimed, false, false_leads = [], [], [], []
    for trial in trials:
        ladder = trial.ladder
        judged = judge_ladder(ladder, model="", extrapolate=EXTRAPOLATE)
        law = _by_law(ladder, judged)
        before = dict(zip(ladder.tokenizers, ladder.curves()[:, -2], strict=True))
        for predicted, pair, interval in zip(judged.predicted, judged.crossovers, law, strict=True):
            key = (pair.a, pair.b)
            truth, at = trial.top[key], trial.crossover[key]
            if at is not None and at < ladder.budgets[0]:
                at = None  # a ladder says nothing below its lowest rung
            top.append(predicted.ci95[0] <= truth <= predicted.ci95[1])
            by_law.append(interval[0] <= truth <= interval[1])
            if truth:
                by_fit.append(predicted.delta_bits_per_byte * truth > 0)
                by_rung.append((before[pair.b] - before[pair.a]) * truth > 0)
            found = pair.status == "crossover"
            leads = truth > 0 and (at is None or at <= ladder.budgets[-1])
            false_leads.append(pair.status == "none within range" and not leads)
            if at is None:
                false.append(found)
            else:
                low, high = pair.set_bytes or (math.inf, -math.inf)
                in_set.append((low or 0) <= at <= (math.inf if high is None else high))
                claimed.append(found)
    return LadderCoverage(
        arms=arms,
        ladders=len(trials),
        pairs=len(top) // len(trials),
        top=_share(top),
        top_by_law=_share(by_law),
        sign_by_fit=_share(by_fit) if by_fit else None,
        sign_by_rung=_share(by_rung) if by_rung else None,
        crossovers=len(in_set),
        in_set=_share(in_set) if in_set else None,
        claimed=_share(claimed) if claimed else None,
        false_crossovers=_share(false) if false else None,
        false_leads=_share(false_leads),
    )


def _by_law(ladder: Ladder, judged: Judgement) -> np.ndarray:
    """Return the intervals (P, 2) at the top rung of the law alone, fitted to the rungs below."""
    at = {name: i for i, name in enumerate(ladder.tokenizers)}
    pairs = [(at[pair.a], at[pair.b]) for pair in judged.predicted]
    below = rungs_of(ladder.below_top(), pairs)
    ahead = draw_trends(below, ladder.budgets[-1:], law_alone=True)[:, :, 0]
    return np.quantile(ahead, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0).T


def _share(held: Sequence[bool]) -> float:
    return float(np.mean(held))


def calibrate_scale(*, ladders: int, pool: int, on_done: OnDone) -> ScaleCalibration:
    """Measure the coverage of ladders.

    Args:
        ladders: of counted arms, and of copies.
        pool: seeds that are trained for each rung and tokenizer.
        on_done: called after each ladder, and after each training.
    """
    each = math.ceil(ladders / (len(SOURCES) * len(TOPS)))
    rows = []
    for top in TOPS:
        trials = [
            trial
            for order, seed in SOURCES
            for trial in counted_trials(
                order, seed, ladders=each, top=top, rungs=max(LENGTHS), on_done=on_done
            )
        ]
        for n in LENGTHS:
            largest = [replace(trial, ladder=trial.ladder.largest(n)) for trial in trials]
            rows.append(coverage(f"counted, up to {top // 1000} kB, {n} rungs", largest))
    copies = [
        trial
        for order, seed in SOURCES
        for trial in counted_trials(
            order, seed, ladders=2 * each, top=TOPS[0], specs=("char", "char"), on_done=on_done
        )
    ]
    rows.append(coverage("copies of char", copies))
    trained = trained_trials(pool, ladders=ladders // 2, on_done=on_done)
    rows.append(coverage("decoders, trained", trained))
    return ScaleCalibration(gptkit=version("gptkit"), ladders=ladders, pool=pool, coverage=rows)
