"""Plan and run an experiment."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeAlias

import msgspec
import torch

from gptkit.data.corpus import Corpus, load_corpus
from gptkit.data.prepare import Prepared, name_tokenizers, prepare
from gptkit.engines.claims import claim, remove_claims
from gptkit.engines.cluster_cost import estimate_on_cluster
from gptkit.engines.compose import compose_results, describe_machine, describe_tuning
from gptkit.engines.cost import ExperimentCost, estimate_cost
from gptkit.engines.device import find_device
from gptkit.engines.engine import Engine
from gptkit.engines.experiment_folder import make_folder, remove_if_unused
from gptkit.engines.job import Job, assign_threads, make_jobs
from gptkit.engines.processes import LocalEngine, choose_processes
from gptkit.engines.ray_cluster import RayEngine
from gptkit.engines.resume import kept_arms
from gptkit.engines.room import check_disk, check_memory
from gptkit.engines.shared import SharedEngine
from gptkit.engines.torchrun import TorchrunEngine
from gptkit.engines.until import train_until_decided
from gptkit.errors import NoRoom, RunError, Stopped
from gptkit.eval.baselines import measure_baselines
from gptkit.eval.group import ALONE
from gptkit.events import ArmDone, OnEvent, ignore
from gptkit.events.log import Status
from gptkit.events.losses import Baseline
from gptkit.files import write_json
from gptkit.plan.cluster import Nodes
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import ExperimentConfig, split_options
from gptkit.plan.make import Plan, make_plan
from gptkit.report.result import Result, read_results
from gptkit.results.byte_losses import read_arm_losses
from gptkit.results.schema import ArmResult, Look, Results
from gptkit.results.verdict import judge
from gptkit.trackers.subscribers import Subscribers
from gptkit.trackers.tracker import find_trackers
from gptkit.train.interrupts import signals_raise
from gptkit.train.tuning import Tuned, tune_all

Data: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]] | Corpus


class Experiment:
    """An experiment: tokenizers x models x seeds on one corpus, with equal arms by `match`.

    Args:
        options: fields of `ExperimentConfig` and `ExecutionConfig`. `data` may be a `Corpus`, a
            path, or a list of texts that are scored each by itself.
            `tokenizers` may have objects beside specs, see `gptkit_tokenizers.adapt`, or be a
            mapping from names to specs and objects.

    Raises:
        ConfigError: an option that cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        data = options.get("data")
        self._corpus = data if isinstance(data, Corpus) else None
        if self._corpus is not None:
            options["data"] = None
        elif isinstance(data, list | tuple):
            options["data"] = ",".join(map(str, data))
        elif isinstance(data, PathLike):
            options["data"] = str(data)
        self._tokenizers = name_tokenizers(options.get("tokenizers", ExperimentConfig.tokenizers))
        options["tokenizers"] = tuple(
            tokenizer if isinstance(tokenizer, str) else name
            for name, tokenizer in self._tokenizers.items()
        )
        self.config, self.execution = split_options(options)
        self._prepared: Prepared | None = None
        self._baselines: list[Baseline] = []  # shared by experiments on the same text
        self.group = ALONE  # the processes that train each arm together
        self._untuned: Plan | None = None
        self._tuned: dict[tuple[str, str], Tuned] = {}

    @classmethod
    def from_configs(cls, config: ExperimentConfig, execution: ExecutionConfig) -> Self:
        """Make the experiment of two configs."""
        return cls(tokenizers=config.tokenizers).with_configs(config, execution)

    def with_configs(self, config: ExperimentConfig, execution: ExecutionConfig) -> Self:
        """Return an experiment on the same encoded text with other configs."""
        other = copy(self)
        other.config, other.execution = config, execution
        other._untuned, other._tuned = None, {}
        return other

    def prepare(
        self, on_bytes: Callable[[str, int, int], None] = lambda name, done, n_bytes: None
    ) -> Prepared:
        """Load the corpus, encode and audit it under each tokenizer; done once.

        Args:
            on_bytes: called while a text too large for memory is encoded, with the tokenizer,
                the bytes that are done, and all bytes.
        """
        if self._prepared is None:
            corpus = self._corpus or load_corpus(self.config.data, split=self.config.split)
            self._prepared = prepare(
                corpus, self._tokenizers, lossy_ok=self.config.lossy_ok, on_bytes=on_bytes
            )
            self._prepared.prompt(self.config.prompt)
        return self._prepared

    def untuned_plan(self) -> Plan:
        """Return the plan with each recipe's own learning rates; nothing is trained."""
        if self._untuned is None:
            plan = make_plan(self.config, self.prepare().texts)
            check_memory(plan.arms, self.prepare().texts)
            self._untuned = plan
        return self._untuned

    def plan(self, on_event: OnEvent = ignore) -> Plan:
        """Return the arms exactly as they will be trained. With `tune`, run the trials first."""
        return self._plan(on_event)

    def _plan(self, on_event: OnEvent, record: Path | None = None) -> Plan:
        untuned = self.untuned_plan()
        if self.config.tune and not self._tuned:
            device = find_device(self.execution.device)
            self._tuned = tune_all(untuned.arms, self.prepare(), device, on_event, record=record)
        return untuned.with_rates({key: tuned.factor for key, tuned in self._tuned.items()})

    def cost(self, cluster: Sequence[Nodes] = ()) -> ExperimentCost:
        """Estimate time and memory from two seconds of calibration steps. No arm is trained.

        Args:
            cluster: nodes to estimate the time on, too; see `gptkit.plan.cluster`.

        Raises:
            ConfigError: the time on the cluster cannot be estimated.
        """
        arms, texts = self.untuned_plan().arms, self.prepare().texts
        processes = choose_processes(arms, texts, self.execution)
        device = find_device(self.execution.device)
        there = estimate_on_cluster(cluster, arms, texts, processes=processes) if cluster else []
        here = estimate_cost(arms, texts, processes=processes, device=device)
        return msgspec.structs.replace(here, cluster=there)

    def run(self, on_event: OnEvent = ignore, *, engine: Engine | None = None) -> Result:
        """Train every arm and write `out/<name>/`.

        Args:
            on_event: called with each arm's events.
            engine: the engine that trains the arms; None for processes on this machine.

        Raises:
            Stopped: a KeyboardInterrupt that says where the finished arms are.
            RunError: something cannot be written; finished arms are kept.
        """
        find_device(self.execution.device)
        find_trackers(self.execution.track)
        arms = self.untuned_plan().arms
        folder = make_folder(self.config.tokenizer_names, self.execution)
        stays = self.execution.claim  # others may have begun there, or it is to be resumed
        status: Status = "failed"
        result = None
        subscribers = Subscribers(folder, arms, self.execution, on_event)
        try:
            with signals_raise():
                result = self._run_in(folder, subscribers.hear, engine)
                status = "finished"
                return result
        except KeyboardInterrupt as stop:
            status = "stopped"
            raise Stopped(folder, getattr(stop, "number", signal.SIGINT)) from None
        except NoRoom:
            stays = True
            raise
        finally:
            subscribers.end(None if result is None else result.data, status)
            remove_claims(folder)
            if not stays:
                remove_if_unused(folder)

    def _measure_baselines(self) -> list[Baseline]:
        if not self._baselines:
            prepared = self.prepare()
            self._baselines += measure_baselines(prepared.corpus, prepared.texts)
        return self._baselines

    def _run_in(self, folder: Path, on_event: OnEvent, engine: Engine | None) -> Result:
        began, shared = time.perf_counter(), self.execution.claim
        prepared = self.prepare()
        with claim(folder / "tuning.json", timeout=math.inf) if shared else nullcontext():
            plan = self._plan(on_event, folder / "tuning.json")
        jobs = make_jobs(plan.arms, prepared, self.config, self.execution, folder)
        resumes = self.execution.resume or shared
        kept = kept_arms(jobs, prepared.texts, folder) if resumes else {}
        for job in jobs:
            if job.arm.id in kept:
                on_event(job.arm, ArmDone(loss=kept[job.arm.id].reported, kept=True))
        alone = self.group.size == 1
        processes = choose_processes(plan.arms, prepared.texts, self.execution) if alone else 1
        if engine is None and self.group.size > 1:
            engine = TorchrunEngine(prepared.texts, self.group)
        if engine is None and self.execution.engine == "ray":
            engine = RayEngine(prepared.texts, address=self.execution.ray_address)
        engine = engine or LocalEngine(prepared.texts, processes=processes)
        if shared:
            engine = SharedEngine(engine)

        def train(wanted: Sequence[Job]) -> list[ArmResult]:
            ordered = assign_threads(
                wanted, prepared.texts, processes=processes, threads=torch.get_num_threads()
            )
            left = [job for job in ordered if job.arm.id not in kept]
            done = kept | engine.run(left, on_event)
            return [done[job.arm.id] for job in wanted]

        check_disk([job for job in jobs if job.arm.id not in kept], prepared.texts, folder)

        looks: list[Look] = []
        try:
            if self.config.until is None:
                arms = train(jobs)
            else:
                arms, looks = train_until_decided(
                    self.config,
                    jobs,
                    train,
                    lambda arms, level: judge(
                        arms,
                        lambda arm: read_arm_losses(folder, arm),
                        level=level,
                    ),
                )
            with claim(folder / "results.json", timeout=math.inf) if shared else nullcontext():
                results = self._written_results(folder, arms) if shared else None
                if results is None:
                    results = self._compose(folder, plan, arms, looks, processes, began)
                    write_json(folder / "results.json", results)
        except OSError as error:
            raise RunError(
                f"{error.filename or folder} cannot be written: {error.strerror}.\n"
                f"Finished arms are in {folder}. Make room, then continue with resume=True and "
                f"name={folder.name!r}."
            ) from error
        return Result(results, folder)

    def _compose(
        self,
        folder: Path,
        plan: Plan,
        arms: list[ArmResult],
        looks: list[Look],
        processes: int,
        began: float,
    ) -> Results:
        """Judge the arms, and put the results together."""
        prepared = self.prepare()
        return compose_results(
            folder=folder,
            config=self.config.resolved(None if self._corpus else prepared.corpus.name),
            plan=plan,
            prepared=prepared,
            baselines=self._measure_baselines(),
            arms=arms,
            tuning=[
                describe_tuning(arm, self._tuned[arm.tokenizer, arm.recipe])
                for arm in self.untuned_plan().arms
                if arm.schedule.seed == 0 and self._tuned
            ],
            machine=describe_machine(
                find_device(self.execution.device),
                arms_at_a_time=processes,
                processes_per_arm=self.group.size,
            ),
            looks=looks,
            began=began,
        )

    def _written_results(self, folder: Path, arms: list[ArmResult]) -> Results | None:
        """Return the results that another command has written of these arms, if it has."""
        try:
            found = read_results(folder)
        except RunError:
            return None
        return found if isinstance(found, Results) and found.arms == arms else None


def compare(
    *,
    tokenizers: Sequence[Any] | Mapping[str, Any] = ("char", "gpt2"),
    data: Data | None = None,
    seeds: int = 1,
    on_event: OnEvent = ignore,
    **options: Any,
) -> Result:
    """Run an `Experiment` and return its `Result`.

    Args:
        options: the other fields of `ExperimentConfig` and `ExecutionConfig`.
    """
    return Experiment(tokenizers=tokenizers, data=data, seeds=seeds, **options).run(on_event)
