"""The contract of trackers, and how they are found by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Protocol

from gptkit.config import Arm
from gptkit.errors import ConfigError, nearest
from gptkit.events import Event
from gptkit.events.log import Status
from gptkit.results.schema import Results

OURS = {  # each in the module of its name: the package that it needs, and the extra that brings it
    "tensorboard": "tensorboardX",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
ENTRY_POINTS = "gptkit.trackers"


class Tracker(Protocol):
    """Hears an experiment's events, in a thread of its own. To write one, give it these methods.

    An exception, or a call that does not return, ends the tracker with one warning. The training
    goes on.
    """

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        """Start: the experiment's name, all its arms, and its folder."""
        ...

    def hear(self, arm: Arm, event: Event) -> None:
        """Take an event; of the steps there are at most two for each arm and second."""
        ...

    def end(self, results: Results | None, status: Status) -> None:
        """End: the results, or None if the experiment was stopped or has failed."""
        ...


MakeTracker = Callable[[], Tracker]


def find_trackers(names: Sequence[str]) -> dict[str, MakeTracker]:
    """Return what makes each tracker.

    Raises:
        ConfigError: an unknown name, or a package that is not installed.
    """
    return {name: _find(name) for name in names}


def _find(name: str) -> MakeTracker:
    if name in OURS:
        package = OURS[name]
        try:
            import_module(package)
        except ImportError:
            raise ConfigError(
                f"the tracker {name} needs {package}. Install it: pip install 'gptkit[{name}]'."
            ) from None
        made: MakeTracker = import_module(f"gptkit.trackers.{name}").make
        return made
    others = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in others:
        known = [*OURS, *others]
        raise ConfigError(f"there is no tracker {name!r}.{nearest(name, known)}")
    try:
        loaded: MakeTracker = others[name].load()
    except Exception as error:
        raise ConfigError(f"the tracker {name} cannot be loaded: {error}.") from error
    return loaded
