"""Perturbed texts: what changes, what does not, and what that costs."""

import numpy as np
import pytest

from gptkit.eval.perturb import PERTURBATIONS, perturb
from gptkit.plan.experiment_config import PERTURBATION_NAMES
from gptkit.results.byte_losses import to_byte_losses
from gptkit.results.perturbations import cost_of_perturbation

TEXT = 'The "king" said 1603 times: it\'s naïve-ly odd.\r\n\nSecond line, without 2 ends\n' * 30


def test_the_option_names_what_there_is():
    assert tuple(PERTURBATIONS) == PERTURBATION_NAMES


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_lines_stay_lines_and_the_seed_decides(kind):
    lines = perturb(TEXT, kind)
    assert "".join(lines).count("\n") == TEXT.count("\n") == len(lines)
    assert lines == perturb(TEXT, kind)
    assert lines != perturb(TEXT, kind, seed=1)
    assert "".join(lines) != TEXT


def test_each_kind_changes_only_its_own():
    changed = {kind: "".join(perturb(TEXT, kind)) for kind in PERTURBATIONS}
    assert changed["case"].lower() == TEXT.lower()
    assert changed["spaces"].replace(" ", "") == TEXT.replace(" ", "")
    without_digits = str.maketrans("", "", "0123456789")
    assert changed["digits"].translate(without_digits) == TEXT.translate(without_digits)
    assert "\u2019" in changed["unicode"]


def test_the_cost_is_the_difference_of_two_ratios():
    rng = np.random.default_rng(0)
    n_lines, seeds = 400, 3
    lengths = rng.integers(30, 60, size=n_lines)
    longer = lengths + rng.integers(0, 5, size=n_lines)
    ends, changed_ends = lengths.cumsum(), longer.cumsum()

    def losses(line_bits, sizes):
        nats = np.repeat(line_bits * np.log(2), sizes)
        n = int(sizes.sum())
        return to_byte_losses(nats, np.arange(1, n + 1), bytes(n))

    hard = rng.gamma(20, 0.1, size=n_lines)
    clean = [losses(hard + rng.normal(0, 0.01), lengths) for _ in range(seeds)]
    changed = [losses(hard + 0.25, longer) for _ in range(seeds)]
    mean, interval = cost_of_perturbation(clean, changed, ends=ends, changed_ends=changed_ends)
    expected = np.mean([c.nats.sum() for c in changed]) / changed_ends[-1] - (
        np.mean([c.nats.sum() for c in clean]) / ends[-1]
    )
    assert mean == pytest.approx(expected / np.log(2), abs=1e-6)
    assert interval[0] < 0.25 < interval[1]
    assert interval[1] - interval[0] < 0.1
