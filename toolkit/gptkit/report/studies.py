"""Write the page of a study: speed, learning rates, or calibration."""

from __future__ import annotations

from gptkit.report import calibration, rates, speed
from gptkit.results.studies import RatesStudy, Speed, Study


def study_page(found: Study) -> str:
    """Write the report of a study as Markdown."""
    if isinstance(found, Speed):
        return speed.markdown(found)
    return rates.markdown(found) if isinstance(found, RatesStudy) else calibration.markdown(found)
