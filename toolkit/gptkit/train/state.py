"""The state of a training: all that decides its next steps, as tensors and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor
from torch.optim import Optimizer

from gptkit.errors import TrainingError
from gptkit.eval.evaluation import Evaluation
from gptkit.events import Evaluated, StepDone
from gptkit.models import Model

Metric = StepDone | Evaluated


class Progress(msgspec.Struct, kw_only=True):
    """How far a training is.

    Attributes:
        step: training steps done.
        done: how much of the training is done, from 0 to 1.
        seconds, train_bytes, train_tokens: see `gptkit.events.StepDone`.
        interval: the index of the interval between evaluations that was scored last.
    """

    step: int = 0
    done: float = 0.0
    seconds: float = 0.0
    train_bytes: int = 0
    train_tokens: int = 0
    interval: int = 0


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An evaluation of the validation text: the event, and the loss of each token."""

    event: Evaluated
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """The state of a training at the end of a step.

    Attributes:
        metrics: one event for each step and each evaluation so far.
        best: the best evaluation so far.
        tensors: by name: the model's, the optimisers', the random states, the best weights.
    """

    progress: Progress
    metrics: list[Metric]
    best: Scored | None
    tensors: dict[str, Tensor]


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of PyTorch's generators that training on this device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to states that `random_states` returned."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


def optimizer_tensors(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """Return the tensors of optimisers, by the number of the optimiser and of the parameter.

    Learning rates are not among them: they follow from the config and the step.
    """
    return {
        f"optimizer.{i}.{index}.{name}": tensor
        for i, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def load_optimizer_tensors(optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Give fresh optimisers the tensors that `optimizer_tensors` returned."""
    for i, optimizer in enumerate(optimizers):
        fresh = optimizer.state_dict()
        params = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in with_prefix(tensors, f"optimizer.{i}.").items():
            index, _, name = key.partition(".")
            if not (index.isdecimal() and int(index) < len(params)):
                raise TrainingError(f"the optimiser has no parameter {key}.")
            if tensor.ndim and tensor.shape != params[int(index)].shape:
                raise TrainingError(f"the optimiser's {key} has the shape {tuple(tensor.shape)}.")
            state.setdefault(int(index), {})[name] = tensor
        optimizer.load_state_dict(fresh | {"state": state})


def load_model_tensors(model: Model, tensors: Mapping[str, Tensor]) -> None:
    """Give a model its weights.

    Raises:
        TrainingError: they are another model's.
    """
    try:
        model.load_state_dict(with_prefix(tensors, "model."))
    except RuntimeError as error:
        raise TrainingError(f"the weights are another model's: {error}.") from error


def add_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors with a prefix before their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it.

    >>> with_prefix({"a.x": torch.tensor(1), "b.x": torch.tensor(2)}, "b.")
    {'x': tensor(2)}
    """
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
