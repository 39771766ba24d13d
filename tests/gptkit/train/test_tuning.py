import math
from dataclasses import replace

import msgspec
import pytest
import torch

import gptkit
from gptkit.config import RATES, Arm, Schedule
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.data.prepare import prepare
from gptkit.errors import TrainingError
from gptkit.events import TrialDone
from gptkit.experiment import Experiment
from gptkit.plan.recipes import RECIPES
from gptkit.train import tuning
from gptkit.train.tuning import FACTORS, training_slice, tune, tune_all

CPU = torch.device("cpu")
SMALL = {"budget": "12steps", "bytes_per_step": 256, "context_bytes": 32}


@pytest.fixture
def corpus(english):
    return Corpus(name="text", train=english[:-2000], val=english[-2000:], sha256="")


def arm_for(recipe="decoder", **options):
    own = RECIPES[recipe]()
    model = replace(own.model, n_layer=1, n_head=2, n_embd=16)
    schedule = Schedule(**{"block_size": 16, "steps": 40, "bytes_per_step": 128, **options})
    return Arm(tokenizer="char", recipe=recipe, model=model, optim=own.optim, schedule=schedule)


def test_only_training_text_is_seen(corpus):
    texts = training_slice(encode_corpus(corpus, "char"), corpus)
    spelled = texts.tokenizer.decode(texts.train.ids) + texts.tokenizer.decode(texts.val.ids)
    assert spelled == corpus.train
    assert texts.val.n_chars == len(corpus.train) // 10
    assert texts.test is None


def test_every_tokenizer_and_model_gets_the_same_trials(text_file, tmp_path):
    heard = []
    result = gptkit.compare(
        tokenizers=["char", "byte"],
        data=str(text_file),
        tune=True,
        seeds=2,
        sample_bytes=1,
        out=tmp_path,
        **SMALL,
        on_event=lambda arm, e: heard.append(e) if isinstance(e, TrialDone) else None,
    )
    tuned = result.data.tuning
    assert [(t.tokenizer, t.model) for t in tuned] == [
        (t, m) for t in ("char", "byte") for m in ("bigram", "decoder")
    ]
    same = Experiment(tokenizers=["char", "byte"], data=str(text_file), **SMALL)
    untuned = same.plan().arms
    for t in tuned:
        assert [trial.factor for trial in t.trials] == list(FACTORS)
        finished = {x.factor: x.bits_per_byte for x in t.trials if x.part == 1}
        assert finished[t.factor] == min(finished.values())
        rates = {
            a.learning_rate for a in result.arms if (a.tokenizer, a.model) == (t.tokenizer, t.model)
        }
        (rate,) = {
            arm.optim.learning_rate
            for arm in untuned
            if (arm.tokenizer, arm.recipe) == (t.tokenizer, t.model)
        }
        assert rates == {rate * t.factor}
        assert [x.learning_rate for x in t.trials] == [rate * factor for factor in FACTORS]
    assert len(heard) == 4 * len(FACTORS)


def test_a_rate_far_too_low_is_mended_and_the_hopeless_are_stopped_early(corpus):
    texts = training_slice(encode_corpus(corpus, "char"), corpus)
    arm = arm_for("bigram")
    low = replace(arm, optim=arm.optim.at_rate(1 / 8))
    done = []
    tuned = tune(low, texts, device=CPU, on_trial=done.append)
    assert tuned.factor == 4.0
    assert done[-1].factor == 0.25
    assert done[-1].part < 1


@pytest.mark.parametrize("seconds", [0.4, 1e-6])  # the second: a single step is too long
def test_trials_of_an_arm_by_the_clock_are_by_the_clock(corpus, seconds):
    texts = training_slice(encode_corpus(corpus, "char"), corpus)
    arm = arm_for(steps=None, seconds=seconds)
    tuned = tune(arm, texts, device=CPU, on_trial=lambda trial: None)
    assert len(tuned.trials) == len(FACTORS)
    assert any(trial.part == 1 for trial in tuned.trials)


def test_a_diverging_trial_is_no_choice(corpus, monkeypatch):
    texts = training_slice(encode_corpus(corpus, "char"), corpus)
    real = tuning.Training

    def diverges_above(limit):
        def train(model, texts, optim, schedule):
            if optim.learning_rate > limit:
                raise TrainingError("the loss is nan")
            yield from real(model, texts, optim, schedule)

        return train

    arm = arm_for()
    monkeypatch.setattr(tuning, "Training", diverges_above(arm.optim.learning_rate * 1.5))
    tuned = tune(arm, texts, device=CPU, on_trial=lambda trial: None)
    diverged = [t.factor for t in tuned.trials if t.bits_per_byte is None]
    assert diverged == [2.0, 4.0]
    assert tuned.factor <= 1
    monkeypatch.setattr(tuning, "Training", diverges_above(0))
    with pytest.raises(TrainingError, match=r"diverged at every learning rate tried, from 0\.25"):
        tune(arm, texts, device=CPU, on_trial=lambda trial: None)


def test_all_rates_move_together():
    config = RECIPES["decoder"]().optim
    doubled = config.at_rate(2.0)
    for name in RATES:
        assert math.isclose(getattr(doubled, name), 2 * getattr(config, name))
    assert replace(doubled, **{name: getattr(config, name) for name in RATES}) == config
    assert RECIPES["bigram"]().optim.at_rate(2.0).muon_learning_rate is None


def test_trials_that_are_done_are_not_run_again(text_file, tmp_path, monkeypatch):
    options = {"data": str(text_file), "tokenizers": ["char"], "models": ["decoder"], "tune": True}
    options |= dict(sample_bytes=1, out=tmp_path, name="a", **SMALL)
    first = gptkit.compare(**options)
    monkeypatch.setattr(tuning, "tune", lambda *a, **k: pytest.fail("a trial was run again"))
    again = gptkit.compare(**options, resume=True)
    assert again.data.tuning == first.data.tuning


@pytest.mark.parametrize("record", ["{", "[1]", '{"x": {"trials": 1}}'])
def test_a_damaged_record_of_trials_is_not_used(record, corpus, tmp_path, caplog):
    file = tmp_path / "tuning.json"
    file.write_text(record)
    prepared = prepare(corpus, {"char": "char"})
    tuned = tune_all([arm_for()], prepared, CPU, lambda arm, event: None, record=file)
    assert "run again" in caplog.text
    assert len(tuned["char", "decoder"].trials) == len(FACTORS)
    caplog.clear()
    other = arm_for(steps=60)
    found = tune_all([other, arm_for()], prepared, CPU, lambda arm, event: None, record=file)
    assert not caplog.text
    assert found["char", "decoder"] == tuned["char", "decoder"]
    assert len(msgspec.json.decode(file.read_bytes())) == 2
