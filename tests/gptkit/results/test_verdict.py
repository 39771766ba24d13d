from dataclasses import dataclass, replace

import numpy as np
import pytest
from factories import make_arm

from gptkit.results.byte_losses import ByteLosses, to_byte_losses
from gptkit.results.schema import ArmResult, Stretches
from gptkit.results.statistics import Difference
from gptkit.results.verdict import describe, is_significant, judge

N = 100_000
BITS = np.log(2)
RNG = np.random.default_rng(0)
HARD = RNG.exponential(2.0, N)  # what every model finds hard
LINES = np.repeat(RNG.normal(size=N // 50), 50)  # the luck of the text


@dataclass
class Scored:
    """An arm, and what it spent on each byte."""

    arm: ArmResult
    losses: ByteLosses


def arms(tokenizer, bits, *, luck=0.0, seeds=3, model="decoder", noise=0.0):
    rng = np.random.default_rng(len(tokenizer))
    for seed in range(seeds):
        per_byte = (HARD + bits + luck * LINES + noise * rng.normal()) * BITS
        arm = make_arm(tokenizer, model, float(per_byte.mean() / BITS), seed=seed)
        yield Scored(arm, to_byte_losses(per_byte, np.arange(1, N + 1), bytes(N)))


def judged(*groups):
    scored = [one for group in groups for one in group]
    losses = {one.arm.id: one.losses for one in scored}
    return judge([one.arm for one in scored], lambda arm: losses[arm.id])


def test_the_better_one_comes_first_and_the_claim_is_the_wider_interval():
    (only,) = judged(arms("char", 0.3, luck=0.5), arms("gpt2", 0.25, noise=0.001))
    assert (only.a, only.b, only.seeds) == ("gpt2", "char", 3)
    assert only.delta_bits_per_byte == pytest.approx(0.05, abs=0.02)
    names = ("ci95", "ci95_text", "ci95_seeds", "ci95_both")
    widths = {name: getattr(only, name)[1] - getattr(only, name)[0] for name in names}
    assert widths["ci95"] == max(width for name, width in widths.items() if name != "ci95")
    assert only.ci95[0] < only.delta_bits_per_byte < only.ci95[1]
    assert only.significant
    half = widths["ci95"] / 2
    assert only.message == (
        "gpt2 vs char under decoder: gpt2 is better by "
        f"{only.delta_bits_per_byte:.3f} ± {half:.3f} bits per byte"
    )


def test_one_seed_claims_no_interval():
    (only,) = judged(arms("char", 0.5, seeds=1), arms("gpt2", 0.25, seeds=1))
    assert only.ci95 is only.ci95_seeds is only.p_holm is None
    assert only.significant is None  # it cannot say
    assert only.ci95_text[0] <= 0.25 <= only.ci95_text[1]
    assert only.message == (
        "gpt2 vs char under decoder: gpt2 is better by 0.250 bits per byte; "
        "one seed: no interval across seeds"
    )


def test_one_seed_has_no_winner_within_three_decimals():
    (only,) = judged(arms("r50k_base", 0.5, seeds=1), arms("gpt2", 0.5004, seeds=1))
    assert only.significant is False
    assert "cannot be told apart (0.000 bits per byte); one seed" in only.message


def test_one_seed_has_no_winner_where_the_text_alone_is_unsure():
    (only,) = judged(arms("char", 0.3, luck=9, seeds=1), arms("gpt2", 0.25, seeds=1))
    assert only.ci95_text[0] < 0 < only.ci95_text[1]
    assert only.significant is False
    assert "cannot be told apart" in only.message


def test_seeds_that_disagree_cannot_tell_tokenizers_apart():
    (only,) = judged(arms("char", 0.25, noise=0.5), arms("char+bytes", 0.26, noise=0.5))
    assert not only.significant
    assert "cannot be told apart at 3 seeds" in only.message


def test_seeds_are_paired():
    # The seeds' luck is large, but common to both: the names are of one length, so of one seed.
    (only,) = judged(arms("abcd", 0.25, noise=0.5), arms("gpt2", 0.3, noise=0.5, luck=0.1))
    assert only.significant
    assert only.ci95_seeds[1] - only.ci95_seeds[0] < 0.01


def test_every_pair_under_each_model_is_corrected_for_all():
    alone = judged(arms("char", 0.3, luck=0.5), arms("gpt2", 0.28))
    together = judged(
        arms("char", 0.3, luck=0.5),
        arms("gpt2", 0.28),
        arms("byte", 0.9, luck=0.2),
        *(arms(t, 0.5 + i, model="bigram", luck=i) for i, t in enumerate(("char", "gpt2", "byte"))),
    )
    assert [(v.a, v.b, v.model) for v in together] == [
        ("gpt2", "char", "decoder"),
        ("gpt2", "byte", "decoder"),
        ("char", "byte", "decoder"),
        ("char", "gpt2", "bigram"),
        ("char", "byte", "bigram"),
        ("gpt2", "byte", "bigram"),
    ]
    assert alone[0].ci95 == together[0].ci95  # an interval is of its own pair,
    assert together[0].p_holm >= alone[0].p_holm  # the words are of all


def test_the_stretches_are_of_the_mean_over_seeds():
    def with_luck_at(position, group):
        group = list(group)
        for one in group:
            nats = one.losses.nats.astype(float)
            if one.arm.seed == 0:
                nats[position : position + 60] += 20
            one.losses = to_byte_losses(nats, np.arange(1, N + 1), bytes(N))
        return group

    (only,) = judged(
        with_luck_at(3000, arms("char", 0.0, seeds=2)),
        with_luck_at(7000, arms("gpt2", 0.25, seeds=2)),
    )
    assert (len(only.stretches.most), len(only.stretches.least)) == (3, 3)
    for stretch, start, bits in (
        (only.stretches.most[0], 7000, 0.25 + 10 / BITS),
        (only.stretches.least[0], 3000, 0.25 - 10 / BITS),
    ):
        assert abs(stretch.start - start) <= 2
        assert stretch.bits_per_byte == pytest.approx(bits, rel=0.01)


def test_the_difference_is_per_byte_of_the_whole_text():
    n = 3000  # float32 holds 1 and 1.5 exactly, so nothing is rounded
    group = [
        [
            Scored(
                make_arm(name, "decoder", nats / BITS, seed=seed),
                to_byte_losses(np.full(n, nats), np.arange(1, n + 1), bytes(n)),
            )
            for seed in range(2)
        ]
        for name, nats in (("char", 1.0), ("gpt2", 1.5))
    ]
    (only,) = judged(*group)
    assert only.delta_bits_per_byte == pytest.approx(0.5 / BITS, rel=1e-12)
    assert only.ci95 == pytest.approx((0.5 / BITS, 0.5 / BITS), rel=1e-9)


def test_no_stretches_are_shown_where_one_tokenizer_loses_bytes():
    exact, lossy = list(arms("char", 0.0)), list(arms("gpt2", 0.25))
    for one in lossy:
        one.losses = replace(one.losses, approximate=True)
    (only,) = judged(exact, lossy)
    assert only.stretches == Stretches(most=[], least=[])
    assert only.delta_bits_per_byte == pytest.approx(0.25, abs=0.01)


def test_a_claim_names_the_pairs_that_it_was_corrected_for():
    verdicts = judged(arms("a", 0.0), arms("bb", 0.02), arms("ccc", 0.02, luck=0.33))
    doubtful = next(v for v in verdicts if (v.a, v.b) == ("a", "ccc"))
    assert 0.05 < doubtful.p_holm < 0.1  # twice its own p, which would do alone
    assert "maybe chance among 3 pairs" in doubtful.message


@pytest.mark.parametrize(
    ("mean", "half", "claim"),
    [
        (0.041, 0.006, "char is better by 0.041 ± 0.006 bits per byte"),
        (0.0413, 0.00061, "char is better by 0.0413 ± 0.0006 bits per byte"),
        (0.0004, 0.00002, "char is better by 0.00040 ± 0.00002 bits per byte"),
        (0.5, 0.0, "char is better by 0.500 ± 0.000 bits per byte"),
    ],
)
def test_a_claim_shows_the_first_digit_of_its_doubt(mean, half, claim):
    difference = Difference(mean=mean, text=half, seeds=half / 2, both=half, p=0.001)
    assert describe("char", difference, p_holm=0.001, n_seeds=5) == claim


def test_a_text_too_short_for_an_interval_is_said_to_be():
    difference = Difference(mean=0.4, text=None, seeds=0.1, both=None, p=None)
    assert "too short for an interval" in describe("char", difference, p_holm=None, n_seeds=5)


@pytest.mark.parametrize(("text", "says"), [(None, False), (0.01, None), (0.1, False)])
def test_one_seed_says_no_more_than_its_text_does(text, says):
    found = Difference(mean=0.05, text=text, seeds=None, both=None, p=None)
    assert is_significant(found, p_holm=None) is says


def test_a_doubt_that_is_of_the_pair_alone_names_no_others():
    found = Difference(mean=0.01, text=0.02, seeds=0.02, both=0.02, p=0.3)
    claim = describe("char", found, p_holm=0.9, n_seeds=3, n_pairs=4)
    assert claim == "cannot be told apart at 3 seeds (0.010 ± 0.020 bits per byte)"


def test_a_missing_interval_or_a_missing_p_makes_no_claim():
    for p_holm, both in ((None, 0.02), (0.01, None)):
        found = Difference(mean=0.1, text=0.02, seeds=0.02, both=both, p=p_holm)
        claim = describe("char", found, p_holm=p_holm, n_seeds=3)
        assert claim == "cannot be told apart: the evaluation text is too short for an interval"
