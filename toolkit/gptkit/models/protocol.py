"""The contract of every model. Code outside this package never asks which model it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from gptkit.config import ModelConfig
from gptkit.data.id_array import IdArray


@dataclass(frozen=True, kw_only=True)
class ParamCounts:
    """The numbers of parameters of the dense model."""

    embedding: int
    body: int
    head: int

    @property
    def total(self) -> int:
        return self.embedding + self.body + self.head


class Model(Protocol):
    """An `nn.Module` that predicts the next id; B windows, T tokens each, V ids.

    Attributes:
        block_size: the largest T.
        vocab_size: V.
        has_fixed_shapes: whether the shapes in a training step follow from the batch's shape, and
            it never waits for the GPU, so that a CUDA graph can record it.
        support_is_pairs: whether `find_support` looks at pairs of neighbouring ids. It then
            needs only the windows that training reads.
    """

    block_size: int
    vocab_size: int
    has_fixed_shapes: ClassVar[bool]
    support_is_pairs: ClassVar[bool]
    training: bool

    def __init__(
        self, config: ModelConfig, vocab_size: int, support: Tensor, *, block_size: int
    ) -> None: ...

    @staticmethod
    def find_support(train_ids: IdArray, vocab_size: int) -> Tensor:
        """Find in the training text's ids (N,) what the compact softmax needs."""
        ...

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        ...

    def next_log_probs(self, ids: Tensor, cache: Any = None) -> Tensor:
        """Return log-probabilities (B, V) of the id that follows ids (B, T); they sum to one.

        With a cache from `new_cache`, give only the ids that the model has not read yet.
        """
        ...

    def new_cache(self) -> Any:
        """Make a cache for the ids that the model reads; None if it needs none."""
        ...

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters, each once, by their role for the optimiser.

        `matrices`: the matrices of the body. `embedding`: the token embedding. `positions`: the
        position embedding. `vectors`: gains and biases. `other`: everything else.
        """
        ...

    def gradient_copies(self) -> dict[nn.Parameter, Tensor]:
        """Return, for compact parameters, how many dense parameters each entry stands for."""
        ...

    def num_params(self) -> ParamCounts: ...

    @staticmethod
    def count_params(config: ModelConfig, *, vocab_size: int, block_size: int) -> ParamCounts:
        """Return what `num_params` returns, without building the model."""
        ...

    @staticmethod
    def count_stored(config: ModelConfig, *, vocab_size: int, support: int, block_size: int) -> int:
        """Return how many numbers `state_dict` has beside the support, without building the model.

        Args:
            support: the length of what `find_support` returns.
        """
        ...

    @staticmethod
    def flops_per_token(config: ModelConfig, *, columns: int, block_size: int) -> int:
        """Return the floating-point operations of training on one token.

        Args:
            columns: columns of the head: `head_columns` for the compact softmax, V for the full.
        """
        ...

    # nn.Module's own
    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any: ...
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def to(self, device: torch.device) -> Self: ...
