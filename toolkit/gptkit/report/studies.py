"""Write the page of a study: speed, learning rates, or a calibration."""

from __future__ import annotations

from gptkit.report import calibration, rates, speed
from gptkit.report.cluster_speed import cluster_page
from gptkit.report.durability import durability_page
from gptkit.report.gpu_speed import gpu_page
from gptkit.report.scale_calibration import published_page, scale_page, sequential_page
from gptkit.results.cluster_schema import ClusterSpeed
from gptkit.results.gpu_schema import GpuSpeed
from gptkit.results.stress_schema import Durability
from gptkit.results.studies import (
    Calibration,
    PublishedLaws,
    RatesStudy,
    ScaleCalibration,
    SequentialCalibration,
    Speed,
    Study,
)


def study_page(found: Study) -> str:
    """Write the report of a study as Markdown."""
    match found:
        case ClusterSpeed():
            return cluster_page(found)
        case Durability():
            return durability_page(found)
        case GpuSpeed():
            return gpu_page(found)
        case Speed():
            return speed.markdown(found)
        case RatesStudy():
            return rates.markdown(found)
        case Calibration():
            return calibration.markdown(found)
        case ScaleCalibration():
            return scale_page(found)
        case SequentialCalibration():
            return sequential_page(found)
        case PublishedLaws():
            return published_page(found)
