"""Make arms equal in bytes, tokens, FLOPs, parameters or time.

Each way of matching is a function from a request to complete arms. All start from `match_bytes`,
and no arm gets more training text than the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import log
from statistics import geometric_mean
from typing import Any

import numpy as np

from gptkit.config import Arm, ModelConfig, Recipe, Schedule
from gptkit.data.batches import window_starts
from gptkit.data.encoding import EncodedCorpus
from gptkit.errors import CorpusError
from gptkit.models import MODELS, ParamCounts
from gptkit.models.compact_softmax import head_columns
from gptkit.plan.budget import steps_of


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arms that are wanted.

    Attributes:
        recipes: recipes by name, with the text fields that the user gave.
        seconds: seconds of training per arm, if matched by time.
        stride_bytes: distance between evaluation windows; None for disjoint windows.
    """

    recipes: Mapping[str, Recipe]
    seeds: Sequence[int]
    seconds: float | None = None
    stride_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Complete arms, and remarks about the matching for the reader."""

    notes: tuple[str, ...] = ()
    arms: tuple[Arm, ...]


Encoded = Mapping[str, EncodedCorpus]  # the corpus under each tokenizer, by its name


def match_bytes(encoded: Encoded, request: Request) -> Matched:
    """Give all arms the same training bytes, steps, bytes per step, context in bytes, and body.

    The context is a whole number of tokens, so it differs from `context_bytes` by at most half a
    token on average.
    """
    arms = []
    for name, corpus in encoded.items():
        for recipe_name, recipe in request.recipes.items():
            block_size = tokens_for_bytes(recipe.context_bytes, corpus)
            _check_length(name, corpus, block_size)
            window_bytes = block_size * corpus.train.bytes_per_token
            stride = request.stride_bytes and tokens_for_bytes(request.stride_bytes, corpus)
            schedule = Schedule(
                block_size=block_size,
                batch_size=max(1, round(recipe.bytes_per_step / window_bytes)),
                steps=steps_of(recipe.budget, bytes_per_step=recipe.bytes_per_step),
                bytes_per_step=recipe.bytes_per_step,
                evaluations=recipe.evaluations,
                eval_stride=stride,
            )
            arm = Arm(
                tokenizer=name,
                recipe=recipe_name,
                model=recipe.model,
                optim=recipe.optim_for(corpus.train.bytes_per_token),
                schedule=schedule,
            )
            arms += [_with_schedule(arm, seed=seed) for seed in request.seeds]
    return Matched(arms=tuple(arms))


def match_tokens(encoded: Encoded, request: Request) -> Matched:
    """Give all arms the same tokens, block size and steps: the naive comparison.

    A tokenizer with fewer bytes per token then reads less text.

    The tokenizer with the most bytes per token is the reference: it trains as under
    `match_bytes`, in whole windows, and all others get its tokens and its learning rates.
    """
    coarsest = max(encoded.values(), key=lambda corpus: corpus.train.bytes_per_token)
    stride = request.stride_bytes and tokens_for_bytes(request.stride_bytes, coarsest)
    arms = []
    for arm in match_bytes(encoded, request).arms:
        recipe = request.recipes[arm.recipe]
        block_size = tokens_for_bytes(recipe.context_bytes, coarsest)
        _check_length(arm.tokenizer, encoded[arm.tokenizer], block_size)
        window_bytes = block_size * coarsest.train.bytes_per_token
        matched = _with_schedule(
            arm,
            block_size=block_size,
            bytes_per_step=None,
            batch_size=max(1, int(recipe.bytes_per_step / window_bytes)),
            eval_stride=stride,
        )
        arms.append(replace(matched, optim=recipe.optim_for(coarsest.train.bytes_per_token)))
    note = "the naive comparison: a tokenizer with fewer bytes per token reads less text"
    return Matched(notes=(note,), arms=tuple(arms))


def match_flops(encoded: Encoded, request: Request) -> Matched:
    """Give all arms the training FLOPs of the cheapest arm, by choosing their steps.

    FLOPs count the matrix products of the body, the attention and the compact head, on the tokens
    of the windows that the arm will read. Arms differ by at most half a step.
    """
    matched = match_bytes(encoded, request)
    spent = {arm: flops_after(arm, encoded[arm.tokenizer]) for arm in matched.arms}
    cheapest = {
        recipe: min(flops[-1] for arm, flops in spent.items() if arm.recipe == recipe)
        for recipe in request.recipes
    }
    arms = tuple(
        _with_schedule(arm, steps=_nearest_step(flops, goal))
        if (goal := cheapest[arm.recipe])
        else arm
        for arm, flops in spent.items()
    )
    unmatched = [recipe for recipe, flops in cheapest.items() if not flops]
    notes = [f"{recipe}, without matrix products, is matched by bytes" for recipe in unmatched]
    return Matched(notes=tuple(notes), arms=arms)


def match_params(encoded: Encoded, request: Request) -> Matched:
    """Give all arms the same total parameters: a larger vocabulary leaves a smaller body.

    Sizes follow one rule: `n_embd` is a multiple of 2 · n_head, and `n_layer` scales with it. Each
    arm takes the nearest such size, and the width of its MLP makes up the difference. The target
    total is the size of the largest vocabulary's model that is closest to the geometric mean of
    the unmatched totals.
    """
    matched = match_bytes(encoded, request)
    vocab_size = {name: corpus.tokenizer.vocab_size for name, corpus in encoded.items()}
    totals: dict[str, int] = {}
    notes = []
    for recipe in request.recipes:
        arms = {arm.tokenizer: arm for arm in matched.arms if arm.recipe == recipe}
        sizers = {name: Sizer(arm, vocab_size[name]) for name, arm in arms.items()}
        largest = max(arms, key=lambda name: vocab_size[name])
        if not sizers[largest].body(arms[largest].model):
            notes.append(f"{recipe}, without a body to shrink or grow, is matched by bytes")
            continue
        mean = geometric_mean([sizers[name].total(arm.model) for name, arm in arms.items()])
        size = sizers[largest].nearest(mean)
        totals[recipe] = sizers[largest].total(size)
        body = sizers[largest].body(size)
        if body < totals[recipe] / 10:
            notes.append(
                f"{largest}'s vocabulary leaves {recipe} a body of {body:,} of "
                f"{totals[recipe]:,} parameters"
            )
    resized = tuple(
        replace(arm, model=Sizer(arm, vocab_size[arm.tokenizer]).for_total(totals[arm.recipe]))
        if arm.recipe in totals
        else arm
        for arm in matched.arms
    )
    return Matched(notes=tuple(notes), arms=resized)


def match_time(encoded: Encoded, request: Request) -> Matched:
    """Give all arms the same seconds of training."""
    arms = tuple(
        _with_schedule(arm, steps=None, seconds=request.seconds)
        for arm in match_bytes(encoded, request).arms
    )
    note = "this depends on the machine: another one gives other steps, and so other losses"
    return Matched(notes=(note,), arms=arms)


MATCHES: dict[str, Callable[[Encoded, Request], Matched]] = {
    "bytes": match_bytes,
    "tokens": match_tokens,
    "flops": match_flops,
    "params": match_params,
    "time": match_time,
}


def tokens_for_bytes(n_bytes: int, corpus: EncodedCorpus) -> int:
    """Return how many tokens (at least one) spell about this many bytes of training text."""
    return max(1, round(n_bytes / corpus.train.bytes_per_token))


def flops_per_token(arm: Arm, corpus: EncodedCorpus) -> int:
    """Return the FLOPs of training on one token, with the compact softmax."""
    return MODELS[arm.model.architecture].flops_per_token(
        arm.model,
        columns=head_columns(corpus.vocab_seen, corpus.tokenizer.vocab_size),
        block_size=arm.schedule.block_size,
    )


def flops_after(arm: Arm, corpus: EncodedCorpus) -> np.ndarray:
    """Return the FLOPs (steps,) that an arm has spent after each step."""
    schedule = arm.schedule
    starts = window_starts(
        corpus.train.ends,
        block_size=schedule.block_size,
        bytes_per_step=schedule.bytes_per_step,
        batch_size=schedule.batch_size,
        seed=schedule.seed,
    )
    windows = [len(batch) for batch in islice(starts, schedule.steps)]
    return np.cumsum(windows) * float(schedule.block_size * flops_per_token(arm, corpus))


def training_flops(arm: Arm, corpus: EncodedCorpus) -> float:
    """Estimate the FLOPs of an arm's training from windows of average length."""
    schedule = arm.schedule
    tokens: float = schedule.batch_size * schedule.block_size
    if schedule.bytes_per_step:
        tokens = schedule.bytes_per_step / corpus.train.bytes_per_token
    return (schedule.steps or 1) * tokens * flops_per_token(arm, corpus)


def _with_schedule(arm: Arm, **changes: Any) -> Arm:
    return replace(arm, schedule=replace(arm.schedule, **changes))


def _nearest_step(spent: np.ndarray, flops: float) -> int:
    return int(np.abs(spent - flops).argmin()) + 1


def _check_length(name: str, corpus: EncodedCorpus, block_size: int) -> None:
    if len(corpus.train.ids) <= block_size:
        raise CorpusError(
            f"the training text is too short: {corpus.train.n_bytes:,} bytes are "
            f"{len(corpus.train.ids):,} tokens of {name}, but one window needs {block_size + 1}.\n"
            "Give a longer text, or a shorter context."
        )


class Sizer:
    """Resize an arm's model, given its vocabulary."""

    def __init__(self, arm: Arm, vocab_size: int) -> None:
        self.arm = arm
        self.vocab_size = vocab_size

    def _counts(self, model: ModelConfig) -> ParamCounts:
        return MODELS[model.architecture].count_params(
            model, vocab_size=self.vocab_size, block_size=self.arm.schedule.block_size
        )

    def total(self, model: ModelConfig) -> int:
        return self._counts(model).total

    def body(self, model: ModelConfig) -> int:
        return self._counts(model).body

    def sizes(self, upto: float) -> Iterator[ModelConfig]:
        """Yield the model at every width, with proportional depth, until it has more parameters."""
        model = self.arm.model
        step = 2 * model.n_head
        n_embd = 0
        while True:
            n_embd += step
            n_layer = max(1, round(model.n_layer * n_embd / model.n_embd))
            n_hidden = model.n_hidden and max(1, round(model.n_hidden * n_embd / model.n_embd))
            sized = replace(model, n_embd=n_embd, n_layer=n_layer, n_hidden=n_hidden)
            yield sized
            if self.total(sized) > upto:
                return

    def nearest(self, total: float) -> ModelConfig:
        """Return the size whose number of parameters is nearest to `total`, by ratio."""
        return min(self.sizes(total), key=lambda sized: abs(log(self.total(sized) / total)))

    def for_total(self, total: int) -> ModelConfig:
        """Return the model with `total` parameters, plus or minus half a unit of the MLP's width.

        Without an MLP, or if its width must be n_embd, return the nearest of `sizes`.
        """
        sized = self.nearest(total)
        if not (sized.mlp and sized.residual):
            return sized
        more = self._missing_width(sized, total)
        if sized.mlp_width + more < 1:  # too large even without an MLP: take the size below
            *smaller, _ = self.sizes(total)
            sized = smaller[-1] if smaller else sized
            more = self._missing_width(sized, total)
        return replace(sized, n_hidden=max(1, sized.mlp_width + more)) if more else sized

    def _missing_width(self, sized: ModelConfig, total: int) -> int:
        """Return by how much the MLP must be wider for the model to have `total` parameters."""
        wider = replace(sized, n_hidden=sized.mlp_width + 1)
        return round((total - self.total(sized)) / (self.total(wider) - self.total(sized)))
