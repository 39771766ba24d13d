"""What each way of matching promises, over random texts, vocabularies and budgets."""

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.data.batches import window_starts
from gptkit.data.encoding import EncodedCorpus, EncodedText
from gptkit.models import MODELS
from gptkit.plan.matching import (
    MATCHES,
    Request,
    Sizer,
    match_bytes,
    match_flops,
    match_params,
    match_time,
    match_tokens,
)
from gptkit.plan.recipes import RECIPES

N_BYTES = 4000  # of the training text
LONGEST = 8  # bytes of a token at most
ROUNDING = 1e-6  # of sums of floats of some 10,000 bytes


def encode_randomly(seed, longest, vocab_size):
    """A text of `N_BYTES` in tokens of 1 to `longest` bytes, with ids drawn from a vocabulary."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(1, longest, size=N_BYTES, endpoint=True).cumsum()
    ends = np.append(ends[ends < N_BYTES], N_BYTES)
    ids = rng.integers(0, rng.integers(1, vocab_size, endpoint=True), size=len(ends))
    text = EncodedText(ids=ids, ends=ends, n_bytes=N_BYTES, n_chars=N_BYTES)
    tokenizer = SimpleNamespace(vocab_size=vocab_size)  # nothing else of it is asked for
    return EncodedCorpus(tokenizer=tokenizer, train=text, val=text)


@st.composite
def corpora(draw, *, largest_vocabulary=300):
    """The same text under two to four tokenizers."""
    kinds = st.tuples(
        st.integers(0, 2**32), st.integers(1, LONGEST), st.integers(2, largest_vocabulary)
    )
    drawn = draw(st.lists(kinds, min_size=2, max_size=4))
    return {f"t{i}": encode_randomly(*kind) for i, kind in enumerate(drawn)}


@st.composite
def requests(draw, *, models=("bigram", "decoder", "gpt2"), min_steps=1):
    """A request for small models, with steps of at least twice the longest window."""
    context_bytes = draw(st.integers(LONGEST, 48))
    # A window of context_bytes / bytes_per_token tokens, of LONGEST bytes each at most.
    bytes_per_step = context_bytes * LONGEST * draw(st.integers(2, 4))
    steps = draw(st.integers(min_steps, 30))
    budget = draw(st.sampled_from([f"{steps}steps", f"{steps * bytes_per_step}B"]))
    recipes = {}
    for name in models:
        recipe = RECIPES[name]()
        small = replace(recipe.model, n_layer=1, n_embd=16, n_hidden=32)
        recipes[name] = replace(
            recipe,
            model=small,
            budget=budget,
            context_bytes=context_bytes,
            bytes_per_step=bytes_per_step,
        )
    return Request(recipes=recipes, seeds=(draw(st.integers(0, 1000)),)), steps


def windows_of(arm, corpus, *, steps=None):
    """For each of the arm's steps, or of so many, the bytes that each of its windows spells."""
    ends, schedule = corpus.train.ends, arm.schedule
    batches = window_starts(
        ends,
        block_size=schedule.block_size,
        bytes_per_step=schedule.bytes_per_step,
        batch_size=schedule.batch_size,
        seed=schedule.seed,
    )
    return [
        ends[starts + schedule.block_size] - ends[starts]
        for starts in islice(batches, steps or schedule.steps)
    ]


def longest_window(arm, corpus):
    ends, block_size = corpus.train.ends, arm.schedule.block_size
    return int((ends[block_size:] - ends[:-block_size]).max())


def bytes_read(arm, corpus):
    return sum(int(windows.sum()) for windows in windows_of(arm, corpus))


@settings(max_examples=30, deadline=None)
@given(corpora(), requests())
def test_no_arm_matched_by_bytes_reads_more_than_its_budget_and_half_a_window(encoded, asked):
    request, steps = asked
    for arm in match_bytes(encoded, request).arms:
        corpus, recipe = encoded[arm.tokenizer], request.recipes[arm.recipe]
        budget = steps * recipe.bytes_per_step
        half = longest_window(arm, corpus) / 2
        assert abs(bytes_read(arm, corpus) - budget) <= half + ROUNDING
        assert (arm.schedule.steps, arm.model) == (steps, recipe.model)
        per_token = corpus.train.bytes_per_token
        context = arm.schedule.block_size * per_token
        assert abs(context - recipe.context_bytes) <= per_token / 2 + ROUNDING


@settings(max_examples=30, deadline=None)
@given(corpora(), requests())
def test_arms_matched_by_tokens_read_the_same_tokens_within_the_budget(encoded, asked):
    request, steps = asked
    arms = match_tokens(encoded, request).arms
    for name, recipe in request.recipes.items():
        same = [arm for arm in arms if arm.recipe == name]
        assert len({(arm.schedule, arm.model, arm.optim) for arm in same}) == 1
        windows = [windows_of(arm, encoded[arm.tokenizer]) for arm in same]
        assert {len(batch) for arm in windows for batch in arm} == {same[0].schedule.batch_size}
        # Windows are drawn, so what an arm reads varies around its windows' mean length; that is
        # what the budget bounds. A whole step more would be above it.
        mean = max(encoded[arm.tokenizer].train.bytes_per_token for arm in same)
        window = mean * same[0].schedule.block_size
        budget = steps * recipe.bytes_per_step
        read = window * same[0].schedule.batch_size * steps
        assert budget - steps * window < read <= budget + ROUNDING


@settings(max_examples=20, deadline=None)
@given(corpora(), requests(min_steps=20))
def test_arms_matched_by_flops_spend_the_same_within_half_a_step(encoded, asked):
    request, steps = asked
    arms = match_flops(encoded, request).arms
    for name in ("decoder", "gpt2"):
        same = [arm for arm in arms if arm.recipe == name]
        by_step = []  # an arm's FLOPs in each step that its budget would pay for
        for arm in same:
            corpus = encoded[arm.tokenizer]
            seen, V = len(np.unique(corpus.train.ids)), corpus.tokenizer.vocab_size
            block_size = arm.schedule.block_size
            per_window = block_size * MODELS["decoder"].flops_per_token(
                arm.model, columns=seen + (seen < V), block_size=block_size
            )
            windows = windows_of(arm, corpus, steps=steps)
            by_step.append([len(batch) * per_window for batch in windows])
            assert arm.schedule.steps <= steps
            half = longest_window(arm, corpus) / 2
            budget = steps * request.recipes[name].bytes_per_step
            assert bytes_read(arm, corpus) <= budget + half + ROUNDING
        cheapest = min(map(sum, by_step))
        for arm, flops in zip(same, by_step, strict=True):
            spent = sum(flops[: arm.schedule.steps])
            assert abs(spent - cheapest) <= max(flops) / 2
    unmatched = [arm for arm in arms if arm.recipe == "bigram"]
    assert {arm.schedule.steps for arm in unmatched} == {steps}


@settings(max_examples=50, deadline=None)
@given(corpora(largest_vocabulary=60_000), st.integers(1, 3), st.sampled_from([32, 64, 128]))
def test_arms_matched_by_params_have_the_same_total(encoded, n_layer, n_embd):
    recipes = {}
    for name in ("decoder", "gpt2"):
        recipe = RECIPES[name]()
        recipes[name] = replace(recipe, model=replace(recipe.model, n_layer=n_layer, n_embd=n_embd))
    request = Request(recipes=recipes, seeds=(0,))
    arms = match_params(encoded, request).arms
    largest = max(encoded, key=lambda name: encoded[name].tokenizer.vocab_size)
    goals = {
        arm.recipe: Sizer(arm, encoded[largest].tokenizer.vocab_size).total(arm.model)
        for arm in arms
        if arm.tokenizer == largest
    }
    for arm, own in zip(arms, match_bytes(encoded, request).arms, strict=True):
        total = Sizer(arm, encoded[arm.tokenizer].tokenizer.vocab_size).total
        wider = replace(arm.model, n_hidden=arm.model.mlp_width + 1)
        unit = total(wider) - total(arm.model)
        assert abs(total(arm.model) - goals[arm.recipe]) <= unit / 2
        assert replace(arm, model=own.model) == own  # the same text in the same steps


@settings(max_examples=20, deadline=None)
@given(corpora(), requests(), st.floats(0.1, 1e4))
def test_arms_matched_by_time_have_the_same_seconds(encoded, asked, seconds):
    request = replace(asked[0], seconds=seconds)
    by_bytes = match_bytes(encoded, request).arms
    for arm, own in zip(match_time(encoded, request).arms, by_bytes, strict=True):
        assert (arm.schedule.steps, arm.schedule.seconds) == (None, seconds)
        steps = own.schedule.steps
        assert replace(arm, schedule=replace(arm.schedule, steps=steps, seconds=None)) == own


def test_every_way_of_matching_has_its_property_here():
    tested = {match_bytes, match_tokens, match_flops, match_params, match_time}
    assert set(MATCHES.values()) == tested
