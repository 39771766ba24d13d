from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

import gptkit
from gptkit.config import RATES
from gptkit.data.batches import window_starts
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.errors import ConfigError, CorpusError, CorpusWarning
from gptkit.experiment import Experiment
from gptkit.models import MODELS, build_model
from gptkit.plan.budget import read_budget, seconds_of, steps_of
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.ladder import ladder
from gptkit.plan.make import make_plan
from gptkit.plan.matching import (
    MATCHES,
    Request,
    Sizer,
    flops_per_token,
    match_bytes,
    match_flops,
    match_params,
    match_time,
    match_tokens,
    training_flops,
)
from gptkit.plan.recipes import RECIPES, decoder
from gptkit.results.balance import EQUAL_RATIO, QUANTITIES

TOKENIZERS = ("char", "gpt2", "byte")


def recipes(*names, **text):
    return {name: replace(RECIPES[name](), **text) for name in names}


ASKED = Request(recipes=recipes("bigram", "decoder", "lecture"), seeds=(0, 1))


@pytest.fixture(scope="module")
def encoded(english):
    corpus = Corpus(name="text", train=english[:-1000], val=english[-1000:], sha256="")
    return {spec: encode_corpus(corpus, spec) for spec in TOKENIZERS}


def total(arm, encoded):
    vocab_size = encoded[arm.tokenizer].tokenizer.vocab_size
    counts = MODELS[arm.model.architecture].count_params(
        arm.model, vocab_size=vocab_size, block_size=arm.schedule.block_size
    )
    return counts.total


def build(arm, *, vocab_size, train_ids):
    return build_model(
        arm.model,
        block_size=arm.schedule.block_size,
        vocab_size=vocab_size,
        train_ids=train_ids,
        seed=0,
    )


@pytest.mark.parametrize("by", MATCHES)
def test_every_plan_is_complete_arms_and_says_how_it_was_made(encoded, by):
    matched = MATCHES[by](encoded, replace(ASKED, seconds=20.0))
    assert len({arm.id for arm in matched.arms}) == len(matched.arms) == 3 * 3 * 2
    budget = "20s" if by == "time" else None
    config = ExperimentConfig(
        tokenizers=TOKENIZERS, models=tuple(ASKED.recipes), seeds=2, match=by, budget=budget
    )
    plan = make_plan(config, encoded)
    assert (plan.by, plan.notes, plan.arms) == (by, matched.notes, matched.arms)


def test_a_plan_multiplies_the_rates_of_the_arms_that_a_factor_names(encoded):
    config = ExperimentConfig(tokenizers=("char", "byte"), models=("decoder",), seeds=2)
    plan = make_plan(config, {name: encoded[name] for name in config.tokenizers})
    doubled = plan.with_rates({("char", "decoder"): 2.0})
    for before, after in zip(plan.arms, doubled.arms, strict=True):
        factor = 2.0 if before.tokenizer == "char" else 1.0
        for rate in RATES:
            assert getattr(after.optim, rate) == factor * getattr(before.optim, rate)
        assert replace(after, optim=before.optim) == before


def test_a_plan_that_mostly_scores_says_so(encoded, monkeypatch, recwarn):
    monkeypatch.setattr("gptkit.plan.make.MIN_LONG_VAL_BYTES", 1)
    config = ExperimentConfig(tokenizers=("byte",), models=("decoder",), budget="20KB")
    texts = {"byte": encoded["byte"]}
    (arm,) = make_plan(replace(config, budget="900steps"), texts).arms
    scored = arm.schedule.evaluations * texts["byte"].val.n_bytes
    enough = scored // 3 // arm.schedule.bytes_per_step + 1
    make_plan(replace(config, budget=f"{enough}steps"), texts)
    assert not recwarn.list
    with pytest.warns(CorpusWarning, match=r"most of the time will be scoring: byte-decoder-s0"):
        make_plan(replace(config, budget=f"{enough - 1}steps"), texts)


def test_bytes_gives_every_tokenizer_the_same_text_in_the_same_steps(encoded):
    arms = match_bytes(encoded, ASKED).arms
    assert {(a.schedule.steps, a.schedule.bytes_per_step) for a in arms} == {(586, 1024)}
    for arm in arms:
        per_token = encoded[arm.tokenizer].train.bytes_per_token
        assert abs(arm.schedule.block_size * per_token - 160) <= per_token / 2


def test_a_step_of_bytes_says_its_mean_number_of_windows(encoded):
    recipe = replace(RECIPES["decoder"](), evaluations=7)
    for arm in match_bytes(encoded, Request(recipes={"decoder": recipe}, seeds=(0,))).arms:
        text = encoded[arm.tokenizer].train
        windows = recipe.bytes_per_step * len(text.ids) / text.n_bytes / arm.schedule.block_size
        assert arm.schedule.batch_size == round(windows) > 1
        assert arm.schedule.evaluations == 7
    tiny = replace(recipe, context_bytes=2, bytes_per_step=4)  # a token of gpt2 has 3.3 bytes
    arms = match_bytes(encoded, Request(recipes={"decoder": tiny}, seeds=(0,))).arms
    windows = {arm.tokenizer: arm.schedule.batch_size for arm in arms}
    assert windows == {"char": 2, "gpt2": 1, "byte": 2}


def test_a_context_may_be_one_token(encoded):
    recipe = replace(RECIPES["decoder"](), context_bytes=2)
    arms = match_bytes(encoded, Request(recipes={"decoder": recipe}, seeds=(0,))).arms
    blocks = {arm.tokenizer: arm.schedule.block_size for arm in arms}
    assert blocks == {"char": 2, "gpt2": 1, "byte": 2}


@pytest.mark.parametrize("by", [match_bytes, match_tokens])
def test_a_text_of_one_window_is_enough_and_a_shorter_one_is_not(by):
    text = "to be or not to be, that is the question"
    recipe = replace(RECIPES["decoder"](), context_bytes=len(text) - 1)
    asked = Request(recipes={"decoder": recipe}, seeds=(0,))
    for cut, fits in ((text, True), (text[:-1], False)):
        corpus = encode_corpus(Corpus(name="text", train=cut, val=text, sha256=""), "byte")
        if fits:
            assert by({"byte": corpus}, asked).arms
        else:
            says = r"39 bytes are 39 tokens of byte, but one window needs 40\.\nGive a longer text"
            with pytest.raises(CorpusError, match=says):
                by({"byte": corpus}, asked)


def test_tokens_gives_every_tokenizer_the_same_tokens_and_none_more_than_the_budget(encoded):
    arms = match_tokens(encoded, replace(ASKED, stride_bytes=80)).arms
    schedules = [arm.schedule for arm in arms]
    shapes = {(s.block_size, s.batch_size, s.steps, s.eval_stride) for s in schedules}
    ((block_size, batch_size, steps, stride),) = shapes
    assert stride == round(80 / encoded["gpt2"].train.bytes_per_token)
    assert all(s.bytes_per_step is None for s in schedules)
    coarsest = max(corpus.train.bytes_per_token for corpus in encoded.values())
    read = block_size * batch_size * steps * coarsest
    window = block_size * coarsest
    assert steps * (1024 - window) < read <= steps * 1024  # whole windows, as many as fit


def test_a_step_of_tokens_may_be_one_window(encoded):
    own = encoded["gpt2"].train.bytes_per_token
    context = next(c for c in range(3, 200) if round(c / own) * own > c)  # two do not fit in 2c
    text = {"context_bytes": context, "bytes_per_step": 2 * context}
    asked = replace(ASKED, recipes=recipes("decoder", **text), seeds=(0,))
    assert {arm.schedule.batch_size for arm in match_tokens(encoded, asked).arms} == {1}


def test_an_mlp_may_be_one_wide(encoded):
    (arm,) = match_bytes(
        {"byte": encoded["byte"]}, replace(ASKED, recipes=recipes("decoder"), seeds=(0,))
    ).arms
    sizer = Sizer(arm, 256)
    found = 0
    for size in sizer.sizes(500_000):
        narrowest = replace(size, n_hidden=1)
        if sizer.nearest(sizer.total(narrowest)) == size:
            found += 1
            assert sizer.for_total(sizer.total(narrowest)) == narrowest
            two = replace(size, n_hidden=2)
            assert sizer.for_total(sizer.total(two)) == two
    assert found


def test_rates_follow_the_square_root_of_the_tokens_in_a_step(encoded):
    asked = replace(ASKED, recipes=recipes("decoder", "fast"), seeds=(0,))
    own = decoder().optim
    for by in (match_bytes, match_flops):
        for arm in by(encoded, asked).arms:
            root = encoded[arm.tokenizer].train.bytes_per_token ** -0.5
            factor = root if arm.recipe == "decoder" else 1.0
            for rate in RATES:
                recipe_rate = getattr(RECIPES[arm.recipe]().optim, rate)
                assert getattr(arm.optim, rate) == recipe_rate * factor
    # Matched by tokens, a step has as many under all, and so the same rates.
    same = {
        a.optim.learning_rate for a in match_tokens(encoded, asked).arms if a.recipe == "decoder"
    }
    coarsest = max(corpus.train.bytes_per_token for corpus in encoded.values())
    assert same == {own.learning_rate * coarsest**-0.5}


def test_flops_takes_the_steps_that_the_cheapest_arm_pays_for(encoded):
    arms = match_flops(encoded, replace(ASKED, recipes=recipes("decoder", "lecture"))).arms
    for recipe in ("decoder", "lecture"):
        flops, steps = [], []
        for arm in (arm for arm in arms if arm.recipe == recipe):
            corpus = encoded[arm.tokenizer]
            model = build(arm, vocab_size=corpus.tokenizer.vocab_size, train_ids=corpus.train.ids)
            columns = len(model.head.weight)  # as built, not as counted
            starts = window_starts(
                corpus.train.ends,
                block_size=(block_size := arm.schedule.block_size),
                bytes_per_step=1024,
                batch_size=1,
                seed=arm.schedule.seed,
            )
            windows = sum(len(batch) for batch in islice(starts, arm.schedule.steps))
            per_token = model.flops_per_token(arm.model, columns=columns, block_size=block_size)
            flops.append(windows * block_size * per_token)
            steps.append(arm.schedule.steps)
        assert max(steps) == 586  # the cheapest keeps its budget, and no arm has more
        # A step is one part in so many; every arm is within half of one, and a window more or
        # less, of the cheapest.
        assert max(flops) / min(flops) <= 1 + 1 / min(steps)


def test_the_flops_of_a_training_are_those_of_its_average_windows(encoded):
    asked = replace(ASKED, recipes=recipes("decoder"), seeds=(0,))
    for arm in (*match_bytes(encoded, asked).arms, *match_tokens(encoded, asked).arms):
        text = encoded[arm.tokenizer].train
        tokens = arm.schedule.batch_size * arm.schedule.block_size
        if arm.schedule.bytes_per_step:
            tokens = arm.schedule.bytes_per_step * len(text.ids) / text.n_bytes
        per_token = flops_per_token(arm, encoded[arm.tokenizer])
        estimated = training_flops(arm, encoded[arm.tokenizer])
        assert estimated == pytest.approx(arm.schedule.steps * tokens * per_token)
        by_clock = replace(arm, schedule=replace(arm.schedule, steps=None, seconds=9.0))
        one_step = training_flops(by_clock, encoded[arm.tokenizer])
        assert one_step == pytest.approx(tokens * per_token)


def test_flops_leaves_the_bigram_as_matched_by_bytes(encoded):
    arms = match_flops(encoded, ASKED).arms
    assert {arm.schedule.steps for arm in arms if arm.recipe == "bigram"} == {586}


def test_a_plan_by_flops_owns_what_it_cannot_match(encoded):
    assert match_flops(encoded, ASKED).notes == (
        "bigram, without matrix products, is matched by bytes",
    )
    assert match_flops(encoded, replace(ASKED, recipes=recipes("decoder"))).notes == ()


@pytest.mark.parametrize("tokenizers", [TOKENIZERS, ("char", "byte"), ("gpt2",)])
@pytest.mark.parametrize("recipe", ["decoder", "lecture"])
def test_params_gives_every_tokenizer_the_same_total(encoded, tokenizers, recipe):
    some = {t: encoded[t] for t in tokenizers}
    arms = match_params(some, replace(ASKED, recipes=recipes(recipe))).arms
    totals = {arm.tokenizer: total(arm, encoded) for arm in arms}
    assert max(totals.values()) <= EQUAL_RATIO * min(totals.values())
    body = {arm.tokenizer: arm.model.n_layer * arm.model.n_embd**2 for arm in arms}
    if len(tokenizers) == 3:
        assert body["gpt2"] < body["byte"] <= body["char"]
    for arm in arms:
        assert arm.model.n_embd % (2 * arm.model.n_head) == 0
        own = RECIPES[recipe]().model
        assert arm.model.n_layer == max(1, round(arm.model.n_embd * own.n_layer / own.n_embd))


def test_params_owns_a_body_that_is_hardly_there(encoded):
    notes = match_params(encoded, replace(ASKED, recipes=recipes("bigram", "decoder"))).notes
    assert notes[0] == "bigram, without a body to shrink or grow, is matched by bytes"
    # One layer of width 12 and an MLP of 24: 4 · 12² + 2 · 12 · 24.
    assert notes[1].startswith("gpt2's vocabulary leaves decoder a body of 1,152 of ")
    some = {t: encoded[t] for t in ("char", "byte")}
    assert match_params(some, replace(ASKED, recipes=recipes("decoder"))).notes == ()


def test_params_of_one_tokenizer_keeps_close_to_its_size(encoded):
    (arm,) = match_params(
        {"byte": encoded["byte"]}, replace(ASKED, recipes=recipes("decoder"), seeds=(0,))
    ).arms
    assert (arm.model.n_embd, arm.model.n_layer, arm.model.n_hidden) == (128, 3, 256)


def test_the_arms_built_have_the_parameters_that_were_matched(encoded):
    for arm in match_params(encoded, replace(ASKED, recipes=recipes("decoder"), seeds=(0,))).arms:
        corpus = encoded[arm.tokenizer]
        V = corpus.tokenizer.vocab_size
        dense = build(arm, vocab_size=V, train_ids=np.arange(V))
        assert sum(p.numel() for p in dense.parameters()) == total(arm, encoded)


def test_time_gives_seconds_and_no_steps(encoded):
    plan = match_time(encoded, replace(ASKED, seconds=1.5))
    assert {(a.schedule.steps, a.schedule.seconds) for a in plan.arms} == {(None, 1.5)}
    assert "depends on the machine" in plan.notes[0]


def small_decoder():
    recipe = decoder()
    return replace(recipe, model=replace(recipe.model, n_layer=1, n_head=2, n_embd=16))


@pytest.mark.parametrize(
    ("by", "equal"),
    [
        ("bytes", {"train_bytes", "steps", "bytes_per_step", "body_params", "context_bytes"}),
        ("tokens", {"train_tokens", "steps", "block_size", "body_params"}),
        ("flops", {"train_flops", "bytes_per_step", "context_bytes"}),
        ("params", {"total_params", "train_bytes", "steps", "context_bytes"}),
    ],
)
def test_what_is_promised_equal_is_measured_equal(monkeypatch, by, equal, text_file, tmp_path):
    monkeypatch.setitem(RECIPES, "decoder", small_decoder)
    result = gptkit.compare(
        tokenizers=TOKENIZERS,
        models=["decoder"],
        match=by,
        data=str(text_file),
        out=tmp_path,
        budget="400steps" if by == "flops" else "40steps",
        bytes_per_step=256,
        context_bytes=96,
        sample_bytes=1,
    )
    match = result.data.match
    assert match.by == by
    assert equal <= set(match.equal)
    assert sorted(match.equal + match.unequal) == sorted(match.max_over_min["decoder"])
    assert match.max_over_min["decoder"].keys() == QUANTITIES.keys()


@pytest.mark.parametrize(
    ("budget", "steps"), [("600KB", 600), ("1.5MB", 1500), ("2 gb", 2_000_000), ("7steps", 7)]
)
def test_budgets(budget, steps):
    assert steps_of(budget, bytes_per_step=1000) == steps


@pytest.mark.parametrize("budget", ["", "5", "MB", "-3MB", "1.5steps", "3 miles", "0s"])
def test_budgets_that_are_none(budget):
    with pytest.raises(ConfigError, match="is not an amount"):
        steps_of(budget, bytes_per_step=1000)
    with pytest.raises(ConfigError, match="is not an amount"):
        seconds_of(budget)


def test_an_experiments_plan_is_complete_arms(text_file):
    options = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32}
    arms = Experiment(data=str(text_file), seeds=2, **options).plan().arms
    assert len(arms) == 2 * 2 * 2
    assert {a.schedule.seed for a in arms} == {0, 1}
    assert {a.model.architecture for a in arms} == {"bigram", "decoder"}


@pytest.mark.parametrize("by", MATCHES)
def test_every_stage_of_the_ladder_can_be_matched(encoded, by):
    plan = MATCHES[by](encoded, Request(recipes=ladder(), seeds=(0,), seconds=5.0))
    assert len(plan.arms) == 3 * len(ladder())
    for arm in plan.arms:
        V = encoded[arm.tokenizer].tokenizer.vocab_size
        model = build(arm, vocab_size=V, train_ids=np.arange(V))
        if arm.model.architecture != "bigram" and arm.model.n_embd < 300:
            assert total(arm, encoded) == sum(p.numel() for p in model.parameters())


def test_contexts_and_strides_are_matched_in_bytes(encoded):
    asked = Request(recipes=recipes("decoder", context_bytes=32), seeds=(0,), stride_bytes=16)
    char, gpt2, _ = match_bytes(encoded, asked).arms
    # A character has 1.06 bytes.
    assert (char.schedule.block_size, char.schedule.eval_stride) == (30, 15)
    assert 0 < gpt2.schedule.eval_stride <= gpt2.schedule.block_size / 2 + 1


@pytest.mark.parametrize(
    ("budget", "read"),
    [
        *(("1step", (1, "steps")), ("20STEPS", (20, "steps")), ("0.5s", (0.5, "seconds"))),
        *(("1s", (1, "seconds")), (" 2 MB ", (2_000_000, "bytes"))),
    ],
)
def test_a_budget_is_an_amount_and_its_unit(budget, read):
    assert read_budget(budget) == read


def test_seconds_are_steps_only_by_the_clock():
    with pytest.raises(ConfigError, match="'5s' is in seconds, which only matching by time"):
        steps_of("5s", bytes_per_step=100)
    with pytest.raises(ConfigError, match="'5steps' is not in seconds"):
        seconds_of("5steps")
    with pytest.raises(ConfigError, match="'10B' is less than one step of 100 bytes"):
        steps_of("10B", bytes_per_step=100)
