"""Experiment: a config, its plan, its cost, and its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import msgspec
import torch

from gptkit.config import Arm
from gptkit.data.corpus import Corpus, load_corpus
from gptkit.data.prepare import Prepared, prepare
from gptkit.engines.arm import Job, find_device
from gptkit.engines.cost import ExperimentCost, estimate_cost
from gptkit.engines.engine import Engine
from gptkit.engines.experiment_folder import make_folder
from gptkit.engines.processes import LocalEngine, choose_processes
from gptkit.engines.resume import kept_arms
from gptkit.engines.run_folder import Sampling
from gptkit.errors import ConfigError, Stopped
from gptkit.eval.baselines import measure_baselines
from gptkit.events import ArmDone, OnEvent, ignore
from gptkit.files import write_json
from gptkit.plan.experiment_config import ExecutionConfig, ExperimentConfig, split_options
from gptkit.plan.ladder import ladder_preset
from gptkit.plan.make import Plan, make_plan
from gptkit.report.result import Result
from gptkit.results.balance import compare_quantities
from gptkit.results.byte_losses import read_losses
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import ArmResult, Machine, Results, Trial, Tuning
from gptkit.results.verdict import judge
from gptkit.results.warnings import check_result
from gptkit.train.tuning import Tuned, training_slice, tune
from gptkit_tokenizers import Tokenizer, adapt, name_of


class Experiment:
    """Tokenizers x models x seeds on one corpus, made equal in what `match` names.

    Args:
        options: fields of `ExperimentConfig` and `ExecutionConfig`. `data` may be a `Corpus`.
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
        self._tokenizers = by_name(options.get("tokenizers", ExperimentConfig.tokenizers))
        options["tokenizers"] = tuple(self._tokenizers)
        self.config, self.execution = split_options(options)
        self._prepared: Prepared | None = None
        self._untuned: Plan | None = None
        self._tuned: dict[tuple[str, str], Tuned] = {}

    @classmethod
    def from_configs(cls, config: ExperimentConfig, execution: ExecutionConfig) -> Self:
        """The experiment of two configs."""
        experiment = cls(tokenizers=config.tokenizers)
        experiment.config, experiment.execution = config, execution
        return experiment

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
        """The plan with each recipe's own learning rates; trains nothing."""
        if self._untuned is None:
            self._untuned = make_plan(self.config, self.prepare().texts)
        return self._untuned

    def plan(self, on_event: OnEvent = ignore) -> Plan:
        """The arms, exactly as they will be trained. With `tune`, this runs the trials, once."""
        untuned = self.untuned_plan()
        if self.config.tune and not self._tuned:
            device = find_device(self.execution.device)
            self._tuned = tune_all(untuned, self.prepare(), device, on_event)
        return untuned.with_rates({key: tuned.factor for key, tuned in self._tuned.items()})

    def cost(self) -> ExperimentCost:
        """Estimate time and memory from two seconds of calibration steps. No arm is trained."""
        arms, texts = self.untuned_plan().arms, self.prepare().texts
        processes = choose_processes(arms, texts, self.execution)
        device = find_device(self.execution.device)
        return estimate_cost(arms, texts, processes=processes, device=device)

    def run(self, on_event: OnEvent = ignore, *, engine: Engine | None = None) -> Result:
        """Train every arm and write `out/<name>/`.

        Args:
            on_event: called with each arm's events.
            engine: what trains the arms; None for processes on this machine.

        Raises:
            Stopped: a KeyboardInterrupt that says where the finished arms are.
        """
        find_device(self.execution.device)
        self.untuned_plan()
        folder = make_folder(self.config.tokenizers, self.execution)
        try:
            return self._run_in(folder, on_event, engine)
        except KeyboardInterrupt:
            raise Stopped(folder) from None
        finally:
            with suppress(OSError):  # an empty folder is removed: its name stays free
                folder.rmdir()

    def _run_in(self, folder: Path, on_event: OnEvent, engine: Engine | None) -> Result:
        began = time.perf_counter()
        prepared, plan = self.prepare(), self.plan(on_event)
        jobs = self._jobs(plan.arms, folder)
        kept = kept_arms(jobs, prepared.texts, folder) if self.execution.resume else {}
        for job in jobs:
            if job.arm.id in kept:
                on_event(job.arm, ArmDone(loss=kept[job.arm.id].reported, kept=True))
        processes = choose_processes(plan.arms, prepared.texts, self.execution)
        engine = engine or LocalEngine(prepared.texts, processes=processes)
        left = [job for job in jobs if job.arm.id not in kept]
        done = kept | engine.run(left, on_event)
        arms = [done[job.arm.id] for job in jobs]
        results = self._results(folder, plan, arms, processes)
        results = msgspec.structs.replace(results, seconds=time.perf_counter() - began)
        write_json(folder / "results.json", results)
        return Result(results, folder)

    def _jobs(self, arms: Sequence[Arm], folder: Path) -> list[Job]:
        prepared, config = self.prepare(), self.config
        sampling = Sampling(
            prompt=prepared.prompt(config.prompt),
            n_bytes=config.sample_bytes,
            temperature=config.temperature,
            top_k=config.top_k,
        )
        return [
            Job(
                arm=arm,
                corpus=prepared.corpus.facts(),
                sampling=sampling,
                device=self.execution.device,
                folder=folder / arm.id,
            )
            for arm in arms
        ]

    def _results(self, folder: Path, plan: Plan, arms: list[ArmResult], processes: int) -> Results:
        prepared = self.prepare()
        corpus = prepared.corpus
        models = self.config.models
        verdict = judge(arms, lambda arm: read_losses(folder / arm.id))
        results = Results(
            gptkit=version("gptkit"),
            name=folder.name,
            experiment=self.config.resolved(None if self._corpus else corpus.name),
            ladder=ladder_preset(models) if isinstance(models, dict) else None,
            corpus=corpus.facts(),
            reported_split="val" if corpus.test is None else "test",
            match=compare_quantities(plan.by, plan.notes, arms),
            machine=machine(find_device(self.execution.device), arms_at_a_time=processes),
            tuning=[
                _tuning(arm, self._tuned[arm.tokenizer, arm.recipe])
                for arm in self.untuned_plan().arms
                if arm.schedule.seed == 0 and self._tuned
            ],
            arms=arms,
            baselines=measure_baselines(corpus, prepared.texts),
            verdict=verdict,
            robustness=assess_robustness(arms, verdict),
            warnings=[],
            seconds=0.0,
        )
        return msgspec.structs.replace(results, warnings=check_result(results))


def compare(
    *,
    tokenizers: Sequence[Any] | Mapping[str, Any] = ("char", "gpt2"),
    data: str | Corpus | None = None,
    seeds: int = 1,
    on_event: OnEvent = ignore,
    **options: Any,
) -> Result:
    """Run an `Experiment` and return its `Result`.

    Args:
        options: the other fields of `ExperimentConfig` and `ExecutionConfig`.
    """
    return Experiment(tokenizers=tokenizers, data=data, seeds=seeds, **options).run(on_event)


def by_name(tokenizers: Sequence[Any] | Mapping[str, Any]) -> dict[str, str | Tokenizer]:
    """Specs and objects by their names in tables; a spec is its own name.

    Raises:
        ConfigError: a name twice.
        TokenizerError: an object that is no tokenizer.
    """
    if isinstance(tokenizers, str) or not isinstance(tokenizers, Sequence | Mapping):
        raise ConfigError(
            f"tokenizers is {tokenizers!r}; give a list, as in ['char', 'gpt2'], or a dictionary "
            "of names."
        )
    if not isinstance(tokenizers, Mapping):
        names = [name_of(tokenizer) for tokenizer in tokenizers]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"tokenizers has a name twice: {', '.join(names)}.\nGive names of your own: "
                "tokenizers={'mine': tokenizer}."
            )
        tokenizers = dict(zip(names, tokenizers, strict=True))
    return {
        name: tokenizer if isinstance(tokenizer, str) else adapt(tokenizer, name)
        for name, tokenizer in tokenizers.items()
    }


def tune_all(
    plan: Plan, prepared: Prepared, device: torch.device, on_event: OnEvent
) -> dict[tuple[str, str], Tuned]:
    """Run the trials of each tokenizer and recipe; the first seed stands for all."""
    tuned = {}
    for name, encoded in prepared.texts.items():
        texts = training_slice(encoded, prepared.corpus)
        for arm in plan.arms:
            if arm.tokenizer == name and arm.schedule.seed == 0:
                tuned[name, arm.recipe] = tune(
                    arm, texts, device=device, on_trial=partial(on_event, arm)
                )
    return tuned


def machine(device: torch.device, *, arms_at_a_time: int) -> Machine:
    """What an experiment's figures were computed on."""
    return Machine(
        torch=str(torch.__version__),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        arms_at_a_time=arms_at_a_time,
    )


def _tuning(arm: Arm, tuned: Tuned) -> Tuning:
    return Tuning(
        tokenizer=arm.tokenizer,
        model=arm.recipe,
        trials=[
            Trial(
                factor=trial.factor,
                bits_per_byte=trial.bits_per_byte,
                part=trial.part,
                learning_rate=arm.optim.at_rate(trial.factor).learning_rate,
            )
            for trial in tuned.trials
        ],
        factor=tuned.factor,
    )
