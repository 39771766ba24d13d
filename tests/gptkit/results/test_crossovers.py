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
        assert found.status == "not identified", seed


def test_one_seed_gives_intervals_from_the_text_alone():
    ladder = make_ladder(CROSSING, seeds=1)
    (found,) = judge_ladder(ladder, model="m").found
    error = rungs_of(ladder, [(1, 0)]).text[0, -1, -1] ** 0.5
    t = 2.0096  # of 49 degrees of freedom, from a table: 50 blocks
    assert found.ci95[1] - found.delta_bits_per_byte == pytest.approx(t * error, rel=1e-4)


def test_the_p_value_of_a_lead_is_that_of_its_interval():
    curves = np.stack([power(1.2, 1.0, 0.2) + lead for lead in np.linspace(0, 0.05, 8)])
    judged = judge_ladder(make_ladder(curves, noise=0.01), model="m")
    sure = [pair.ci95[0] > 0 or pair.ci95[1] < 0 for pair in judged.found]
    assert sure == [p < 0.05 for p in judged.p_values]
    assert len(set(sure)) == 2


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
    ladder = make_ladder(CROSSING)
    top = ladder.bits[0, -1]  # (S, K)
    top += ladder.block_bytes * np.array([0.5, 1.0, 2.0])[:, None]  # the leader there is the same
    (other,) = judge_ladder(ladder, model="m").predicted
    (one,) = judge_ladder(make_ladder(CROSSING), model="m").predicted
    assert one == other


def test_a_crossover_between_the_lowest_rungs_is_in_a_set_with_both_ends():
    curves = np.stack([np.full(4, 2.0), np.array([1.9, 2.1, 2.2, 2.3])])
    (found,) = judge_ladder(exact(make_ladder(curves), curves), model="m").crossovers
    assert found.status == "crossover"
    low, high = found.set_bytes
    assert 75e3 <= low < found.at < high <= 150e3


@pytest.mark.parametrize(("n_rungs", "n_seeds"), [(3, 3), (6, 2), (12, 3)])
def test_the_degrees_of_freedom_are_those_of_the_variance_over_seeds(n_rungs, n_seeds):
    """A variance with f degrees of freedom varies by 2 / f of its square."""
    rng = np.random.default_rng(0)
    bits = np.zeros((2, n_rungs, n_seeds, 2))
    found = []
    for _ in range(4000):
        bits[1] = rng.normal(size=(n_rungs, n_seeds, 1))
        ladder = Ladder(
            tokenizers=("a", "b"),
            budgets=np.arange(1, n_rungs + 1),
            bits=bits,
            block_bytes=np.ones(2),
        )
        rungs = rungs_of(ladder, [(0, 1)])
        found.append(rungs.seeds[0, 0])
    # The error of a variance of 4,000 draws is 2 % for a normal one, and more with heavy tails.
    assert 2 * np.mean(found) ** 2 / np.var(found) == pytest.approx(rungs.degrees, rel=0.12)


# Calibrated; `gptkit calibrate scale` checks those of 4 and 6 rungs on other sources.
@pytest.mark.parametrize(("n_rungs", "share"), [(3, 0.2), (4, 0.6), (5, 0.95), (6, 1.1), (9, 1.1)])
def test_the_predicted_top_has_the_part_of_the_band_that_is_enough(n_rungs, share):
    budgets = 75e3 * 2.0 ** np.arange(n_rungs)
    ladder = make_ladder(
        np.stack([power(1.2, 1.0, 0.1, budgets), power(1.2, 0.9, 0.4, budgets)]), budgets=budgets
    )
    predicted = judge_ladder(ladder, model="m").predicted[0]
    assert (predicted.a, predicted.b) == ("t1", "t0")
    ahead = draw_trends(rungs_of(ladder.below_top(), [(1, 0)]), budgets[-1:])[:, 0, 0]
    low, middle, high = np.quantile(ahead, [0.025, 0.5, 0.975])
    assert predicted.delta_bits_per_byte == pytest.approx(middle)
    half = share * (high - low) / 2
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
    pairs = [msgspec.structs.replace(pair, says="where it flips") for pair in judged.crossovers]
    bits = dict(zip(ladder.tokenizers, ladder.curves().tolist(), strict=True))
    found = {"bits": bits, "budgets": BUDGETS.tolist()}
    text = say_ladder(pairs, judged.found, judged.predicted, **found, axis="bytes")
    assert text.startswith("At 600 kB under decoder char is ahead of gpt2 by 0.0")
    assert "times the text" in text
    assert "At 75 kB char was behind gpt2 by 0.97" in text  # 0.96 · 8^0.4 - 8^0.1, and noise
    assert "The order (char and gpt2) still changes between the last two rungs." in text
    assert "The rungs below predicted the top rung." in text

    sizes = say_ladder(pairs, judged.found, judged.predicted, **found, axis="params")
    assert "times the parameters" in sizes
    doubt = {"chance": [frozenset({"gpt2", "char"})], "n_pairs": 12}
    text = say_ladder(pairs, judged.found, judged.predicted, **found, axis="bytes", **doubt)
    assert "bits per byte, maybe by chance among 12 pairs." in text
