"""Ladders with a known truth: trends, crossovers, and what is said of them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from gptkit.results.crossovers import Ladder, judge_ladder, rungs_of, worth_of_lead
from gptkit.results.scale_sentences import say_crossover, say_ladder
from gptkit.results.trend import draw_trends

BUDGETS = np.array([75e3, 150e3, 300e3, 600e3])


def make_ladder(curves, *, noise=0.002, seeds=3, names=None, budgets=BUDGETS, seed=0) -> Ladder:
    """A ladder of curves (T, R) in bits per byte, with noise over seeds and blocks."""
    rng = np.random.default_rng(seed)
    T, R = curves.shape
    block_bytes = rng.integers(2000, 2100, size=50).astype(float)
    by_block = rng.normal(0, 0.3, size=50) + rng.normal(0, 0.02, size=(T, 1, 1, 50))
    by_seed = rng.normal(0, noise, size=(T, R, seeds, 1))
    per_byte = curves[:, :, None, None] + by_block + by_seed
    names = names or [f"t{i}" for i in range(T)]
    return Ladder(
        tokenizers=names, budgets=budgets, bits=per_byte * block_bytes, block_bytes=block_bytes
    )


def exact(ladder: Ladder, curves) -> Ladder:
    """The ladder without noise."""
    bits = np.broadcast_to(curves[:, :, None, None] * ladder.block_bytes, ladder.bits.shape)
    return replace(ladder, bits=bits)


def power(floor, scale, exponent, budgets=BUDGETS):
    return floor + scale * (budgets / budgets[-1]) ** -exponent


CROSSING = np.stack([power(1.2, 1.0, 0.1), power(1.2, 0.96, 0.4)])  # at 455 kB
TRUE_CROSSOVER = 600e3 * (0.96 / 1.0) ** (1 / 0.3)


def test_trends_pass_through_exact_rungs_and_follow_a_law():
    curves = np.stack([power(1.2, 1.0, 0.2), power(1.2, 1.0, 0.2) + 0.1])
    ladder = make_ladder(curves, noise=1e-5)
    rungs = rungs_of(ladder, [(0, 1)])
    drawn = draw_trends(rungs, np.append(BUDGETS, 1.2e6))[:, 0]
    np.testing.assert_allclose(np.median(drawn, axis=0)[:4], rungs.means[0], atol=2e-3)
    low, high = np.quantile(drawn[:, 4], [0.025, 0.975])
    assert low < 0.1 < high
    assert high - low < 0.1


def test_a_law_alone_gives_narrower_bands_and_distance_wider_ones(monkeypatch):
    rungs = rungs_of(make_ladder(CROSSING), [(0, 1)])
    at = np.array([1.2e6, 6e6])
    spread = draw_trends(rungs, at)[:, 0].std(axis=0)
    alone = draw_trends(rungs, at, law_alone=True)[:, 0].std(axis=0)
    assert (alone < spread).all()
    assert spread[1] > 2 * spread[0]
    monkeypatch.setattr("gptkit.results.trend.BEYOND", 0.0)
    without = draw_trends(rungs, at)[:, 0].std(axis=0)
    assert without[1] < 0.95 * spread[1]


def test_the_covariance_of_the_text_is_that_of_a_bootstrap():
    ladder = make_ladder(CROSSING)
    text = rungs_of(ladder, [(0, 1)]).text[0]
    rng = np.random.default_rng(0)
    bits = (ladder.bits[1] - ladder.bits[0]).mean(axis=1)  # (R, K)
    weights = rng.multinomial(50, np.full(50, 1 / 50), size=20_000)
    again = weights @ bits.T / (weights @ ladder.block_bytes)[:, None]
    np.testing.assert_allclose(np.cov(again.T) * 50 / 49, text, rtol=0.1)


def test_a_crossover_is_found_where_it_is():
    found = judge_ladder(make_ladder(CROSSING), model="m").crossovers[0]
    assert found.status == "crossover"
    low, high = found.set_bytes
    assert low < TRUE_CROSSOVER < high
    assert low < found.at < high
    assert (found.a, found.b) == ("t1", "t0")


def test_a_constant_lead_has_no_crossover_within_range():
    curves = np.stack([power(1.2, 1.0, 0.2), power(1.2, 1.0, 0.2) + 0.2])
    found = judge_ladder(make_ladder(curves), model="m").crossovers[0]
    assert found.status == "none within range"
    assert found.set_bytes is None


def test_copies_are_not_identified():
    curves = np.stack([power(1.2, 1.0, 0.2)] * 2)
    for seed in range(20):
        ladder = make_ladder(curves, noise=0.01, seed=seed)
        found = judge_ladder(ladder, model="m").crossovers[0]
        assert found.status != "crossover", seed


def test_one_seed_gives_intervals_from_the_text_alone():
    ladder = make_ladder(CROSSING, seeds=1)
    (found,) = judge_ladder(ladder, model="m").found
    error = rungs_of(ladder, [(1, 0)]).text[0, -1, -1] ** 0.5
    assert found.ci95[1] - found.delta_bits_per_byte == pytest.approx(1.96 * error, rel=1e-3)


def test_laws_rise_in_order_and_the_right_one_predicts_the_top():
    curves = np.stack([power(1.2, 1.0, 0.1), power(1.2, 0.96, 0.4), power(1.2, 0.9, 0.6)])
    fits = judge_ladder(make_ladder(curves, noise=1e-4), model="m").fits
    assert [fit.law for fit in fits] == [
        "constant lead",
        "log-linear lead",
        "power law, own floors",
        "power law, shared floor",
    ]
    errors = {fit.law: fit.top_error for fit in fits}
    assert errors["power law, shared floor"] < errors["log-linear lead"] < errors["constant lead"]
    assert [fit.law for fit in fits if fit.chosen] == ["power law, shared floor"]


def test_the_shared_floor_and_exponents_are_found():
    budgets = np.array([50e3, 200e3, 800e3, 3.2e6, 12.8e6])
    curves = np.stack([power(1.2, 1.0, 0.15, budgets), power(1.2, 0.9, 0.4, budgets)])
    ladder = exact(make_ladder(curves, budgets=budgets), curves)
    fit = judge_ladder(ladder, model="m").fits[-1]
    assert fit.floor == pytest.approx(1.2, abs=0.02)
    assert list(fit.exponents.values()) == pytest.approx([0.15, 0.4], abs=0.03)


def test_the_worth_of_a_lead_is_read_off_the_curve():
    curves = np.stack([np.array([4.0, 3.0, 2.0, 1.0]), np.array([5.0, 4.5, 4.0, 2.5])])
    ladder = exact(make_ladder(curves), curves)
    # The first has 2.5 halfway between 150 kB and 300 kB, in the logarithm.
    assert worth_of_lead(ladder, 0, 1) == pytest.approx(600 / (150 * 2**0.5))
    curves[1, -1] = 4.5
    assert worth_of_lead(exact(ladder, curves), 0, 1) is None


def test_the_predicted_top_is_not_from_the_top():
    one = judge_ladder(make_ladder(CROSSING), model="m").predicted
    shifted = CROSSING.copy()
    shifted[0, -1] += 1.0  # the leader at the top is the same
    other = judge_ladder(make_ladder(shifted), model="m").predicted
    assert one[0].delta_bits_per_byte == pytest.approx(other[0].delta_bits_per_byte)


def test_the_predicted_top_has_the_part_of_the_band_that_is_enough():
    ladder = make_ladder(CROSSING)
    predicted = judge_ladder(ladder, model="m").predicted[0]
    ahead = draw_trends(rungs_of(ladder, [(1, 0)]).below_top(), BUDGETS[-1:])[:, 0, 0]
    low, middle, high = np.quantile(ahead, [0.025, 0.5, 0.975])
    assert predicted.delta_bits_per_byte == pytest.approx(middle)
    # 0.55 is calibrated; `gptkit calibrate scale` checks it on other sources.
    half = 0.55 * (high - low) / 2
    assert predicted.ci95 == pytest.approx((middle - half, middle + half))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"status": "crossover", "at": 5.1e6, "set_bytes": (3e6, 12e6)},
            "b leads up to 5.1 MB (3 MB to 12 MB); beyond it, by extrapolation, a",
        ),
        (
            {"status": "none within range"},
            "no crossover within 10 times the largest rung: a leads b",
        ),
        (
            {"status": "not identified", "set_bytes": (2e6, None)},
            "the crossover of a and b is not identified: the data allow one anywhere from 2 MB "
            "to never",
        ),
        (
            {"status": "not identified", "set_bytes": (None, None)},
            "the crossover of a and b is not identified: the data allow one at any budget, or none",
        ),
    ],
)
def test_what_is_said_of_a_pair(changes, said):
    from gptkit.results.scale_schema import Crossover

    asked = {"at": None, "set_bytes": None, "worth": None, "says": "", "model": "m"}
    band = [(75e3, -0.2, -0.1, -0.05), (6e6, 0.05, 0.1, 0.2)]
    pair = Crossover(**{**asked, "a": "a", "b": "b", "band": band, **changes})
    words = {"top": 600e3, "lowest": 75e3, "axis": "bytes", "extrapolate": 10}
    assert say_crossover(pair, **words) == said


def test_the_paragraph_says_who_leads_and_whether_it_was_predicted():
    ladder = make_ladder(CROSSING, names=["gpt2", "char"])
    judged = judge_ladder(ladder, model="decoder")
    text = say_ladder(
        [msgspec.structs.replace(pair, says="where it flips") for pair in judged.crossovers],
        judged.found,
        judged.predicted,
        bits=dict(zip(ladder.tokenizers, ladder.curves().tolist(), strict=True)),
        budgets=BUDGETS.tolist(),
        axis="bytes",
    )
    assert text.startswith("At 600 kB under decoder char is ahead of gpt2 by 0.0")
    assert "times the text" in text
    assert "The order (char and gpt2) still changes between the last two rungs." in text
    assert "The rungs below predicted the top rung." in text
