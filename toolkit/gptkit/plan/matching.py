"""What is made equal across arms, and what is not.

Each way of matching is a plain function from what the user asked to complete arms. All start
from `match_bytes`, and no arm is given more training text than the budget says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import log
from statistics import geometric_mean

import numpy as np

from gptkit.config import Arm, ModelConfig
from gptkit.data.batches import window_starts
from gptkit.data.encoding import EncodedCorpus
from gptkit.errors import CorpusError
from gptkit.models import MODELS
from gptkit.models.compact_softmax import head_columns
from gptkit.plan.budget import steps_of
from gptkit.plan.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked of the arms.

    Attributes:
        recipes: by their models' names; what they say of the text is what was asked.
        seconds: of training, the budget of matching by time alone.
        stride_bytes: how far evaluation windows advance; None for disjoint windows.
    """

    recipes: Mapping[str, Recipe]
    seeds: Sequence[int]
    seconds: float | None = None
    stride_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Complete arms, the way they were matched, and what a reader must know of it."""

    by: str
    notes: tuple[str, ...]
    arms: tuple[Arm, ...]


Encoded = Mapping[str, EncodedCorpus]  # the corpus under each tokenizer, by spec


def match_bytes(encoded: Encoded, asked: Request) -> Plan:
    """Same training bytes, steps, bytes per step, context in bytes, and body.

    The context is whole tokens, so it is `context_bytes` to within half a token on average.
    """
    arms = []
    for spec, corpus in encoded.items():
        for name, recipe in asked.recipes.items():
            block_size = _tokens(recipe.context_bytes, corpus)
            _check_length(spec, corpus, block_size)
            window_bytes = block_size * corpus.train.bytes_per_token
            arm = Arm(
                tokenizer=spec,
                recipe=name,
                model=replace(recipe.model, block_size=block_size),
                train=replace(
                    recipe.train_for(corpus.train.bytes_per_token),
                    steps=steps_of(recipe.budget, bytes_per_step=recipe.bytes_per_step),
                    bytes_per_step=recipe.bytes_per_step,
                    batch_size=max(1, round(recipe.bytes_per_step / window_bytes)),
                    eval_stride=asked.stride_bytes and _tokens(asked.stride_bytes, corpus),
                ),
            )
            arms += [replace(arm, train=replace(arm.train, seed=seed)) for seed in asked.seeds]
    return Plan(by="bytes", notes=(), arms=tuple(arms))


def match_tokens(encoded: Encoded, asked: Request) -> Plan:
    """The naive comparison: same tokens, block size and steps, so a finer tokenizer reads less.

    The tokenizer with the most bytes per token gets what matching by bytes would give it, in whole
    windows, and sets the tokens and the learning rates for all.
    """
    coarsest = max(encoded.values(), key=lambda corpus: corpus.train.bytes_per_token)
    stride = asked.stride_bytes and _tokens(asked.stride_bytes, coarsest)
    arms = []
    for arm in match_bytes(encoded, asked).arms:
        recipe = asked.recipes[arm.recipe]
        block_size = _tokens(recipe.context_bytes, coarsest)
        _check_length(arm.tokenizer, encoded[arm.tokenizer], block_size)
        window_bytes = block_size * coarsest.train.bytes_per_token
        train = replace(
            recipe.train_for(coarsest.train.bytes_per_token),
            steps=arm.train.steps,
            bytes_per_step=None,
            batch_size=max(1, int(recipe.bytes_per_step / window_bytes)),
            eval_stride=stride,
            seed=arm.train.seed,
        )
        arms.append(replace(arm, model=replace(arm.model, block_size=block_size), train=train))
    note = "the naive comparison: a tokenizer with fewer bytes per token reads less text"
    return Plan(by="tokens", notes=(note,), arms=tuple(arms))


def match_flops(encoded: Encoded, asked: Request) -> Plan:
    """Same training FLOPs, as computed: each arm takes as many steps as the cheapest one's pay for.

    Counted are the matrix products of the body, the attention and the compact head, on the tokens
    of the windows that the arm will read. Arms are equal to within half a step.
    """
    plan = match_bytes(encoded, asked)
    spent = {arm.id: flops_after(arm, encoded[arm.tokenizer]) for arm in plan.arms}
    cheapest = {
        recipe: min(spent[arm.id][-1] for arm in plan.arms if arm.recipe == recipe)
        for recipe in asked.recipes
    }
    arms = tuple(
        replace(arm, train=replace(arm.train, steps=_nearest_step(spent[arm.id], flops)))
        if (flops := cheapest[arm.recipe])
        else arm
        for arm in plan.arms
    )
    still = [recipe for recipe, flops in cheapest.items() if not flops]
    notes = [f"{recipe}, without matrix products, is matched by bytes" for recipe in still]
    return Plan(by="flops", notes=tuple(notes), arms=arms)


def match_params(encoded: Encoded, asked: Request) -> Plan:
    """Same total parameters, those of the dense model: a larger vocabulary leaves a smaller body.

    One rule for depth and width: `n_embd` is a multiple of 2 · n_head, `n_layer` follows it in the
    recipe's proportion, and of these sizes the nearest to the total is taken; the MLP's width
    then takes up the rest. The total is the size, by that rule, that the largest vocabulary
    reaches nearest to the geometric mean of what the tokenizers' models have unmatched.
    """
    plan = match_bytes(encoded, asked)
    vocab_size = {spec: corpus.tokenizer.vocab_size for spec, corpus in encoded.items()}
    totals: dict[str, int] = {}
    notes = []
    for recipe in asked.recipes:
        mine = {arm.tokenizer: arm for arm in plan.arms if arm.recipe == recipe}
        if next(iter(mine.values())).model.architecture == "bigram":
            notes.append(f"{recipe}, without a body to shrink or grow, is matched by bytes")
            continue
        mean = geometric_mean([_total(arm.model, vocab_size[t]) for t, arm in mine.items()])
        largest = max(mine, key=lambda t: vocab_size[t])
        size = _nearest(mine[largest].model, vocab_size[largest], mean)
        totals[recipe] = _total(size, vocab_size[largest])
        body = MODELS[size.architecture].count_params(size, vocab_size[largest])["body"]
        if body < totals[recipe] / 10:
            notes.append(
                f"{largest}'s vocabulary leaves {recipe} a body of {body:,} of "
                f"{totals[recipe]:,} parameters"
            )
    arms = tuple(
        replace(arm, model=_sized(arm.model, vocab_size[arm.tokenizer], totals[arm.recipe]))
        if arm.recipe in totals
        else arm
        for arm in plan.arms
    )
    return Plan(by="params", notes=tuple(notes), arms=arms)


def match_time(encoded: Encoded, asked: Request) -> Plan:
    """Same seconds of training by the clock."""
    arms = tuple(
        replace(arm, train=replace(arm.train, steps=None, seconds=asked.seconds))
        for arm in match_bytes(encoded, asked).arms
    )
    note = "bound to this machine: another gives each arm other steps, and so other losses"
    return Plan(by="time", notes=(note,), arms=arms)


MATCHES: dict[str, Callable[[Encoded, Request], Plan]] = {
    "bytes": match_bytes,
    "tokens": match_tokens,
    "flops": match_flops,
    "params": match_params,
    "time": match_time,
}


def _tokens(n_bytes: int, corpus: EncodedCorpus) -> int:
    """The whole tokens, at least one, that spell about so many bytes of training text."""
    return max(1, round(n_bytes / corpus.train.bytes_per_token))


def flops_after(arm: Arm, corpus: EncodedCorpus) -> np.ndarray:
    """FLOPs (steps,) that an arm will have spent after each step."""
    block_size = arm.model.block_size
    columns = head_columns(corpus.vocab_seen, corpus.tokenizer.vocab_size)
    per_token = MODELS[arm.model.architecture].flops_per_token(arm.model, columns)
    starts = window_starts(
        corpus.train.ends,
        block_size=block_size,
        bytes_per_step=arm.train.bytes_per_step,
        batch_size=arm.train.batch_size,
        seed=arm.train.seed,
    )
    windows = [len(batch) for batch in islice(starts, arm.train.steps)]
    return np.cumsum(windows) * float(block_size * per_token)


def training_flops(arm: Arm, corpus: EncodedCorpus) -> float:
    """About the FLOPs of an arm's training in steps, its windows taken to be of average length."""
    columns = head_columns(corpus.vocab_seen, corpus.tokenizer.vocab_size)
    per_token = MODELS[arm.model.architecture].flops_per_token(arm.model, columns)
    step_bytes = arm.train.bytes_per_step
    window_tokens = arm.train.batch_size * arm.model.block_size
    tokens = step_bytes / corpus.train.bytes_per_token if step_bytes else window_tokens
    return (arm.train.steps or 1) * tokens * per_token


def _nearest_step(spent: np.ndarray, flops: float) -> int:
    return int(np.abs(spent - flops).argmin()) + 1


def _check_length(spec: str, corpus: EncodedCorpus, block_size: int) -> None:
    if len(corpus.train.ids) <= block_size:
        raise CorpusError(
            f"the training text is too short: {corpus.train.n_bytes:,} bytes, "
            f"{len(corpus.train.ids):,} tokens of {spec}, do not fill one block of "
            f"{block_size} tokens and the one after.\nGive a longer text, or a shorter context."
        )


def _total(model: ModelConfig, vocab_size: int) -> int:
    return MODELS[model.architecture].count_params(model, vocab_size)["total"]


def _sizes(model: ModelConfig, vocab_size: int, upto: float) -> Iterator[ModelConfig]:
    """The model at every width, depth in proportion, up to the first of more parameters."""
    step = 2 * model.n_head
    n_embd = 0
    while True:
        n_embd += step
        n_layer = max(1, round(model.n_layer * n_embd / model.n_embd))
        n_hidden = model.n_hidden and max(1, round(model.n_hidden * n_embd / model.n_embd))
        sized = replace(model, n_embd=n_embd, n_layer=n_layer, n_hidden=n_hidden)
        yield sized
        if _total(sized, vocab_size) > upto:
            return


def _nearest(model: ModelConfig, vocab_size: int, total: float) -> ModelConfig:
    return min(
        _sizes(model, vocab_size, total),
        key=lambda sized: abs(log(_total(sized, vocab_size) / total)),
    )


def _sized(model: ModelConfig, vocab_size: int, total: int) -> ModelConfig:
    """The model with so many parameters, to within half a unit of the MLP's width.

    Where there is no MLP, or its width has to be the stream's, it is the nearest by `_sizes`.
    """
    sized = _nearest(model, vocab_size, total)
    if not (sized.mlp and sized.residual):
        return sized
    width = sized.mlp_width
    wider = replace(sized, n_hidden=width + 1)
    unit = _total(wider, vocab_size) - _total(sized, vocab_size)
    more = round((total - _total(sized, vocab_size)) / unit)
    return replace(sized, n_hidden=max(1, width + more)) if more else sized
