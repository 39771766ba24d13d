"""Train one arm, sample from it, and record it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gptkit.config import Arm
from gptkit.data.batches import ids_read
from gptkit.data.encoding import EncodedCorpus
from gptkit.data.prepare import Prepared
from gptkit.engines.run_folder import RunConfig, Sampling, write_run
from gptkit.errors import ConfigError
from gptkit.eval.evaluation import Evaluation, evaluate
from gptkit.eval.sampling import sample_text
from gptkit.events import ArmDone, Evaluated, OnEvent, StepDone
from gptkit.losses import Loss
from gptkit.models import MODELS, Model, build_model
from gptkit.plan.experiment_config import ExecutionConfig, ExperimentConfig
from gptkit.plan.matching import flops_per_token
from gptkit.results.byte_losses import to_byte_losses
from gptkit.results.schema import (
    ArmResult,
    CorpusFacts,
    CurvePoint,
    LastEvaluation,
    Params,
    Sample,
    Training,
)
from gptkit.train.loop import Scored, train


@dataclass(frozen=True, kw_only=True)
class Job:
    """An arm to train, without its text.

    Attributes:
        folder: the folder that the arm is recorded in; it must not exist.
    """

    arm: Arm
    corpus: CorpusFacts
    sampling: Sampling
    device: str
    folder: Path


def make_jobs(
    arms: Sequence[Arm],
    prepared: Prepared,
    config: ExperimentConfig,
    execution: ExecutionConfig,
    folder: Path,
) -> list[Job]:
    """Make the jobs that train an experiment's arms in its folder."""
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
            device=execution.device,
            folder=folder / arm.id,
        )
        for arm in arms
    ]


def find_device(name: str) -> torch.device:
    """Return the torch device with this name; `auto` is CUDA if there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here.\n"
            "Give auto, cpu, or cuda on a machine that has it."
        ) from error
    return device


def fresh_model(arm: Arm, encoded: EncodedCorpus, device: torch.device) -> Model:
    """Build the arm's untrained model.

    A model of pairs stores a number for each pair of ids that it trains on. For a text too large
    for memory, only the windows that training will read are searched for pairs.
    """
    train_ids = encoded.train.ids
    if MODELS[arm.model.architecture].support_is_pairs and encoded.train.on_disk:
        train_ids = ids_read(encoded.train, arm.schedule)
    model = build_model(
        arm.model,
        block_size=arm.schedule.block_size,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=train_ids,
        seed=arm.schedule.seed,
    )
    return model.to(device)


def run_arm(job: Job, encoded: EncodedCorpus, on_event: OnEvent) -> ArmResult:
    """Train an arm, sample from it, record it in its folder, and return its result."""
    arm, sampling = job.arm, job.sampling
    model = fresh_model(arm, encoded, find_device(job.device))
    steps: list[StepDone] = []
    evaluations: list[Evaluated] = []
    best: Scored | None = None
    for event in train(model, encoded, arm.optim, arm.schedule):
        if isinstance(event, StepDone):
            steps.append(event)
            on_event(arm, event)
            continue
        evaluations.append(event.event)
        on_event(arm, event.event)
        if event.event.best:
            best = event
    assert best is not None
    reported = best.evaluation
    if encoded.test is not None:
        reported = evaluate_test(model, encoded, stride=arm.schedule.eval_stride)
    sample = _draw_sample(model, encoded, sampling, seed=arm.schedule.seed)
    test = None if encoded.test is None else reported.loss
    samples = [Sample(prompt=sampling.prompt, text=sample)]
    result = _arm_result(arm, encoded, model, steps, evaluations, best.event, test, samples)
    assert encoded.reported.utf8 is not None
    write_run(
        job.folder,
        config=RunConfig(arm=arm, corpus=job.corpus, sampling=sampling),
        tokenizer=encoded.tokenizer,
        model=model,
        metrics=sorted([*steps, *evaluations], key=lambda event: event.step),
        losses=to_byte_losses(
            reported.nats, encoded.reported.ends, encoded.reported.utf8, also=reported.lost_nats
        ),
        result=result,
    )
    on_event(arm, ArmDone(loss=result.reported))
    return result


def _draw_sample(model: Model, encoded: EncodedCorpus, sampling: Sampling, *, seed: int) -> str:
    """Return a sample; "" with a warning if none can be drawn, so that the training is kept."""
    try:
        return sample_text(
            model,
            encoded.tokenizer,
            sampling.prompt,
            max_bytes=sampling.n_bytes,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            seed=seed,
        )
    except Exception as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        warnings.warn(
            f"no sample of {encoded.tokenizer.name} could be drawn: {reason}", stacklevel=2
        )
        return ""


def evaluate_test(model: Model, encoded: EncodedCorpus, *, stride: int | None) -> Evaluation:
    """Compute the test text's loss; the texts before it are the context of its start."""
    assert encoded.test is not None
    reach = model.block_size + 1
    before = np.concatenate([encoded.train.ids[-reach:], encoded.val.ids[-reach:]])
    return evaluate(model, encoded.test, before=before, stride=stride)


def _arm_result(
    arm: Arm,
    encoded: EncodedCorpus,
    model: Model,
    steps: Sequence[StepDone],
    evaluations: Sequence[Evaluated],
    best: Evaluated,
    test: Loss | None,
    samples: list[Sample],
) -> ArmResult:
    return ArmResult(
        id=arm.id,
        tokenizer=arm.tokenizer,
        model=arm.recipe,
        seed=arm.schedule.seed,
        vocab_size=encoded.tokenizer.vocab_size,
        vocab_seen=encoded.vocab_seen,
        block_size=arm.schedule.block_size,
        context_bytes=arm.schedule.block_size * encoded.train.bytes_per_token,
        batch_size=arm.schedule.batch_size,
        steps=steps[-1].step,
        learning_rate=arm.optim.learning_rate,
        params=_params(model),
        train=_training(arm, encoded, steps[-1]),
        last=LastEvaluation(
            step=evaluations[-1].step, bits_per_byte=evaluations[-1].loss.bits_per_byte
        ),
        curve=_curve(evaluations),
        best_step=best.step,
        val=best.loss,
        test=test,
        samples=samples,
    )


def _params(model: Model) -> Params:
    counts = model.num_params()
    return Params(
        embedding=counts.embedding, body=counts.body, head=counts.head, total=counts.total
    )


def _training(arm: Arm, encoded: EncodedCorpus, last: StepDone) -> Training:
    full_softmax = MODELS[arm.model.architecture].flops_per_token(
        arm.model, columns=encoded.tokenizer.vocab_size, block_size=arm.schedule.block_size
    )
    return Training(
        bytes=last.train_bytes,
        tokens=last.train_tokens,
        epochs=last.train_bytes / encoded.train.n_bytes,
        flops=float(flops_per_token(arm, encoded) * last.train_tokens),
        flops_full_softmax=float(full_softmax * last.train_tokens),
        seconds=last.seconds,
    )


def _curve(evaluations: Sequence[Evaluated]) -> list[CurvePoint]:
    return [
        CurvePoint(
            step=event.step,
            train_bytes=event.train_bytes,
            seconds=event.seconds,
            val_bits_per_byte=event.loss.bits_per_byte,
        )
        for event in evaluations
    ]
