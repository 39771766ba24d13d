"""The measurements of `gptkit bench`: ours against a baseline, one file per name."""

from __future__ import annotations

from importlib import import_module

from gptkit.bench.measure import Measurement

NAMES = ("time-to-loss", "compact", "parallel", "generate", "encode", "sweep", "startup")


def measure(name: str, *, rounds: int) -> list[Measurement]:
    """Run the measurements of one of `NAMES`."""
    assert name in NAMES
    return import_module(f"gptkit.bench.{name.replace('-', '_')}").measure(rounds)
