"""The training loop: an iterator over events. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import msgspec
import torch
from torch import Tensor

from gptkit.config import OptimConfig, Schedule
from gptkit.data.encoding import EncodedCorpus
from gptkit.errors import TrainingError
from gptkit.eval.evaluation import evaluate
from gptkit.eval.group import ALONE, Group
from gptkit.events import Evaluated, StepDone
from gptkit.models import Model
from gptkit.train.cuda_graph import GraphedStep
from gptkit.train.interrupts import uncut
from gptkit.train.optim import make_optimizers
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
from gptkit.train.step import Batch, batches_of, set_rates, take_shared_step, take_step

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
