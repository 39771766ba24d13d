"""What the page of published laws says of its coefficients and its optimum."""

import pytest

from gptkit.report.scale_calibration import published_page
from gptkit.results.studies import Coefficient, PublishedFit, PublishedLaws


def make_page(*published, interval=(12_000.0, None)):
    """Return the page of a law whose coefficients E, A and B lie in 1 to 2."""
    coefficients = [
        Coefficient(name=name, published=value, fitted=1.5, interval=(1.0, 2.0))
        for name, value in zip("EAB", published, strict=True)
    ]
    fit = PublishedFit(
        law="E + A·N^-0.3 + B·D^-0.3",
        source="Points of a paper",
        points=123,
        resampled="points",
        coefficients=coefficients,
        loss=0.5,
    )
    return published_page(
        PublishedLaws(gptkit="1", fits=[fit], optimum=2e5, interval=interval, draws=1999)
    )


@pytest.mark.parametrize(
    ("published", "held"),
    [
        ((1.0, 1.7, 2.0), "hold all published coefficients."),
        ((1.5, 2.1, 1.5), "hold all published coefficients but A."),
        ((0.9, 1.5, 2.1), "hold all published coefficients but E and B."),
    ],
    ids=["on the bounds", "one outside", "two outside"],
)
def test_published_coefficients_outside_their_intervals_are_named(published, held):
    page = make_page(*published)

    assert f"95 %: over 1999 resamples of the points. The intervals {held}" in page


def test_only_an_interval_without_a_bound_says_that_the_data_do_not_identify_it():
    assert (
        "is 200,000 ids. Its 95 % interval is 12,000 to more than 4,000,000: the data do not "
        "identify it." in make_page(1, 1, 1)
    )
    assert "is 12,000 to 300,000.\n" in make_page(1, 1, 1, interval=(12_000.0, 300_000.0))
