"""Compose results.json from an experiment's trained arms."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

from gptkit.config import Arm
from gptkit.data.prepare import Prepared
from gptkit.eval.baselines import measure_baselines
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.ladder import ladder_preset
from gptkit.plan.make import Plan
from gptkit.results.balance import compare_quantities
from gptkit.results.byte_losses import read_losses
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import ArmResult, Machine, Results, Trial, Tuning
from gptkit.results.verdict import judge
from gptkit.results.warnings import check_result
from gptkit.train.tuning import Tuned


def compose_results(
    *,
    folder: Path,
    config: ExperimentConfig,
    plan: Plan,
    prepared: Prepared,
    arms: list[ArmResult],
    tuning: list[Tuning],
    machine: Machine,
    began: float,
) -> Results:
    """Judge the arms in a folder, measure baselines, and check the results.

    Args:
        config: the experiment's config, resolved.
        began: when the experiment began, by `time.perf_counter`.
    """
    corpus, models = prepared.corpus, config.models
    verdict = judge(arms, lambda arm: read_losses(folder / arm.id))
    results = Results(
        gptkit=version("gptkit"),
        name=folder.name,
        experiment=config,
        ladder=ladder_preset(models) if isinstance(models, dict) else None,
        corpus=corpus.facts(),
        reported_split="val" if corpus.test is None else "test",
        match=compare_quantities(plan.by, plan.notes, arms),
        machine=machine,
        tuning=tuning,
        arms=arms,
        baselines=measure_baselines(corpus, prepared.texts),
        verdict=verdict,
        robustness=assess_robustness(arms, verdict),
        warnings=[],
        seconds=0.0,
    )
    seconds = time.perf_counter() - began
    return msgspec.structs.replace(results, warnings=check_result(results), seconds=seconds)


def describe_machine(device: torch.device, arms_at_a_time: int) -> Machine:
    """Describe the machine that an experiment runs on."""
    return Machine(
        torch=str(torch.__version__),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        arms_at_a_time=arms_at_a_time,
    )


def describe_tuning(arm: Arm, tuned: Tuned) -> Tuning:
    """Record an arm's trials of learning rates."""
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
