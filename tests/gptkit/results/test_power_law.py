"""Power laws: exact ones are found, and published ones again from their points."""

from pathlib import Path

import numpy as np
import pytest

from gptkit.bench.published_laws import fit_chinchilla, published_laws
from gptkit.errors import CorpusError
from gptkit.results.power_law import fit_power_law


@pytest.fixture
def scaling_folder(shakespeare_folder) -> Path:
    folder = shakespeare_folder / "scaling"
    if not folder.is_dir():
        pytest.skip("GPTKIT_DATA has no folder `scaling`")
    return folder


@pytest.mark.parametrize("huber", [None, 1e-3])
def test_an_exact_law_is_found(huber):
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 500, size=(2, 60))
    y = 1.7 + 4.0 * x[0] ** -0.35 + 1.1 * x[1] ** -0.46
    law = fit_power_law(x, y, huber=huber)
    np.testing.assert_allclose(
        [law.floor, *law.scales, *law.exponents], [1.7, 4.0, 1.1, 0.35, 0.46], rtol=1e-3
    )
    np.testing.assert_allclose(law(x), y, atol=1e-5)


def test_tied_terms_share_an_exponent_and_outliers_do_not_move_hubers_fit():
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 100, size=(3, 80))
    y = -5.0 + x[0] ** -0.45 + 0.2 * x[1] ** -0.7 + 2.0 * x[2] ** -0.45
    y[:4] += 3.0
    law = fit_power_law(x, y, tied=(0, 1, 0), huber=1e-3)
    assert law.exponents[0] == law.exponents[2]
    assert law.floor == pytest.approx(-5.0, abs=0.01)
    plain = fit_power_law(x, y, tied=(0, 1, 0))
    assert abs(plain.floor + 5.0) > 0.05


@pytest.mark.corpus
def test_chinchillas_coefficients_are_found_again(scaling_folder):
    fit = fit_chinchilla(scaling_folder, draws=40)
    assert fit.points == 119
    # Published by vpnls for another reading of the figure, of 124 points; two digits of E and B,
    # and of the others what this reading's points give.
    found = {one.name: one.fitted for one in fit.coefficients}
    assert found["E"] == pytest.approx(1.86, abs=0.02)
    assert found["B"] == pytest.approx(1.05, abs=0.03)
    assert found["alpha"] == pytest.approx(0.36, abs=0.02)
    assert found["beta"] == pytest.approx(0.40, abs=0.02)
    assert found["A"] == pytest.approx(4.15, abs=0.11)
    for one in fit.coefficients:
        low, high = one.interval
        assert low < one.fitted < high
        assert (low < one.published < high) == (one.name != "B")


@pytest.mark.corpus
def test_the_vocabulary_law_is_found_again_and_its_optimum_is_not_identified(scaling_folder):
    found = published_laws(scaling_folder, draws=30)
    fit = found.fits[1]
    assert fit.points == 1054
    # Tao et al., 2024: Huber's loss 0.06229 at their coefficients.
    assert fit.loss == pytest.approx(0.06229, abs=1e-5)
    for one in fit.coefficients:
        assert one.fitted == pytest.approx(one.published, rel=0.03), one.name
        assert one.interval[0] < one.published < one.interval[1], one.name
    assert found.optimum == pytest.approx(216_000, rel=0.05)
    low, high = found.interval
    assert low < 30_000
    assert high is None or high > 1_000_000


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "chinchilla-isoflops.csv").write_text("params,tokens\n1,2\n")
    with pytest.raises(CorpusError, match="columns params, tokens, loss"):
        fit_chinchilla(tmp_path)
