"""The result of a ladder, as Python sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gptkit.errors import RunError
from gptkit.results.read import read_checked
from gptkit.results.scale_schema import Crossover, Scale
from gptkit_tokenizers.base import JsonObject

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ScaleResult:
    """A ladder's rungs, and where the order of its tokenizers flips.

    Attributes:
        data: everything in scale.json, typed.
        folder: the ladder's folder, with one for each rung; None without.
    """

    data: Scale
    folder: Path | None = None

    @property
    def crossovers(self) -> list[Crossover]:
        return self.data.crossovers

    def __str__(self) -> str:
        return "\n\n".join(self.data.says.values())

    def to_dict(self) -> JsonObject:
        """Return scale.json as plain dictionaries and lists."""
        return msgspec.json.decode(msgspec.json.encode(self.data))

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each rung, model and tokenizer."""
        import pandas as pd

        return pd.DataFrame(msgspec.to_builtins(self.data.rungs))

    def plot(self, model: str | None = None) -> Axes:
        """Draw the losses at the rungs, and the differences with their bands; return the axes.

        Args:
            model: a model of the ladder; None for the first.
        """
        from gptkit.report.scale_plot import plot_scale

        return plot_scale(self.data, model=model)

    def _repr_html_(self) -> str:
        from gptkit.report.html.fragments import scale_fragment

        return scale_fragment(self.data)


def load_scale(path: str | Path) -> ScaleResult:
    """Read the scale.json of a ladder's folder.

    Raises:
        RunError: there is none, or it holds something else.
    """
    file = Path(path) / "scale.json"
    try:
        found = read_checked(file)
    except FileNotFoundError:
        raise RunError(
            f"{path} has no scale.json: it is no ladder, or one that was not finished."
        ) from None
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    except ValueError as error:
        raise RunError(
            f"{file} does not hold a ladder of this version's format: {error}."
        ) from error
    assert isinstance(found, Scale)
    return ScaleResult(found, Path(path))
