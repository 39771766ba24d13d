"""The training loop: takes a model and a budget, yields events, prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gptkit.batches import make_batch, window_starts
from gptkit.config import TrainConfig
from gptkit.encoded import EncodedCorpus
from gptkit.errors import TrainingError
from gptkit.evaluation import Evaluation, evaluate
from gptkit.models import Model
from gptkit.optim import clip_gradients, make_optimizers, rate_at


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
    """
    device = next(model.parameters()).device
    block_size = model.config.block_size
    optimizers = make_optimizers(model, config)
    starts = window_starts(
        corpus.train_ends,
        block_size=block_size,
        bytes_per_step=config.bytes_per_step,
        seed=config.seed,
    )
    seconds, train_bytes, train_tokens = 0.0, 0, 0
    best = float("inf")
    best_weights: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)  # of the dropout
        for step in range(1, config.steps + 1):
            began = time.perf_counter()
            windows = next(starts)
            ids, targets = make_batch(
                corpus.train_ids, windows, block_size=block_size, device=device
            )
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
            loss_now = loss.item()
            if not math.isfinite(loss_now):
                raise TrainingError(
                    f"the loss is {loss_now} at step {step}: the training diverged.\n"
                    f"Lower the learning rate ({config.learning_rate}), or set grad_clip."
                )
            seconds += time.perf_counter() - began
            ends = corpus.train_ends
            train_bytes += int((ends[windows + block_size] - ends[windows]).sum())
            train_tokens += targets.numel()
            yield StepDone(
                step=step,
                loss=loss_now,
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
            improved = evaluation.bits_per_byte < best
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
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in best_weights:
                parameter.copy_(best_weights[name])
