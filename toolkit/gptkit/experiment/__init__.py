"""The facade: plan and run an experiment, or a ladder of experiments."""

from gptkit.experiment.scale import ScaleLadder, scale
from gptkit.experiment.single import Experiment, compare

__all__ = ["Experiment", "ScaleLadder", "compare", "scale"]
