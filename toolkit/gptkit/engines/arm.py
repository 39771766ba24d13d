"""Train one arm, sample from it, and record it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from gptkit.config import Arm
from gptkit.data.batches import ids_read
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.checkpoint import Checkpoints, remove_checkpoints
from gptkit.engines.claims import GRACE_SECONDS, claim
from gptkit.engines.device import find_device
from gptkit.engines.job import Job
from gptkit.engines.resume import finished_run
from gptkit.engines.run_folder import Sampling, record_sha256, write_run
from gptkit.eval.evaluation import Evaluation, evaluate
from gptkit.eval.group import ALONE, Group
from gptkit.eval.sampling import sample_text
from gptkit.events import ArmDone, Evaluated, Event, OnEvent, Resumed, StepDone
from gptkit.events.losses import Loss
from gptkit.models import MODELS, Model, build_model
from gptkit.plan.matching import flops_per_token
from gptkit.results import schema
from gptkit.results.byte_losses import to_byte_losses
from gptkit.results.schema import ArmResult, CurvePoint, LastEvaluation, Params, Sample
from gptkit.train.interrupts import uncut
from gptkit.train.loop import Training
from gptkit.train.state import Metric, Scored

log = logging.getLogger("gptkit")


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


def run_arm(
    job: Job, encoded: EncodedCorpus, on_event: OnEvent, *, group: Group = ALONE
) -> ArmResult:
    """Train an arm, sample from it, record it in its folder, and return its result.

    It goes on from the arm's last checkpoint if there is one. If a signal or Ctrl-C stops it, it
    saves one first.

    Args:
        group: the processes that train it; this one is the first of them.

    Raises:
        Interrupted: a signal asked for it.
        ArmTaken: another process trains the arm.
        ConfigError: another command has trained it with other options.
        RunError: it cannot be written.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads or threads)
    try:
        patience = 0.0 if job.shared else GRACE_SECONDS
        with claim(job.folder, purpose=job.record.sha256(), timeout=patience):
            finished = finished_run(job, encoded.tokenizer)
            if finished is None:
                return _train_and_record(job, encoded, on_event, group)
            on_event(job.arm, ArmDone(loss=finished.result.reported, kept=True))
            return finished.result
    finally:
        torch.set_num_threads(threads)


def _train_and_record(
    job: Job, encoded: EncodedCorpus, on_event: OnEvent, group: Group
) -> ArmResult:
    arm, sampling = job.arm, job.record.sampling
    device = find_device(job.device) if group is ALONE else group.device
    model = fresh_model(arm, encoded, device)
    training = Training(
        model, encoded, arm.optim, arm.schedule, group=group, micro_batch=job.micro_batch
    )
    checkpoints = Checkpoints(
        job.folder, job.record, record_sha256(encoded.tokenizer), job.save_every
    )
    group.from_first(job)
    resumed = _resume(training, checkpoints, device, partial(on_event, arm))
    if group is not ALONE:
        group.from_first(training.state() if resumed else None)
    try:
        for event in training:
            on_event(arm, event.event if isinstance(event, Scored) else event)
            if checkpoints.is_due(training):
                _save(checkpoints, training)
        best = training.best
        assert best is not None
        reported = best.evaluation
        if encoded.test is not None:
            reported = evaluate_test(model, encoded, stride=arm.schedule.eval_stride, group=group)
        sample = _draw_sample(model, encoded, sampling, seed=arm.schedule.seed)
    except KeyboardInterrupt:
        if training.is_whole and training.progress.step:
            _save(checkpoints, training)
        raise
    test = None if encoded.test is None else reported.loss
    samples = [Sample(prompt=sampling.prompt, text=sample)]
    result = _arm_result(arm, encoded, model, training.metrics, best.event, test, samples)
    assert encoded.reported.utf8 is not None
    with uncut():
        write_run(
            job.folder,
            config=job.record,
            tokenizer=encoded.tokenizer,
            model=model,
            metrics=training.metrics,
            losses=to_byte_losses(
                reported.nats, encoded.reported.ends, encoded.reported.utf8, also=reported.lost_nats
            ),
            result=result,
            make_room=lambda: remove_checkpoints(job.folder),
        )
        remove_checkpoints(job.folder)
    on_event(arm, ArmDone(loss=result.reported))
    return result


def _resume(
    training: Training,
    checkpoints: Checkpoints,
    device: torch.device,
    on_event: Callable[[Event], None],
) -> bool:
    """Continue a training from its last checkpoint that can be used; return if there is one."""
    checkpoint, notes = checkpoints.load(device)
    if checkpoint is not None:
        training.load(checkpoint.state)
        if checkpoint.note is not None:
            notes.append(checkpoint.note)
    if checkpoint is not None or notes:
        on_event(Resumed(step=training.progress.step, notes=tuple(notes)))
    return checkpoint is not None


def _save(checkpoints: Checkpoints, training: Training) -> None:
    """Save a checkpoint; a disk that cannot take it does not stop the training."""
    try:
        checkpoints.save(training)
    except OSError as error:
        if not checkpoints.has_failed:
            log.warning(
                "%s goes on without a checkpoint: %s cannot be written: %s.",
                checkpoints.record.arm.id,
                error.filename or checkpoints.folder,
                error.strerror,
            )
        checkpoints.has_failed = True


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
        log.warning("no sample of %s could be drawn: %s", encoded.tokenizer.name, reason)
        return ""


def evaluate_test(
    model: Model, encoded: EncodedCorpus, *, stride: int | None, group: Group = ALONE
) -> Evaluation:
    """Compute the test text's loss; the texts before it are the context of its start."""
    assert encoded.test is not None
    reach = model.block_size + 1
    before = np.concatenate([encoded.train.ids[-reach:], encoded.val.ids[-reach:]])
    return evaluate(model, encoded.test, before=before, stride=stride, group=group)


def _arm_result(
    arm: Arm,
    encoded: EncodedCorpus,
    model: Model,
    metrics: Sequence[Metric],
    best: Evaluated,
    test: Loss | None,
    samples: list[Sample],
) -> ArmResult:
    steps = [metric for metric in metrics if isinstance(metric, StepDone)]
    evaluations = [metric for metric in metrics if isinstance(metric, Evaluated)]
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


def _training(arm: Arm, encoded: EncodedCorpus, last: StepDone) -> schema.Training:
    full_softmax = MODELS[arm.model.architecture].flops_per_token(
        arm.model, columns=encoded.tokenizer.vocab_size, block_size=arm.schedule.block_size
    )
    return schema.Training(
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
