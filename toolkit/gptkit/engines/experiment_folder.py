"""Make the folder of an experiment, or find it to resume the experiment."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gptkit.config import slug
from gptkit.engines.claims import any_claim
from gptkit.errors import ConfigError
from gptkit.events.log import FILE
from gptkit.plan.execution_config import ExecutionConfig

MAX_NAME_CHARS = 100  # characters in the name of a folder named after its tokenizers
MAX_TRIED_NAMES = 10_000


def find_folder(tokenizers: Sequence[str], execution: ExecutionConfig) -> Path:
    """Return the folder of the experiment that is resumed.

    Raises:
        ConfigError: it does not exist, or another command trains in it.
    """
    folder = Path(execution.out) / _folder_name(tokenizers, execution)
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} does not exist: there is nothing to resume.\n"
            "Name another folder, or start it without resume=True."
        )
    if owner := any_claim(folder):
        raise ConfigError(f"{folder} cannot be resumed yet. {_taken(owner)}")
    return folder


def _folder_name(tokenizers: Sequence[str], execution: ExecutionConfig) -> str:
    return execution.name or "-vs-".join(map(slug, tokenizers))[:MAX_NAME_CHARS]


def make_folder(tokenizers: Sequence[str], execution: ExecutionConfig) -> Path:
    """Make the folder with the given name, or a new one named after the tokenizers.

    An empty folder of that name is used.

    Raises:
        ConfigError: the folder exists, cannot be written, or is missing and cannot be resumed.
    """
    out = Path(execution.out)
    name = _folder_name(tokenizers, execution)
    if execution.claim:
        folder = out / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
        return folder
    if execution.resume:
        return find_folder(tokenizers, execution)
    tails = ["", *(f"-{i}" for i in range(2, MAX_TRIED_NAMES))]
    for tail in tails[:1] if execution.name else tails:
        folder = out / f"{name}{tail}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not is_unused(folder):
                continue
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from error
        return folder
    raise ConfigError(
        f"{out / name} exists already. "
        + (
            _taken(owner)
            if (owner := any_claim(out / name))
            else "Give another name, remove it, or continue it: resume=True."
        )
    )


def _taken(owner: str) -> str:
    return (
        f"It is being trained by {owner}.\nWait until that command ends, or give this one another "
        "name. To share the arms, start both with claim=True."
    )


def is_unused(folder: Path) -> bool:
    """Return whether nothing was done in a folder: it has at most a log, and the live report."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {FILE, "report.html"}


def remove_if_unused(folder: Path) -> None:
    """Remove a folder in which nothing was done, so that its name stays free."""
    if is_unused(folder):
        shutil.rmtree(folder, ignore_errors=True)
