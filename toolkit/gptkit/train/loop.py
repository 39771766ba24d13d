"""The training loop: takes a model and a budget, yields events, prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptkit.allocator import keep_freed_memory
from gptkit.config import TrainConfig
from gptkit.data.batches import make_batch, window_starts
from gptkit.data.encoding import EncodedCorpus, EncodedText
from gptkit.errors import TrainingError
from gptkit.eval.evaluation import Evaluation, evaluate
from gptkit.models import Model
from gptkit.train.optim import Optimizer, bf16_is_native, clip_gradients, make_optimizers, rate_at


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A training step: `loss` in nats per token of its batch, the rest summed since the start.

    `seconds` counts training alone, not evaluation.
    """

    step: int
    loss: float
    seconds: float
    train_bytes: int
    train_tokens: int


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The whole validation text's loss after `step` steps; `best` so far, or not."""

    step: int
    seconds: float
    train_bytes: int
    evaluation: Evaluation
    best: bool


def train(
    model: Model, corpus: EncodedCorpus, config: TrainConfig
) -> Iterator[StepDone | Evaluated]:
    """Train on the corpus's training text for `config.steps` steps or `config.seconds` seconds.

    Scores the validation text `config.evaluations` times, evenly, the last after the last step.
    The model ends with the weights of its best evaluation: the lowest bits per byte, the earliest
    of equals.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    keep_freed_memory()
    device = next(model.parameters()).device
    optimizers = make_optimizers(model, config)
    batches = batches_of(corpus.train, config, model.config.block_size, device)
    nll = torch.compile(model.nll) if config.compiled and device.type == "cuda" else model.nll
    seconds, train_bytes, train_tokens = 0.0, 0, 0
    best = math.inf
    best_weights: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)  # of the dropout
        step, done = 0, 0.0
        while done < 1:
            began = time.perf_counter()
            step += 1
            ids, targets, n_bytes = next(batches)
            loss = take_step(
                model, optimizers, ids, targets, step=step, done=done, config=config, nll=nll
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
            before, done = done, part_done(step, seconds, took, config)
            if part(before, config.evaluations) == part(done, config.evaluations):
                continue
            evaluation = evaluate(
                model, corpus.val, before=corpus.train.ids, stride=config.eval_stride
            )
            improved = not best_weights or evaluation.bits_per_byte < best
            if improved:
                best = evaluation.bits_per_byte
                best_weights = {n: p.detach().clone() for n, p in model.named_parameters()}
            yield Evaluated(
                step=step,
                seconds=seconds,
                train_bytes=train_bytes,
                evaluation=evaluation,
                best=improved,
            )
    model.load_state_dict(best_weights, strict=False)


def batches_of(
    text: EncodedText, config: TrainConfig, block_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Without end, each step's inputs and targets (B, T), and the bytes its targets spell."""
    for starts in window_starts(
        text.ends,
        block_size=block_size,
        bytes_per_step=config.bytes_per_step,
        batch_size=config.batch_size,
        seed=config.seed,
    ):
        ids, targets = make_batch(text.ids, starts, block_size=block_size, device=device)
        yield ids, targets, int((text.ends[starts + block_size] - text.ends[starts]).sum())


def part_done(step: int, seconds: float, took: float, config: TrainConfig) -> float:
    """How much of the training is behind, 1 if all of it.

    By the clock, it ends at the step's end that is nearest: half a step like the last, which
    `took` so many seconds, may be missing or too much.
    """
    if config.seconds is None:
        assert config.steps is not None
        return step / config.steps
    return 1.0 if seconds + took / 2 >= config.seconds else seconds / config.seconds


def part(done: float, parts: int) -> int:
    """How many of so many equal parts are behind; what rounding lost, 1 / 49 · 49, is given back.

    >>> [part(step / 5, parts=2) for step in range(6)]
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
    config: TrainConfig,
    nll: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> float:
    """One update from a batch (B, T), at the schedule's rate; its mean loss, in nats.

    Args:
        step: counted from 1.
        done: the part of the training that lies before it.
        nll: the model's, compiled; None for as it is.
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
