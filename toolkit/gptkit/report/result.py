"""Use an experiment's results in Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from gptkit.errors import ConfigError, RunError, check_known
from gptkit.results.byte_losses import read_arm_losses
from gptkit.results.read import read_checked
from gptkit.results.scale_schema import Scale
from gptkit.results.schema import ArmResult, Results, Robustness, Stretches, Verdict
from gptkit.results.studies import Study
from gptkit.results.summary import group_by_model, mean_bits
from gptkit_tokenizers.base import JsonObject

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from rich.console import RenderableType


@dataclass(frozen=True)
class Result:
    """The arms of an experiment and its verdict.

    Attributes:
        data: everything in results.json, typed.
        folder: where the runs are; None for results without runs.
    """

    data: Results
    folder: Path | None = None

    @property
    def arms(self) -> list[ArmResult]:
        return self.data.arms

    @property
    def verdict(self) -> list[Verdict]:
        return self.data.verdict

    @property
    def robustness(self) -> Robustness | None:
        """Whether the answer depends on the model; None for a single model."""
        return self.data.robustness

    def to_dict(self) -> JsonObject:
        """Return results.json as plain dictionaries and lists."""
        return msgspec.json.decode(msgspec.json.encode(self.data))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm, with flat column names such as `val_bits_per_byte`.

        `bits_per_byte` is the reported loss: of the test text, or of val if there is none.
        """
        import pandas as pd

        rows = []
        for arm in self.arms:
            row = {"bits_per_byte": arm.reported.bits_per_byte, **msgspec.to_builtins(arm)}
            for nested in ("params", "train", "last", "val", "test"):
                fields = row.pop(nested, None) or {}
                row |= {f"{nested}_{name}": value for name, value in fields.items()}
            del row["curve"]
            row["sample"] = row.pop("samples")[0]["text"]
            rows.append(row)
        first = ["id", "tokenizer", "model", "seed", "bits_per_byte"]
        frame = pd.DataFrame(rows)
        return frame[[*first, *frame.columns.difference(first, sort=False)]]

    def curves(self) -> pd.DataFrame:
        """Return one row per evaluation of each arm: steps, bytes, seconds, validation loss."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": arm.id,
                "tokenizer": arm.tokenizer,
                "model": arm.model,
                "seed": arm.seed,
                **msgspec.to_builtins(point),
            }
            for arm in self.arms
            for point in arm.curve
        )

    def plot(self, kind: Literal["curves", "vocabulary", "ladder"] = "curves") -> Axes:
        """Draw bits per byte with matplotlib, and return the axes.

        Args:
            kind: "curves" against training text, "vocabulary" against vocabulary size, "ladder"
                by stage of the lecture.

        Raises:
            ConfigError: another kind, "ladder" without stages, or matplotlib is not installed.
        """
        from gptkit.report.plots import PLOTS

        check_known("kind of plot", kind, PLOTS)
        if kind == "ladder" and self.data.ladder is None:
            raise ConfigError("these results are no ladder: their models are not its stages.")
        return PLOTS[kind]([self.data])

    def table(self) -> RenderableType:
        """Return the table of losses, for a console of rich: `rich.print(result.table())`."""
        from gptkit.report.loss_table import loss_table
        from gptkit.report.table import to_rich

        return to_rich(loss_table(self.data))

    def _repr_html_(self) -> str:
        from gptkit.report.html.fragments import result_fragment

        return result_fragment(self.data)

    def spans(self, a: str, b: str, *, model: str | None = None, n: int = 3) -> Stretches:
        """Find the stretches of the text where tokenizer `a` saves most over `b`, and least.

        Args:
            a, b: tokenizers of this experiment.
            model: a model of this experiment; None for the one with the lowest loss.
            n: how many stretches of each kind.

        Raises:
            ConfigError: a tokenizer or model that this experiment does not have.
            RunError: the runs are not there.
        """
        from gptkit.results.verdict import compare_arms

        if self.folder is None:
            raise RunError("this result has no folder; load it with load_result.")
        if model is None:
            model = min(group_by_model(self.arms), key=mean_bits)[0].model
        check_known("model", model, dict.fromkeys(arm.model for arm in self.arms))
        for name in (a, b):
            check_known("tokenizer", name, dict.fromkeys(arm.tokenizer for arm in self.arms))
        folder = self.folder
        one, other = (
            [arm for arm in self.arms if (arm.tokenizer, arm.model) == (name, model)]
            for name in (a, b)
        )
        return compare_arms(one, other, lambda arm: read_arm_losses(folder, arm), n=n)[1]


def load_result(path: str | Path) -> Result:
    """Read the results.json of an experiment's folder.

    Raises:
        RunError: there is none, or it holds something else.
    """
    found = read_results(path)
    if not isinstance(found, Results):
        raise RunError(f"{Path(path) / 'results.json'} is a study, not an experiment.")
    return Result(found, Path(path))


def read_results(path: str | Path) -> Results | Study:
    """Read a folder's results.json, of an experiment or of a study.

    Raises:
        RunError: there is none, or it holds something else.
    """
    folder = Path(path)
    file = folder / "results.json"
    if not file.is_file():
        raise RunError(
            f"{folder} has no results.json: it is no experiment, or one that was not finished.\n"
            "Give the folder of a finished one, as in runs/char-vs-gpt2, or finish it: "
            "resume=True. gptkit watch shows one that runs."
        )
    try:
        found = read_checked(file)
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    except ValueError as error:
        raise RunError(
            f"{file} does not hold results in the format of this version: {error}."
        ) from error
    assert not isinstance(found, Scale)
    return found
