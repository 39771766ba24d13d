"""What every model can do. Nothing outside this package asks which model it has."""

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
    """Parameters of the dense model."""

    embedding: int
    body: int
    head: int

    @property
    def total(self) -> int:
        return self.embedding + self.body + self.head


class Model(Protocol):
    """An `nn.Module` that predicts the next id; B windows, T tokens each, V ids.

    Attributes:
        block_size: T at most.
        vocab_size: V.
        support_is_pairs: whether `find_support` looks at pairs of neighbours in the training
            text, and so needs only the parts that training reads.
    """

    block_size: int
    vocab_size: int
    support_is_pairs: ClassVar[bool]
    training: bool

    def __init__(
        self, config: ModelConfig, vocab_size: int, support: Tensor, *, block_size: int
    ) -> None: ...

    @staticmethod
    def find_support(train_ids: IdArray, vocab_size: int) -> Tensor:
        """What the compact softmax must know of the training text's ids (N,)."""
        ...

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        ...

    def next_log_probs(self, ids: Tensor, cache: Any = None) -> Tensor:
        """Log-probabilities (B, V) of the id that follows ids (B, T); they sum to one.

        With a cache from `new_cache`, ids are only those that were not read yet.
        """
        ...

    def new_cache(self) -> Any:
        """What the model keeps of the ids it has read; None if it keeps nothing."""
        ...

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All parameters, each once, by their role for the optimiser.

        `matrices` are the body's; `embedding` is the tokens', `positions` the positions';
        `vectors` are gains and biases; `other` is everything else.
        """
        ...

    def gradient_copies(self) -> dict[nn.Parameter, Tensor]:
        """How many of the dense model's parameters each entry of these stands for."""
        ...

    def num_params(self) -> ParamCounts: ...

    @staticmethod
    def count_params(config: ModelConfig, *, vocab_size: int, block_size: int) -> ParamCounts:
        """What `num_params` returns, without building the model."""
        ...

    @staticmethod
    def flops_per_token(config: ModelConfig, *, columns: int, block_size: int) -> int:
        """Floating-point operations of training on a token.

        Args:
            columns: of the head: `head_columns` of the compact softmax, V of the full one.
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
