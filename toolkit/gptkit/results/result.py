"""Result: all runs of an experiment and the verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from gptkit.engines.run_folder import read_losses
from gptkit.errors import ConfigError, RunError
from gptkit.report.terminal import loss_table
from gptkit.results.summary import claimed
from gptkit.results.verdict import compare_arms


@dataclass(frozen=True)
class Result:
    """All arms of an experiment and its verdict; `to_dict()` is results.json."""

    data: dict[str, Any]
    folder: Path | None = None

    @property
    def arms(self) -> list[dict[str, Any]]:
        return self.data["arms"]

    @property
    def verdict(self) -> list[dict[str, Any]]:
        return self.data["verdict"]

    @property
    def robustness(self) -> dict[str, Any] | None:
        """Whether the answer depends on the model; None for a single one."""
        return self.data.get("robustness")

    def to_dict(self) -> dict[str, Any]:
        return self.data

    def table(self) -> Table:
        """The losses, as a rich table."""
        return loss_table(self.data)

    def spans(
        self, a: str, b: str, *, model: str | None = None, n: int = 3
    ) -> dict[str, list[dict[str, Any]]]:
        """The stretches of the text where tokenizer `a` beats `b` most, and where least.

        Args:
            a, b: tokenizers of this experiment.
            model: under which; None for the one with the lowest loss.
            n: how many of each.

        Returns:
            `most` and `least`, as `gptkit.results.byte_losses.stretches` gives them, over the
            seeds' mean.

        Raises:
            ConfigError: a tokenizer or model that this experiment does not have.
            RunError: the runs are not there.
        """
        if self.folder is None:
            raise RunError("this result has no folder; load it with load_result.")
        if model is None:
            model = min(self.arms, key=lambda arm: claimed(arm)["bits_per_byte"])["model"]
        for field, name in (("tokenizer", a), ("tokenizer", b), ("model", model)):
            known = dict.fromkeys(arm[field] for arm in self.arms)
            if name not in known:
                raise ConfigError(f"there is no {field} {name!r} here, but {', '.join(known)}.")
        folder = self.folder
        one, other = (
            [arm for arm in self.arms if (arm["tokenizer"], arm["model"]) == (name, model)]
            for name in (a, b)
        )
        return compare_arms(one, other, lambda arm: read_losses(folder / arm["id"]), n=n)[1]


def load_result(path: str | Path) -> Result:
    """Read back the results.json of an experiment's folder.

    Raises:
        RunError: there is none, or it is not one.
    """
    folder = Path(path)
    file = folder / "results.json"
    if not file.is_file():
        raise RunError(
            f"{folder} has no results.json: no experiment, or one that was not finished.\n"
            "Give the folder of a finished one, as in runs/char-vs-gpt2."
        )
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}.") from error
    wanted = {"arms", "baselines", "claim", "corpus", "match", "tuning", "verdict", "warnings"}
    if not isinstance(data, dict) or not wanted <= data.keys():
        raise RunError(f"{file} is not an experiment's results as this version writes them.")
    return Result(data, folder)
