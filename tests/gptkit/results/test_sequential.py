"""Added seeds: the levels of looks, and what a comparison still needs."""

import numpy as np
import pytest
from scipy import stats

from gptkit.results.more import More, plan_more
from gptkit.results.sequential import look_levels, sequential_level
from gptkit.results.statistics import Difference


def test_with_many_seeds_the_levels_are_the_published_ones():
    # Lan and DeMets' O'Brien-Fleming-like bounds for five equal looks, two-sided 5 %: 4.877,
    # 3.357, 2.680, 2.290, 2.031. A t-test with hundreds of seeds is a normal test.
    levels = look_levels_at((80, 160, 240, 320, 400))
    bounds = stats.norm.isf(np.array(levels) / 2)
    np.testing.assert_allclose(bounds[1:], [3.357, 2.680, 2.290, 2.031], rtol=0.03)


def look_levels_at(seeds):
    """The rule of `look_levels` at other looks, from a normal random walk."""
    rng = np.random.default_rng(3)
    steps = np.diff(np.array([0, *seeds]))
    walk = (rng.normal(size=(400_000, len(seeds))) * np.sqrt(steps)).cumsum(axis=1)
    p = 2 * stats.norm.sf(np.abs(walk) / np.sqrt(seeds))
    from gptkit.results import sequential

    return sequential.levels_of(p, np.array(seeds) / seeds[-1], alpha=0.05)


def test_looks_together_hold_the_error_rate():
    levels = np.array(look_levels(3, 8, alpha=0.05))
    assert (np.diff(levels) > 0).all()
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(50_000, 8))
    claims = np.zeros(len(drawn), dtype=bool)
    for n, level in zip(range(3, 9), levels, strict=True):
        claims |= stats.ttest_1samp(drawn[:, :n], 0, axis=1).pvalue < level
    # 50,000 comparisons: the standard error of the share is 0.001.
    assert claims.mean() == pytest.approx(0.05, abs=0.004)


def test_more_pairs_need_lower_levels():
    one = sequential_level(5, first=3, most=8, n_pairs=1, alpha=0.05)
    many = sequential_level(5, first=3, most=8, n_pairs=6, alpha=0.05)
    assert many < one  # and it is for p-values that are multiplied by six already


def difference(mean, *, text, seeds):
    return Difference(mean=mean, text=text, seeds=seeds, both=max(text, seeds), p=0.2)


def test_a_noisy_comparison_needs_more_seeds():
    # Three seeds: half a width of 0.02 is 4.303 standard errors, so a seed's deviation is 0.00805.
    more = plan_more(difference(0.01, text=0.0001, seeds=0.02), n_seeds=3)
    n = 3 + more.seeds
    width = stats.t.ppf(0.975, n - 1) * 0.00805 / np.sqrt(n)
    before = stats.t.ppf(0.975, n - 2) * 0.00805 / np.sqrt(n - 1)
    assert width < 0.01 < before


def test_a_short_text_needs_more_text():
    more = plan_more(difference(0.01, text=0.02, seeds=0.001), n_seeds=5)
    assert more == More(text=pytest.approx(4.0))
    assert more.describe().startswith("more seeds cannot decide it, but about 4.0 times this text")


def test_nothing_is_promised_for_no_difference():
    assert plan_more(difference(0.0, text=0.01, seeds=0.01), n_seeds=5) == More()
    assert plan_more(difference(1e-4, text=0.01, seeds=0.01), n_seeds=5).describe() == ""
