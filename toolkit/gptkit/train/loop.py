"""The training loop: an iterator over events. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice

import msgspec
import torch
from torch import Tensor
from torch.optim import Optimizer

from gptkit.config import OptimConfig, Schedule
from gptkit.data.batches import make_batch, on_device, window_starts
from gptkit.data.encoding import EncodedCorpus, EncodedText
from gptkit.errors import TrainingError
from gptkit.eval.evaluation import evaluate
from gptkit.eval.group import ALONE, Group
from gptkit.events import Evaluated, StepDone
from gptkit.models import Model
from gptkit.train.cuda_graph import GraphedStep
from gptkit.train.interrupts import uncut
from gptkit.train.optim import bf16_is_native, clip_gradients, make_optimizers
from gptkit.train.state import (
    Metric,
    Progress,
    Scored,
    TrainingState,
    add_prefix,
    load_model_tensors,
    load_optimizer_tensors,
    optimizer_tensors,
    random_states,
    set_random_states,
    with_prefix,
)

UNTOLD_STEPS = 32  # steps that a GPU computes before their losses are fetched


class Training:
    """A training: iterate over it to train, and stop and continue it by its state.

    It trains on the corpus's training text for `schedule.steps` steps or `schedule.seconds`
    seconds. It scores the validation text `schedule.evaluations` times, at even intervals, the last
    time after the last step. At the end the model has the weights of its best evaluation: the
    lowest bits per byte, and the earliest one if several are equal.

    Args:
        group: the processes that share the windows of each step and of each evaluation.
        micro_batch: how many windows are computed at a time; None for all.

    Attributes:
        progress: how far it is.
        metrics: one event for each step and each evaluation so far.
        best: the best evaluation so far.
        is_whole: whether the state is that of the end of a step; not after an exception in one.
    """

    def __init__(
        self,
        model: Model,
        corpus: EncodedCorpus,
        optim: OptimConfig,
        schedule: Schedule,
        *,
        group: Group = ALONE,
        micro_batch: int | None = None,
    ) -> None:
        self.model, self.corpus, self.optim, self.schedule = model, corpus, optim, schedule
        self.group, self.micro_batch = group, micro_batch
        self.device = next(model.parameters()).device
        self.optimizers = make_optimizers(model, optim)
        self.progress = Progress()
        self.metrics: list[Metric] = []
        self.best: Scored | None = None
        self.is_whole = True
        self._untold: list[tuple[Tensor, Progress]] = []  # steps whose losses are on the GPU
        self._best_weights: dict[str, Tensor] = {}
        self._random: dict[str, Tensor] | None = None  # while it does not run

    def __iter__(self) -> Iterator[StepDone | Scored]:
        """Train from the current state on.

        Raises:
            TrainingError: the loss is not finite.
            Interrupted: a signal asked for it, after a step or during an evaluation.
        """
        device, progress = self.device, self.progress
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            if self._random is None:
                torch.manual_seed(self.schedule.seed)  # for dropout
            else:
                set_random_states(self._random, device)
            self._random = None
            try:
                batches = batches_of(
                    self.corpus.train, self.schedule, device, skip=progress.step, group=self.group
                )
                while True:
                    if self._is_evaluation_due():
                        yield self._evaluate()
                    if progress.done >= 1:
                        break
                    with uncut():
                        self.is_whole = False
                        self._step(batches)
                        self.is_whole = True
                        told = self._tell() if self._is_time_to_tell() else []
                    yield from told
            finally:
                self._random = random_states(device)
        self.model.load_state_dict(self._best_weights, strict=False)

    def _step(self, batches: Iterator[Batch]) -> None:
        progress, schedule = self.progress, self.schedule
        began = time.perf_counter()
        progress.step += 1
        batch = next(batches)
        set_rates(self.optimizers, self.optim.rate_at(progress.step - 1, progress.done))
        loss = self._update(batch.ids, batch.targets, batch.n_tokens)
        if self._tells_each_step:
            loss = loss.cpu()
        took = time.perf_counter() - began
        if schedule.seconds is not None:
            took = self.group.from_first(took)  # all stop at the same step
        progress.seconds += took
        progress.train_bytes += batch.n_bytes
        progress.train_tokens += batch.n_tokens
        progress.done = part_done(progress.step, progress.seconds, took, schedule)
        self._untold.append((loss, msgspec.structs.replace(progress)))

    @property
    def _tells_each_step(self) -> bool:
        """Whether a step waits for its loss: not on a GPU, which computes while Python goes on."""
        return self.device.type != "cuda" or self.schedule.seconds is not None

    def _is_time_to_tell(self) -> bool:
        return (
            self._tells_each_step
            or len(self._untold) >= UNTOLD_STEPS
            or self._is_evaluation_due()
            or self.progress.done >= 1
        )

    def _tell(self) -> list[StepDone]:
        """Return the events of the steps whose losses are not known yet; wait for them."""
        if not self._untold:
            return []
        stacked = torch.stack([loss for loss, _ in self._untold])
        if self._tells_each_step:
            losses = stacked.tolist()
        else:
            began = time.perf_counter()
            losses = stacked.tolist()
            self.progress.seconds += time.perf_counter() - began
        events = [
            StepDone(
                step=progress.step,
                loss=loss,
                seconds=progress.seconds,
                train_bytes=progress.train_bytes,
                train_tokens=progress.train_tokens,
            )
            for loss, (_, progress) in zip(losses, self._untold, strict=True)
        ]
        self._untold.clear()
        for event in events:
            if not math.isfinite(event.loss):
                raise TrainingError(
                    f"the loss is {event.loss} at step {event.step}: the training diverged.\n"
                    f"Lower the learning rate ({self.optim.learning_rate}), or set grad_clip."
                )
        events[-1] = msgspec.structs.replace(events[-1], seconds=self.progress.seconds)
        self.metrics += events
        return events

    @cached_property
    def _update(self) -> Callable[[Tensor, Tensor, int], Tensor]:
        on_gpu = self.device.type == "cuda"
        compiled = self.optim.compiled and on_gpu
        nll = torch.compile(self.model.nll) if compiled else self.model.nll

        if self.group.size > 1 or self.micro_batch is not None:
            return partial(
                take_shared_step,
                self.model,
                self.optimizers,
                config=self.optim,
                nll=nll,
                group=self.group,
                micro_batch=self.micro_batch,
            )

        def update(ids: Tensor, targets: Tensor) -> Tensor:
            return take_step(self.model, self.optimizers, ids, targets, config=self.optim, nll=nll)

        graphed = on_gpu and self.model.has_fixed_shapes and not compiled
        whole = GraphedStep(update) if graphed else update
        return lambda ids, targets, n_tokens: whole(ids, targets)

    def _is_evaluation_due(self) -> bool:
        parts = self.schedule.evaluations
        return interval_index(self.progress.done, parts) != self.progress.interval

    def _evaluate(self) -> Scored:
        progress = self.progress
        evaluation = evaluate(
            self.model,
            self.corpus.val,
            before=self.corpus.train.ids,
            stride=self.schedule.eval_stride,
            group=self.group,
        )
        with uncut():
            improved = self.best is None or evaluation.total_nats < self.best.evaluation.total_nats
            event = Evaluated(
                step=progress.step,
                seconds=progress.seconds,
                train_bytes=progress.train_bytes,
                loss=evaluation.loss,
                best=improved,
            )
            scored = Scored(event=event, evaluation=evaluation)
            if improved:
                self.best = scored
                weights = self.model.named_parameters()
                self._best_weights = {name: p.detach().clone() for name, p in weights}
            progress.interval = interval_index(progress.done, self.schedule.evaluations)
            self.metrics.append(event)
        return scored

    def state(self) -> TrainingState:
        """Return the state after the last step; the tensors are those of the training itself."""
        assert self.is_whole
        self._tell()
        random = random_states(self.device) if self._random is None else self._random
        return TrainingState(
            progress=self.progress,
            metrics=self.metrics,
            best=self.best,
            tensors=add_prefix(self.model.state_dict(), "model.")
            | add_prefix(self._best_weights, "best.")
            | add_prefix(random, "random.")
            | optimizer_tensors(self.optimizers),
        )

    def load(self, state: TrainingState) -> None:
        """Continue from a state; the config and the text must be those that it was made with.

        Raises:
            TrainingError: it is the state of another training.
        """
        load_model_tensors(self.model, state.tensors)
        load_optimizer_tensors(self.optimizers, state.tensors)
        best = with_prefix(state.tensors, "best.")
        self._best_weights = {name: tensor.to(self.device) for name, tensor in best.items()}
        self._random = with_prefix(state.tensors, "random.")
        if self._random.keys() != random_states(self.device).keys():
            raise TrainingError("the state has not the random numbers of this device.")
        self.progress, self.metrics, self.best = state.progress, state.metrics, state.best


def train_to_end(
    model: Model, corpus: EncodedCorpus, optim: OptimConfig, schedule: Schedule
) -> Scored:
    """Train, and return the last evaluation."""
    training = Training(model, corpus, optim, schedule)
    scored = [event for event in training if isinstance(event, Scored)]
    return scored[-1]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A process's share of the windows of a step.

    Attributes:
        ids, targets: (B, T); B may be 0 for one of several processes.
        n_tokens, n_bytes: of the targets of all processes.
    """

    ids: Tensor
    targets: Tensor
    n_tokens: int
    n_bytes: int


def batches_of(
    text: EncodedText,
    schedule: Schedule,
    device: torch.device,
    *,
    skip: int = 0,
    group: Group = ALONE,
) -> Iterator[Batch]:
    """Yield each step's batch, without end.

    Args:
        skip: how many steps to leave out at the start.
        group: the processes that share the windows.
    """
    block_size = schedule.block_size
    all_starts = window_starts(
        text.ends,
        block_size=block_size,
        bytes_per_step=schedule.bytes_per_step,
        batch_size=schedule.batch_size,
        seed=schedule.seed,
    )
    ids_of_text = on_device(text.ids, device)
    for starts in islice(all_starts, skip, None):
        ids, targets = make_batch(
            ids_of_text, group.share(starts), block_size=block_size, device=device
        )
        yield Batch(
            ids=ids,
            targets=targets,
            n_tokens=len(starts) * block_size,
            n_bytes=int((text.ends[starts + block_size] - text.ends[starts]).sum()),
        )


def part_done(step: int, seconds: float, took: float, schedule: Schedule) -> float:
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


def set_rates(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Set learning rates to a fraction of their peaks. A GPU's rates are tensors on it."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(group["peak"] * rate)
            else:
                group["lr"] = group["peak"] * rate


def take_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    *,
    config: OptimConfig,
    nll: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Update the weights from a batch (B, T), and return its mean loss in nats, on its device.

    Args:
        nll: the model's compiled `nll`; None for the plain one.
    """
    with _autocast(ids.device, config):
        loss = (nll or model.nll)(ids, targets).mean()
    loss.backward()
    _update_weights(model, optimizers, config)
    return loss.detach()


def take_shared_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    n_tokens: int,
    *,
    config: OptimConfig,
    nll: Callable[[Tensor, Tensor], Tensor],
    group: Group,
    micro_batch: int | None,
) -> Tensor:
    """Do what `take_step` does, a part of the batch at a time, or with several processes.

    The losses of all tokens are added up and divided by their number, so the result is that of
    `take_step` but for rounding. With dropout, other activations are dropped.

    Args:
        ids, targets: this process's windows (B, T).
        n_tokens: targets of all processes.
        micro_batch: how many windows are computed at a time; None for all.
    """
    total = torch.zeros((), dtype=torch.float64, device=ids.device)
    size = micro_batch or max(1, len(ids))
    for part in zip(ids.split(size), targets.split(size), strict=True):
        if not len(part[0]):
            continue  # there are more processes than windows
        with _autocast(ids.device, config):
            nats = nll(*part)
        (nats.sum() / n_tokens).backward()
        total += nats.detach().double().sum() / n_tokens
    group.add_gradients(model.parameters())
    _update_weights(model, optimizers, config)
    return group.add(total)


def _autocast(device: torch.device, config: OptimConfig) -> torch.autocast:
    bf16 = config.bf16 and bf16_is_native(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def _update_weights(model: Model, optimizers: Sequence[Optimizer], config: OptimConfig) -> None:
    if config.grad_clip is not None:
        clip_gradients(model, config.grad_clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
