"""Choose the device that models are trained on: CUDA, else MPS, else the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from gptkit.config import ModelConfig, OptimConfig
from gptkit.errors import ConfigError
from gptkit.eval.evaluation import sweep
from gptkit.models import build_model
from gptkit.train.optim import make_optimizers
from gptkit.train.step import take_step

# A TF32 product is off by up to 1e-3. A wrong kernel changes a loss of 2.8 nats by more than this.
MAX_DIFFERENCE = 0.02


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The device that `auto` stands for.

    Attributes:
        passed_over: why each device that comes before it was not chosen.
    """

    device: torch.device
    passed_over: dict[str, str]


def find_device(name: str) -> torch.device:
    """Return the torch device with this name; `auto` is the first that works.

    Raises:
        ConfigError: models cannot be trained on it.
    """
    if name == "auto":
        return choose_device().device
    reason = fault(name)
    if reason is not None:
        raise ConfigError(
            f"device {name!r} cannot be used here: {reason}.\n"
            "Give auto or cpu, or cuda or mps on a machine that has it."
        )
    return torch.device(name)


@cache
def choose_device() -> Choice:
    """Return the first of CUDA, MPS and the CPU on which models can be trained."""
    passed_over: dict[str, str] = {}
    for name in ("cuda", "mps"):
        reason = fault(name)
        if reason is None:
            return Choice(device=torch.device(name), passed_over=passed_over)
        passed_over[name] = reason
    return Choice(device=torch.device("cpu"), passed_over=passed_over)


def describe_device(device: torch.device) -> str:
    """Return a GPU's name, or the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _absence(kind: str) -> str | None:
    if kind == "cuda":
        if torch.cuda.is_available():
            return None
        built = torch.version.cuda is not None or torch.version.hip is not None
        return "no such GPU was found" if built else "this PyTorch is built without it"
    if kind != "mps" or torch.backends.mps.is_available():
        return None
    built = torch.backends.mps.is_built()
    return "macOS 14 or later is needed" if built else "this PyTorch is built without it"


@cache
def fault(name: str) -> str | None:
    """Return why models cannot be trained on a device; None if they can.

    A step of a small model is taken there. Its loss afterwards must be that of a CPU.

    >>> fault("cpu")
    """
    if name == "cpu":
        return None
    try:
        device = torch.device(name)
    except RuntimeError:
        return "PyTorch knows no such device"
    if (reason := _absence(device.type)) is not None:
        return reason
    try:
        found = _loss_after_a_step(device)
    except Exception as error:  # a device may lack anything, and each says so in its own way
        return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    expected = _loss_after_a_step(torch.device("cpu"))
    if not abs(found - expected) <= MAX_DIFFERENCE:
        return f"a small model's loss is {found:.4f} there, and {expected:.4f} on the CPU"
    return None


def _loss_after_a_step(device: torch.device) -> float:
    """Return the mean loss in nats of a small decoder after one step of AdamW and Muon."""
    ids = np.arange(34) ** 2 % 15
    model = build_model(
        ModelConfig(architecture="decoder", n_layer=1, n_head=2, n_embd=16),
        block_size=16,
        vocab_size=16,
        train_ids=ids,
        seed=0,
    ).to(device)
    config = OptimConfig(learning_rate=1e-2, muon_learning_rate=1e-2)
    windows = torch.from_numpy(ids).view(2, 17).to(device)
    take_step(model, make_optimizers(model, config), windows[:, :-1], windows[:, 1:], config=config)
    return float(sweep(model, ids[1:], before=ids[:1]).mean())
