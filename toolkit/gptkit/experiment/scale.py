"""Plan and run a ladder: the same experiment at several budgets or sizes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptkit.data.prepare import Prepared
from gptkit.engines.cost import ExperimentCost
from gptkit.engines.experiment_folder import make_folder
from gptkit.errors import ConfigError, RunError
from gptkit.eval.group import Group
from gptkit.events import OnEvent, ignore
from gptkit.experiment.single import Data, Experiment
from gptkit.files import write_json
from gptkit.plan.cluster import Nodes
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.scale import SCALE_DEFAULTS, Axis, ScaleConfig, check_epochs, rung_configs
from gptkit.report.result import Result
from gptkit.report.scale_result import ScaleResult
from gptkit.results.scale import compose_scale
from gptkit.results.statistics import BLOCK_BYTES

RUNG_FOLDER = re.compile(r"\d+-")
RunRung = Callable[[str, Experiment], Result]  # given the rung's folder, and its experiment


class ScaleLadder:
    """A ladder of experiments that differ in the budget, the size, or both.

    Args:
        scale: the rungs.
        options: those of `Experiment`, of the top rung. Here three seeds are the default, one model
            (decoder), and one evaluation: at the end of a training.

    Raises:
        ConfigError: an option that cannot be used.
    """

    def __init__(self, scale: ScaleConfig | None = None, **options: Any) -> None:
        self._set(scale or ScaleConfig(), Experiment(**SCALE_DEFAULTS | options))

    @classmethod
    def from_configs(
        cls, scale: ScaleConfig, config: ExperimentConfig, execution: ExecutionConfig
    ) -> ScaleLadder:
        """Make the ladder of three configs."""
        ladder = cls.__new__(cls)
        ladder._set(scale, Experiment.from_configs(config, execution))
        return ladder

    def _set(self, scale: ScaleConfig, top: Experiment) -> None:
        self.scale = scale
        self._top = top
        self._rungs = rung_configs(top.config, scale)

    @property
    def config(self) -> ExperimentConfig:
        """The config of the top rung."""
        return self._top.config

    @property
    def execution(self) -> ExecutionConfig:
        """Where and how all rungs run."""
        return self._top.execution

    @property
    def group(self) -> Group:
        """The processes that train each arm of each rung together."""
        return self._top.group

    @group.setter
    def group(self, group: Group) -> None:
        self._top.group = group

    def prepare(self, on_bytes: Callable[[str, int, int], None] = lambda *_: None) -> Prepared:
        """Load the corpus, and encode and audit it under each tokenizer; done once.

        Raises:
            ConfigError: the top rung reads the training text too often, or the validation text is
                too short for an interval.
        """
        prepared = self._top.prepare(on_bytes)
        if (n_bytes := prepared.corpus.val_bytes) < 2 * BLOCK_BYTES:
            raise ConfigError(
                f"the validation text has {n_bytes:,} bytes; a ladder's intervals need at least "
                f"{2 * BLOCK_BYTES:,}.\nGive a longer text, or a smaller split."
            )
        check_epochs(self.config, prepared.corpus.train_bytes)
        return prepared

    def experiments(self, out: str | None = None) -> dict[str, Experiment]:
        """Return the experiment of each rung by the name of its folder, the smallest first.

        Args:
            out: the ladder's folder; None for the one that the options name.
        """
        self.prepare()
        place = out or self.execution.out
        return {
            name: self._top.with_configs(config, replace(self.execution, out=place, name=name))
            for name, config in self._rungs.items()
        }

    def cost(self, cluster: Sequence[Nodes] = ()) -> dict[str, ExperimentCost]:
        """Estimate the time and memory of each rung. No arm is trained.

        Args:
            cluster: nodes to estimate the time on, too; see `gptkit.plan.cluster`.
        """
        return {name: rung.cost(cluster) for name, rung in self.experiments().items()}

    def run(self, on_event: OnEvent = ignore, *, run_rung: RunRung | None = None) -> ScaleResult:
        """Train every rung, judge the ladder, and write `out/<name>/` with a folder for each rung.

        Args:
            on_event: called with each arm's events.
            run_rung: runs the experiment of a rung; None for its `run`.

        Raises:
            ConfigError: the folder to continue has rungs of another ladder.
            Stopped: a KeyboardInterrupt that says where the finished arms are.
            RunError: something cannot be written; finished arms are kept.
        """
        began = time.perf_counter()
        for experiment in self.experiments().values():
            experiment.untuned_plan()  # finds a rung that cannot be trained before any is
        folder = make_folder(self.config.tokenizer_names, self.execution)
        _check_rungs(folder, self._rungs)
        rungs = []
        try:
            for rung, experiment in self.experiments(str(folder)).items():
                resume = self.execution.resume and (folder / rung).is_dir()
                experiment.execution = replace(experiment.execution, resume=resume)
                result = run_rung(rung, experiment) if run_rung else experiment.run(on_event)
                rungs.append(result.data)
        except RunError as error:
            raise RunError(
                f"{error}\nThat is a rung; continue the whole ladder with resume=True and "
                f"name={folder.name!r}."
            ) from error
        finally:
            with suppress(OSError):  # removes an empty folder, so that its name stays free
                folder.rmdir()
        scale = compose_scale(
            folder,
            rungs,
            config=rungs[-1].experiment,
            axis=self.scale.axis,
            factor=self.scale.factor,
            extrapolate=self.scale.extrapolate,
            seconds=time.perf_counter() - began,
        )
        try:
            write_json(folder / "scale.json", scale)
        except OSError as error:
            raise RunError(
                f"{folder / 'scale.json'} cannot be written: {error.strerror}.\nAll rungs are "
                f"finished. Make room, then continue with resume=True and name={folder.name!r}."
            ) from error
        return ScaleResult(scale, folder)


def _check_rungs(folder: Path, planned: Collection[str]) -> None:
    """Refuse to continue a folder with rungs that are not planned."""
    present = [path.name for path in sorted(folder.iterdir()) if RUNG_FOLDER.match(path.name)]
    if left_out := [name for name in present if name not in planned]:
        raise ConfigError(
            f"{folder} has rungs that this would leave out: {', '.join(left_out)}.\n"
            f"This would train {', '.join(planned)}. Resume with the budget, rungs and factor it "
            "was started with, or give another name."
        )


def scale(
    *,
    tokenizers: Sequence[Any] | Mapping[str, Any] = ("char", "gpt2"),
    data: Data | None = None,
    rungs: int = 4,
    factor: float = 2.0,
    axis: Axis = "bytes",
    extrapolate: float = 10.0,
    on_event: OnEvent = ignore,
    **options: Any,
) -> ScaleResult:
    """Run a `ScaleLadder` and return its result.

    Args:
        rungs, factor, axis, extrapolate: see `gptkit.plan.scale.ScaleConfig`.
        options: the other fields of `ExperimentConfig` and `ExecutionConfig`.
    """
    config = ScaleConfig(rungs=rungs, factor=factor, axis=axis, extrapolate=extrapolate)
    return ScaleLadder(config, tokenizers=tokenizers, data=data, **options).run(on_event)
