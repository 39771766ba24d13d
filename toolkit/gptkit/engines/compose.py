"""Compose results.json from an experiment's trained arms."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

from gptkit.config import Arm
from gptkit.data.parity import compare_tokens
from gptkit.data.prepare import Prepared
from gptkit.engines.after_training import measure_marginals, measure_perturbed
from gptkit.engines.device import describe_device
from gptkit.events.losses import Baseline
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.ladder import ladder_preset
from gptkit.plan.make import Plan
from gptkit.results.balance import compare_quantities
from gptkit.results.by_text import judge_by_text, losses_by_text
from gptkit.results.byte_losses import ByteLosses, read_arm_losses
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import ArmResult, ByText, Look, Machine, Results, Trial, Tuning
from gptkit.results.statistics import ALPHA
from gptkit.results.verdict import judge
from gptkit.results.warnings import check_result
from gptkit.train.tuning import Tuned


def compose_results(
    *,
    folder: Path,
    config: ExperimentConfig,
    plan: Plan,
    prepared: Prepared,
    baselines: list[Baseline],
    arms: list[ArmResult],
    tuning: list[Tuning],
    machine: Machine,
    looks: list[Look],
    began: float,
) -> Results:
    """Judge the arms in a folder, and check the results.

    Args:
        config: the experiment's config, resolved.
        looks: the last one's level is the verdicts'; none for the usual level.
        began: when the experiment began, by `time.perf_counter`.
    """
    corpus, models = prepared.corpus, config.models
    level = looks[-1].level if looks else ALPHA
    verdict = judge(arms, lambda arm: read_arm_losses(folder, arm), level=level)
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
        baselines=baselines,
        verdict=verdict,
        robustness=assess_robustness(arms, verdict),
        looks=looks,
        marginals=measure_marginals(folder, arms, prepared.texts) if config.marginal else [],
        by_text=_by_text(folder, arms, prepared, level) if corpus.parts else None,
        perturbed=measure_perturbed(folder, arms, prepared.texts, corpus, config.perturb),
        warnings=[],
        seconds=0.0,
    )
    seconds = time.perf_counter() - began
    return msgspec.structs.replace(results, warnings=check_result(results), seconds=seconds)


def _by_text(folder: Path, arms: list[ArmResult], prepared: Prepared, level: float) -> ByText:
    ranges = prepared.corpus.reported_ranges()
    whole = prepared.corpus.part_texts()

    def losses(arm: ArmResult) -> ByteLosses:
        return read_arm_losses(folder, arm)

    return ByText(
        losses=losses_by_text(arms, losses, ranges),
        verdicts=judge_by_text(arms, losses, ranges, level=level),
        tokens=[
            compare_tokens(
                name,
                {part: len(encoded.tokenizer.encode_array(text)) for part, text in whole.items()},
            )
            for name, encoded in prepared.texts.items()
        ],
    )


def describe_machine(
    device: torch.device, *, arms_at_a_time: int, processes_per_arm: int
) -> Machine:
    """Describe the machine that an experiment runs on."""
    return Machine(
        torch=str(torch.__version__),
        device=describe_device(device),
        threads=torch.get_num_threads(),
        arms_at_a_time=arms_at_a_time,
        processes_per_arm=processes_per_arm,
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
