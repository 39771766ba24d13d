"""What is made equal across arms, and what is not.

Each way of matching is a plain function from what the user asked to complete arms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from gptkit.config import RECIPES, Arm
from gptkit.encoded import EncodedCorpus
from gptkit.errors import ConfigError, CorpusError

EVALUATIONS = 4
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Complete arms, and in what they are equal."""

    by: str
    equal: tuple[str, ...]
    unequal: tuple[str, ...]
    arms: tuple[Arm, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"by": self.by, "equal": list(self.equal), "unequal": list(self.unequal)}


def steps_of(budget: str, *, bytes_per_step: int) -> int:
    """Training steps that a budget pays for: bytes of text per arm, or steps.

    >>> steps_of("600KB", bytes_per_step=2000), steps_of("50steps", bytes_per_step=2000)
    (300, 50)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", budget, re.IGNORECASE)
    amount, unit = (float(found[1]), found[2].lower()) if found else (0.0, "")
    if unit in ("step", "steps") and amount.is_integer():
        steps = int(amount)
    elif unit in _UNITS:
        steps = round(amount * _UNITS[unit] / bytes_per_step)
    else:
        raise ConfigError(
            f"budget {budget!r} is not an amount of text or steps.\n"
            "Give bytes of training text per arm, as in 600KB or 2MB, or steps, as in 600steps."
        )
    if steps < 1:
        raise ConfigError(f"budget {budget!r} is less than one step of {bytes_per_step:,} bytes.")
    return steps


def match_bytes(
    encoded: Mapping[str, EncodedCorpus],
    *,
    recipes: Sequence[str],
    seeds: Sequence[int],
    budget: str,
    bytes_per_step: int,
    context_bytes: int,
    stride_bytes: int | None = None,
) -> Plan:
    """Same training bytes, steps, bytes per step, context in bytes, and body, for every tokenizer.

    The context is whole tokens, so it is `context_bytes` to within half a token on average; the
    plan calls it equal if the arms' are within 1 %.

    Args:
        encoded: the corpus under each tokenizer, by spec.
        recipes: names of models, in `gptkit.config.RECIPES`.
    """
    steps = steps_of(budget, bytes_per_step=bytes_per_step)
    arms = []
    for spec, corpus in encoded.items():
        block_size = _tokens(context_bytes, corpus)
        if len(corpus.train_ids) <= block_size:
            raise CorpusError(
                f"the training text is too short: {corpus.train_bytes:,} bytes, "
                f"{len(corpus.train_ids):,} tokens of {spec}, do not fill one block of "
                f"{block_size} tokens and the one after.\n"
                f"Give a longer text, or a context of fewer than {context_bytes} bytes."
            )
        for recipe in recipes:
            model, train = RECIPES[recipe]()
            for seed in seeds:
                arms.append(
                    Arm(
                        tokenizer=spec,
                        recipe=recipe,
                        model=replace(model, block_size=block_size),
                        train=replace(
                            train,
                            steps=steps,
                            bytes_per_step=bytes_per_step,
                            batch_size=max(
                                1, round(bytes_per_step / (block_size * corpus.bytes_per_token))
                            ),
                            eval_interval=ceil(steps / EVALUATIONS),
                            eval_stride=stride_bytes and _tokens(stride_bytes, corpus),
                            seed=seed,
                        ),
                    )
                )
    contexts = [a.model.block_size * encoded[a.tokenizer].bytes_per_token for a in arms]
    level = max(contexts) <= 1.01 * min(contexts)
    equal = ("train_bytes", "steps", "bytes_per_step", "body_params", "val_bytes")
    unequal = ("train_tokens", "block_size", "total_params", "train_flops", "seconds")
    return Plan(
        by="bytes",
        equal=(*equal, "context_bytes") if level else equal,
        unequal=unequal if level else (*unequal, "context_bytes"),
        arms=tuple(arms),
    )


def _tokens(n_bytes: int, corpus: EncodedCorpus) -> int:
    """The whole tokens, at least one, that spell about so many bytes of training text."""
    return max(1, round(n_bytes / corpus.bytes_per_token))
