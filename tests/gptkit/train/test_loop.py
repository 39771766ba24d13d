import signal
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from gptkit.config import OptimConfig, Schedule
from gptkit.data.corpus import Corpus, load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.errors import ConfigError, TrainingError
from gptkit.eval.evaluation import evaluate
from gptkit.events import StepDone
from gptkit.models import build_model
from gptkit.plan.recipes import RECIPES
from gptkit.train import loop
from gptkit.train.interrupts import Interrupted, signals_raise
from gptkit.train.loop import Scored, Training, train_to_end


@pytest.fixture
def encoded(text_file):
    return encode_corpus(load_corpus(str(text_file)), "char")


SCHEDULE = Schedule(block_size=16, steps=12, bytes_per_step=128, evaluations=3)


def prepared(encoded, recipe="decoder", *, rates=None, **schedule):
    """A small model, and the rest of what `train` takes."""
    own = RECIPES[recipe]()
    schedule = replace(SCHEDULE, **schedule)
    model = build_model(
        replace(own.model, n_embd=16, n_head=2, n_layer=1),
        block_size=schedule.block_size,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=schedule.seed,
    )
    return model, encoded, replace(own.optim, **(rates or {})), schedule


def run(encoded, recipe="decoder", **options):
    model, *rest = prepared(encoded, recipe, **options)
    return model, list(Training(model, *rest))


def scored(events):
    return [event for event in events if isinstance(event, Scored)]


def test_events(encoded):
    _, events = run(encoded)
    steps = [e for e in events if isinstance(e, StepDone)]
    evaluations = [e.event for e in scored(events)]
    assert [e.step for e in steps] == list(range(1, 13))
    assert [e.step for e in evaluations] == [4, 8, 12]
    by_step = {e.step: e for e in steps}
    for e in evaluations:
        step = by_step[e.step]
        assert (e.seconds, e.train_bytes) == (step.seconds, step.train_bytes)
    assert abs(steps[-1].train_bytes - 12 * 128) <= 64 * 1.5  # half a window, 4 bytes a char
    assert all(a.seconds < b.seconds for a, b in pairwise(steps))
    assert steps[-1].loss < steps[0].loss


@pytest.mark.parametrize("recipe", ["bigram", "decoder", "lecture"])
def test_the_model_ends_as_it_was_at_its_best(encoded, recipe):
    model, *rest = prepared(encoded, recipe)
    events = []
    for event in Training(model, *rest):
        events.append(event)
        if isinstance(event, Scored) and event.event.step == 8:
            # Weights this large and random are far worse than any that a last part can mend.
            with torch.no_grad():
                for weights in model.parameters():
                    weights.normal_(std=10)
    evaluations = [e.evaluation.bits_per_byte for e in scored(events)]
    assert min(evaluations) < evaluations[-1]
    marked = [e.evaluation.bits_per_byte for e in scored(events) if e.event.best]
    assert marked[-1] == min(evaluations)
    assert [e.event.loss for e in scored(events)] == [e.evaluation.loss for e in scored(events)]
    again = evaluate(model, encoded.val, before=encoded.train.ids)
    assert again.bits_per_byte == min(evaluations)


class Clock:
    """Time passes only between the two readings of a step: 10 ms, every tenth step 40 ms."""

    def __init__(self):
        self.readings, self.now = 0, 0.0

    def perf_counter(self):
        self.readings += 1
        if self.readings % 2 == 0:
            self.now += 0.04 if self.readings % 20 == 0 else 0.01
        return self.now


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        (0.094, 9),  # 90 ms, nearer than the 100 to be expected of one more
        (0.13, 10),  # 130 ms exactly
        (0.1, 10),  # a tenth is due, though it turns out long
        (0.004, 1),  # at least one
    ],
)
def test_by_the_clock_it_ends_with_the_nearest_step(monkeypatch, encoded, seconds, steps):
    monkeypatch.setattr(loop, "time", Clock())
    _, events = run(encoded, steps=None, seconds=seconds, evaluations=2)
    done = [e for e in events if isinstance(e, StepDone)]
    assert len(done) == steps
    evaluated = [e.event.step for e in scored(events)]
    assert evaluated[-1] == steps
    halfway = next(e.step for e in done if e.seconds >= seconds / 2)
    assert evaluated[0] == halfway


def test_by_the_clock_the_rate_falls_with_time(monkeypatch, encoded):
    heard = []
    monkeypatch.setattr(loop, "time", Clock())
    monkeypatch.setattr(
        OptimConfig, "rate_at", lambda config, step, done: heard.append((step, done)) or 1.0
    )
    run(encoded, steps=None, seconds=0.13)
    assert [step for step, _ in heard] == list(range(10))
    assert [done for _, done in heard] == pytest.approx([i * 0.01 / 0.13 for i in range(10)])


@pytest.mark.parametrize(("steps", "seconds"), [(None, None), (5, 1.0)])
def test_a_training_has_steps_or_seconds(steps, seconds):
    with pytest.raises(ConfigError, match="give exactly one of them"):
        replace(SCHEDULE, steps=steps, seconds=seconds)


def test_a_training_that_diverges_says_so(encoded):
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+"):
        run(encoded, "bigram", rates={"learning_rate": 1e38, "decay_fraction": None})


@pytest.mark.parametrize("recipe", ["decoder", "lecture"])
def test_a_seed_gives_the_same_run_again(encoded, recipe):
    a, b, other = (
        [e.loss for e in run(encoded, recipe, seed=s)[1] if isinstance(e, StepDone)]
        for s in (1, 1, 2)
    )
    assert a == b != other


def test_torchs_random_state_is_left_alone(encoded):
    before = torch.get_rng_state()
    run(encoded, "lecture")  # which draws dropout
    assert torch.equal(before, torch.get_rng_state())


def test_the_bigram_reaches_the_entropy_of_a_cycle():
    # "abcabc…": the next character is certain, so the best bigram's loss is 0. Gradient descent
    # only approaches it; 0.05 bits is a hundredth of where it starts.
    text = "abcdefgh" * 400
    corpus = Corpus(name="cycle", train=text[:2800], val=text[2800:], sha256="")
    encoded = encode_corpus(corpus, "char")
    last = train_to_end(*prepared(encoded, "bigram", steps=100, evaluations=1))
    assert last.evaluation.bits_per_byte < 0.05


def test_train_to_end_returns_the_last_evaluation(encoded):
    last = train_to_end(*prepared(encoded))
    assert last.event.step == 12
    assert last.event.loss == scored(run(encoded)[1])[-1].event.loss


def test_losses_that_are_fetched_in_groups_are_the_same(monkeypatch, encoded):
    """A GPU's losses are fetched later; here a CPU's are, so that no GPU is needed."""
    _, each = run(encoded, steps=50, evaluations=3)
    monkeypatch.setattr(Training, "_tells_each_step", property(lambda self: False))
    _, grouped = run(encoded, steps=50, evaluations=3)

    def timeless(event):
        if isinstance(event, StepDone):
            return event.step, event.loss, event.train_bytes, event.train_tokens
        return event.event.step, event.evaluation.total_nats

    assert list(map(timeless, grouped)) == list(map(timeless, each))
    seconds = [event.seconds for event in grouped if isinstance(event, StepDone)]
    assert seconds == sorted(seconds)


def test_a_state_has_the_losses_that_were_not_fetched_yet(monkeypatch, encoded):
    monkeypatch.setattr(Training, "_tells_each_step", property(lambda self: False))
    real, taken = loop.take_step, []

    def stop_after_five(*args, **options):
        taken.append(real(*args, **options))
        if len(taken) == 5:
            signal.raise_signal(signal.SIGINT)
        return taken[-1]

    monkeypatch.setattr(loop, "take_step", stop_after_five)
    training = Training(*prepared(encoded, steps=40, evaluations=1))
    with signals_raise(), pytest.raises(Interrupted):
        list(training)
    state = training.state()
    assert [metric.step for metric in state.metrics] == list(range(1, 6))
    assert [metric.loss for metric in state.metrics] == [loss.item() for loss in taken]


def test_a_loss_that_is_fetched_late_names_its_own_step(monkeypatch, encoded):
    monkeypatch.setattr(Training, "_tells_each_step", property(lambda self: False))
    real, taken = loop.take_step, []

    def diverge(*args, **options):
        taken.append(real(*args, **options))
        return taken[-1] * (float("nan") if len(taken) == 3 else 1)

    monkeypatch.setattr(loop, "take_step", diverge)
    with pytest.raises(TrainingError, match="the loss is nan at step 3"):
        run(encoded, steps=20)
