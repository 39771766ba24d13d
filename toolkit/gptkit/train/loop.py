"""The training loop: a generator of events. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptkit.config import OptimConfig, Schedule
from gptkit.data.batches import make_batch, window_starts
from gptkit.data.encoding import EncodedCorpus, EncodedText
from gptkit.errors import TrainingError
from gptkit.eval.evaluation import Evaluation, evaluate
from gptkit.events import Evaluated, StepDone
from gptkit.models import Model
from gptkit.train.optim import Optimizer, bf16_is_native, clip_gradients, make_optimizers, rate_at


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An evaluation of the validation text: the event, and the loss of each token."""

    event: Evaluated
    evaluation: Evaluation


def train(
    model: Model, corpus: EncodedCorpus, optim: OptimConfig, schedule: Schedule
) -> Iterator[StepDone | Scored]:
    """Train on the corpus's training text for `schedule.steps` steps or `schedule.seconds` seconds.

    Scores the validation text `schedule.evaluations` times, at even intervals, the last time after
    the last step. At the end the model has the weights of its best evaluation: the lowest bits per
    byte, and the earliest one if several are equal.

    Raises:
        TrainingError: the loss is not finite.
    """
    device = next(model.parameters()).device
    optimizers = make_optimizers(model, optim)
    batches = batches_of(corpus.train, schedule, device)
    nll = torch.compile(model.nll) if optim.compiled and device.type == "cuda" else model.nll
    seconds, train_bytes, train_tokens = 0.0, 0, 0
    best = math.inf
    best_weights: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(schedule.seed)  # for dropout
        step, done = 0, 0.0
        while done < 1:
            began = time.perf_counter()
            step += 1
            ids, targets, n_bytes = next(batches)
            loss = take_step(
                model, optimizers, ids, targets, step=step, done=done, config=optim, nll=nll
            )
            took = time.perf_counter() - began
            seconds += took
            train_bytes += n_bytes
            train_tokens += targets.numel()
            yield StepDone(
                step=step,
                loss=loss,
                seconds=seconds,
                train_bytes=train_bytes,
                train_tokens=train_tokens,
            )
            before, done = done, progress(step, seconds, took, schedule)
            parts = schedule.evaluations
            if interval_index(before, parts) == interval_index(done, parts):
                continue
            evaluation = evaluate(
                model, corpus.val, before=corpus.train.ids, stride=schedule.eval_stride
            )
            improved = not best_weights or evaluation.bits_per_byte < best
            if improved:
                best = evaluation.bits_per_byte
                best_weights = {n: p.detach().clone() for n, p in model.named_parameters()}
            event = Evaluated(
                step=step,
                seconds=seconds,
                train_bytes=train_bytes,
                loss=evaluation.loss,
                best=improved,
            )
            yield Scored(event=event, evaluation=evaluation)
    model.load_state_dict(best_weights, strict=False)


def train_to_end(
    model: Model, corpus: EncodedCorpus, optim: OptimConfig, schedule: Schedule
) -> Scored:
    """Train, and return the last evaluation."""
    scored = [event for event in train(model, corpus, optim, schedule) if isinstance(event, Scored)]
    return scored[-1]


def batches_of(
    text: EncodedText, schedule: Schedule, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Yield each step's inputs and targets (B, T), and the bytes of its targets, without end."""
    block_size = schedule.block_size
    for starts in window_starts(
        text.ends,
        block_size=block_size,
        bytes_per_step=schedule.bytes_per_step,
        batch_size=schedule.batch_size,
        seed=schedule.seed,
    ):
        ids, targets = make_batch(text.ids, starts, block_size=block_size, device=device)
        yield ids, targets, int((text.ends[starts + block_size] - text.ends[starts]).sum())


def progress(step: int, seconds: float, took: float, schedule: Schedule) -> float:
    """Return how much of the training is done, from 0 to 1.

    With a time budget, the training stops after the step whose end is closest to the budget. The
    error is at most half a step; `took` is the last step's duration.
    """
    if schedule.seconds is None:
        assert schedule.steps is not None
        return step / schedule.steps
    return 1.0 if seconds + took / 2 >= schedule.seconds else seconds / schedule.seconds


def interval_index(done: float, parts: int) -> int:
    """Return the index of the interval (of `parts` equal ones) that contains `done`.

    The 1e-9 corrects rounding such as 1 / 49 · 49 < 1.

    >>> [interval_index(step / 5, parts=2) for step in range(6)]
    [0, 0, 0, 1, 1, 2]
    """
    return int(done * parts + 1e-9)


def take_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    *,
    step: int,
    done: float,
    config: OptimConfig,
    nll: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> float:
    """Update the weights from a batch (B, T), and return its mean loss in nats.

    Args:
        step: the number of the step, from 1.
        done: how much of the training is done before this step, from 0 to 1.
        nll: the model's compiled `nll`; None for the plain one.
    """
    bf16 = config.bf16 and bf16_is_native(ids.device)
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16):
        loss = (nll or model.nll)(ids, targets).mean()
    loss.backward()
    if config.grad_clip is not None:
        clip_gradients(model, config.grad_clip)
    rate = rate_at(step - 1, done, config)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        optimizer.step()
        optimizer.zero_grad()
    value = loss.item()
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss is {value} at step {step}: the training diverged.\n"
            f"Lower the learning rate ({config.learning_rate}), or set grad_clip."
        )
    return value
