"""Where and how to run an experiment: the options that do not change what is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gptkit.errors import ConfigError, check_known, check_types
from gptkit.plan.option import option

ENGINES = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class SaveEvery:
    """How often an arm in training is saved: after seconds of training, or after steps."""

    seconds: float | None = None
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """Where and how to run an experiment; none of it changes what is measured.

    Attributes:
        name: the experiment's folder; None for one named after its tokenizers.
        claim: whether other commands with the same options train the same experiment, and the
            first of them makes its folder. It resumes what is there.
        resume: whether to keep the finished arms in that folder and train only the others.
        jobs: how many arms to train at a time, in processes that share the cores; None for as
            many as there are cores if that is faster, and for one on a GPU or matched by time.
    """

    out: str = option("runs", "Folder that experiments are written to.")
    name: str | None = option(
        None, "Name of the experiment's folder.", shown="from the tokenizers' names"
    )
    resume: bool = option(
        False, "Continue an experiment that was stopped; finished arms are kept.", flag=True
    )
    claim: bool = option(
        False,
        "Share the experiment with other commands in its folder, on any machine: each trains arms "
        "that nobody else trains.",
        flag=True,
    )
    engine: str = option("local", "Where arms are trained: local, or ray for a Ray cluster.")
    ray_address: str | None = option(
        None, "Address of the Ray cluster, or auto for a running one.", shown="one on this machine"
    )
    device: str = option(
        "auto", "Device: auto, cuda, mps or cpu; gptkit doctor says what auto chooses."
    )
    jobs: int | None = option(
        None, "Number of arms to train at a time; they share the cores.", shown="automatic"
    )
    micro_batch: int | None = option(
        None,
        "Windows of a step that are computed at a time. Fewer take less memory; the step stays "
        "the same.",
        shown="all",
    )
    save_every: str | None = option(
        None,
        "How often an arm in training is saved: 60s or 500steps.",
        shown="60s, and earlier where it takes under 1 % of the time",
    )

    track: tuple[str, ...] = option(
        (), "Trackers, separated by commas: tensorboard, wandb, mlflow, trackio.", shown="none"
    )
    live_report: bool = option(
        False, "Write report.html at each evaluation; a browser reads it again.", flag=True
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", str(self.out))
        check_types(self)
        self.saves()
        check_known("engine", self.engine, ENGINES)
        if self.ray_address is not None and self.engine != "ray":
            raise ConfigError("ray_address is given, but engine is not 'ray'. Give engine='ray'.")
        for name in ("jobs", "micro_batch"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1.")
        if self.name is not None:
            check_folder_name("name", self.name)

    def saves(self) -> SaveEvery | None:
        """Return how often an arm in training is saved; None for automatic."""
        return None if self.save_every is None else parse_interval(self.save_every)


def parse_interval(text: str) -> SaveEvery:
    """Read how often to save.

    >>> parse_interval("90s"), parse_interval("500steps")
    (SaveEvery(seconds=90.0, steps=None), SaveEvery(seconds=None, steps=500))

    Raises:
        ConfigError: it is no number of seconds or steps.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)s|([1-9][0-9]{0,11})steps?", text.strip())
    if match is None or (match[1] is not None and not float(match[1])):
        raise ConfigError(
            f"save_every is {text!r}; give seconds of training or steps, as in 60s or 500steps."
        )
    if match[1] is not None:
        return SaveEvery(seconds=float(match[1]))
    return SaveEvery(steps=int(match[2]))


def check_folder_name(what: str, name: str) -> None:
    """Refuse a name that is not a plain folder name."""
    if not re.fullmatch(r"[\w+-][\w.+-]{,99}", name):
        raise ConfigError(
            f"{what} {name!r} cannot be a folder's name: use letters, digits and . _ + - only, at "
            "most 100."
        )
