"""The training loop: takes a model and a budget, yields events, prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptkit.batches import make_batch, window_starts
from gptkit.config import TrainConfig
from gptkit.encoded import EncodedCorpus
from gptkit.errors import TrainingError
from gptkit.evaluation import Evaluation, evaluate
from gptkit.models import Model
from gptkit.optim import Optimizer, clip_gradients, make_optimizers, rate_at


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
    """Train on the corpus's training text for `config.steps` steps.

    Evaluates every `eval_interval` steps and after the last. The model ends with the weights of
    its best evaluation: the lowest bits per byte, the earliest of equals.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    device = next(model.parameters()).device
    block_size, ends = model.config.block_size, corpus.train_ends
    optimizers = make_optimizers(model, config)
    starts = window_starts(
        ends, block_size=block_size, bytes_per_step=config.bytes_per_step, seed=config.seed
    )
    seconds, train_bytes, train_tokens = 0.0, 0, 0
    best = math.inf
    best_weights: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)  # of the dropout
        for step in range(1, config.steps + 1):
            began = time.perf_counter()
            windows = next(starts)
            ids, targets = make_batch(
                corpus.train_ids, windows, block_size=block_size, device=device
            )
            loss = take_step(model, optimizers, ids, targets, step=step, config=config)
            seconds += time.perf_counter() - began
            train_bytes += int((ends[windows + block_size] - ends[windows]).sum())
            train_tokens += targets.numel()
            yield StepDone(
                step=step,
                loss=loss,
                seconds=seconds,
                train_bytes=train_bytes,
                train_tokens=train_tokens,
            )
            if step % config.eval_interval and step != config.steps:
                continue
            evaluation = evaluate(
                model,
                corpus.val_ids,
                before=corpus.train_ids,
                n_bytes=corpus.val_bytes,
                n_chars=corpus.val_chars,
                stride=config.eval_stride,
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


def take_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    *,
    step: int,
    config: TrainConfig,
) -> float:
    """One update from a batch (B, T), at the schedule's rate for `step`; its mean loss, in nats."""
    loss = model.nll(ids, targets).mean()
    loss.backward()
    if config.grad_clip is not None:
        clip_gradients(model, config.grad_clip)
    rate = rate_at(step - 1, config)
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
