"""The estimate of the time left: it holds for the whole experiment."""

import pytest

from gptkit.cli.time_left import OVERHEAD_FLOPS, TimeLeft
from gptkit.events import ArmDone, Evaluated, Resumed, StepDone
from gptkit.events.losses import Loss
from gptkit.experiment import Experiment
from gptkit.plan.matching import training_flops

LOSS = Loss(bytes=9, chars=9, tokens=3, nats_per_token=2.0, nats_per_char=0.5, bits_per_byte=1.5)


@pytest.fixture
def plan(text_file):
    experiment = Experiment(
        tokenizers=["char", "byte"],
        models=["decoder"],
        data=str(text_file),
        budget="40steps",
        bytes_per_step=256,
        context_bytes=32,
        seeds=2,
    )
    return experiment.untuned_plan().arms, experiment.prepare().texts


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def step(n):
    return StepDone(step=n, loss=2.0, seconds=n / 2, train_bytes=256 * n, train_tokens=256 * n)


def train(arm, left, clock, *, seconds_per_step, start=1, until=None, evaluation=0.0):
    """Steps and evaluations at their places."""
    steps = arm.schedule.steps
    for n in range(start, (until or steps) + 1):
        clock.now += seconds_per_step
        left.hear(arm, step(n))
        if n * arm.schedule.evaluations % steps == 0:
            clock.now += evaluation
            left.hear(arm, Evaluated(step=n, seconds=0, train_bytes=0, loss=LOSS, best=True))
    if until is None:
        left.hear(arm, ArmDone(loss=LOSS))


def test_nothing_is_said_before_the_first_steps(plan):
    arms, texts = plan
    left = TimeLeft(arms, texts, processes=1, clock=Clock())
    assert left.seconds() is None


def test_it_holds_for_all_arms_not_only_for_the_one_that_trains(plan):
    arms, texts = plan
    clock = Clock()
    left = TimeLeft(arms, texts, processes=1, clock=clock)
    train(arms[0], left, clock, seconds_per_step=0.5)
    # The other seed of this arm takes as long. The arms of the other tokenizer have the same
    # number of tokens, and a head of 256 columns, so they take a little longer.
    same, rest = 20.0, left.seconds() - 20.0
    assert 2 * same * 0.9 < rest < 2 * same * 1.5
    train(arms[1], left, clock, seconds_per_step=0.5)
    assert left.seconds() == pytest.approx(rest, rel=0.05)
    train(arms[2], left, clock, seconds_per_step=2.0)
    assert left.seconds() == pytest.approx(80.0, rel=0.05)
    train(arms[3], left, clock, seconds_per_step=2.0)
    assert left.seconds() == 0.0


def test_an_evaluation_makes_no_jump(plan):
    arms, texts = plan
    clock = Clock()
    left = TimeLeft(arms[:1], texts, processes=1, clock=clock)
    one = left._arms[next(iter(left._arms))][1]
    pause = one.evaluation_work / one.step_work  # as long as the work says, at a second a step
    train(arms[0], left, clock, seconds_per_step=1.0, until=9, evaluation=pause)
    before = left.seconds()
    train(arms[0], left, clock, seconds_per_step=1.0, start=10, until=10, evaluation=pause)
    after = left.seconds()
    # Events are heard at their ends, so the first step's time is not in the pace: 1 of 9.
    assert after == pytest.approx(before - 1.0 - pause, rel=0.15)


def test_arms_in_two_processes_take_half_as_long_but_no_less_than_one_arm(plan):
    arms, texts = plan
    alone, both = (TimeLeft(arms[:2], texts, processes=n, clock=Clock()) for n in (1, 2))
    for left in (alone, both):
        train(arms[0], left, left._clock, seconds_per_step=1.0, until=20)
    assert alone.seconds() == pytest.approx(20 + 40, rel=0.1)
    assert both.seconds() == pytest.approx(40, rel=0.1)


def test_a_long_arm_tells_more_of_the_pace_than_a_short_one(plan):
    arms, texts = plan
    clock = Clock()
    left = TimeLeft([arms[0], arms[1], arms[2]], texts, processes=1, clock=clock)
    train(arms[0], left, clock, seconds_per_step=1.0)
    train(arms[1], left, clock, seconds_per_step=11.0, until=2)
    long, short, other = (one for _, one in left._arms.values())
    of_both = (39 * 1.0 + 11.0) / (long.work - long.step_work + short.step_work)
    own = 11.0 / short.step_work
    expected = (short.work - 2 * short.step_work) * own + other.work * of_both
    assert left.seconds() == pytest.approx(expected)


def test_a_resumed_arm_starts_where_it_was(plan):
    arms, texts = plan
    clock = Clock()
    left = TimeLeft(arms[:1], texts, processes=1, clock=clock)
    left.hear(arms[0], Resumed(step=30))
    for n in (31, 32, 33):
        clock.now += 1.0
        left.hear(arms[0], step(n))
    assert left.seconds() < 15


def test_a_silence_takes_from_the_time_that_is_left(plan):
    arms, texts = plan
    clock = Clock()
    left = TimeLeft(arms[:1], texts, processes=1, clock=clock)
    train(arms[0], left, clock, seconds_per_step=1.0, until=20)
    before = left.seconds()
    clock.now += 3.0
    assert left.seconds() == pytest.approx(before - 3.0)


def test_a_step_without_matrix_products_takes_as_long_with_few_tokens(text_file):
    """A bigram's step costs its overhead, whatever the tokenizer; the evaluations aside."""
    experiment = Experiment(
        tokenizers=["byte", "gpt2"], models=["bigram"], data=str(text_file), evaluations=1
    )
    texts, clock = experiment.prepare().texts, Clock()
    for arm in experiment.untuned_plan().arms:
        left = TimeLeft([arm], texts, processes=1, clock=clock)
        train(arm, left, clock, seconds_per_step=0.002, until=2)
        assert left.seconds() == pytest.approx((arm.schedule.steps - 2) * 0.002, rel=0.05)


def test_a_bigrams_pace_tells_that_of_a_decoder(text_file):
    """At 70 GFLOP/s, as measured, a step of the decoder takes its FLOPs and the overhead."""
    experiment = Experiment(
        tokenizers=["gpt2"], models=["bigram", "decoder"], data=str(text_file), evaluations=1
    )
    texts, clock = experiment.prepare().texts, Clock()
    bigram, decoder = experiment.untuned_plan().arms
    left = TimeLeft([bigram, decoder], texts, processes=1, clock=clock)
    train(bigram, left, clock, seconds_per_step=OVERHEAD_FLOPS / 70e9)
    expected = training_flops(decoder, texts["gpt2"]) / 70e9
    expected += decoder.schedule.steps * OVERHEAD_FLOPS / 70e9
    assert left.seconds() == pytest.approx(expected, rel=0.1)
