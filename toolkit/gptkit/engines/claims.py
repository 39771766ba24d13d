"""Claims: who trains an arm holds a lock on it, which ends with the process that holds it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from gptkit.errors import ArmTaken, ConfigError

FOLDER = ".claims"
GRACE_SECONDS = 20.0  # for a process that has been told to stop, and still saves


class _Removed(Exception):
    """The lock file was removed between its opening and its locking."""


@contextmanager
def claim(arm_folder: Path, *, purpose: str = "", timeout: float = GRACE_SECONDS) -> Iterator[None]:
    """Hold the claim of an arm.

    Args:
        purpose: a line that `claimed_for` returns to others.

    Raises:
        ArmTaken: another process holds it.
        ConfigError: the file system has no locks.
    """
    path = _lock_path(arm_folder)
    lock = _acquire(path, arm_folder, purpose, timeout)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        lock.release()


def _acquire(path: Path, arm_folder: Path, purpose: str, timeout: float) -> BaseFileLock:
    def sign(descriptor: int) -> None:
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise _Removed
        os.ftruncate(descriptor, 0)
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        os.write(descriptor, f"{owner}\n{purpose}".encode())

    until = time.monotonic() + timeout
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False, on_acquired=sign)
        try:
            lock.acquire(timeout=max(0.0, until - time.monotonic()))
            return lock
        except (_Removed, FileNotFoundError):
            continue  # its holder has ended just now
        except NotImplementedError:
            raise ConfigError(
                f"the file system of {path.parent} has no locks, so two commands could train the "
                "same arm. Write to another one: out=PATH."
            ) from None
        except Timeout:
            raise ArmTaken(
                f"{arm_folder} is being trained by {claimed_by(arm_folder) or 'another process'}.\n"
                "Wait until that command ends, or give this one another name."
            ) from None


def claimed_by(arm_folder: Path) -> str | None:
    """Return who trains an arm, as in "process 123 on host"; None if nobody does."""
    path = _lock_path(arm_folder)
    try:
        owner = _read_lines(path)[0]
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)  # left by a process that was killed
            return None
    except FileNotFoundError:
        return None
    except Timeout:
        return owner or "another process"


def any_claim(experiment: Path) -> str | None:
    """Return who trains in the folder of an experiment or a ladder; None if nobody does."""
    paths = (path for part in ("", "*/") for path in experiment.glob(f"{part}{FOLDER}/*.lock"))
    owners = (claimed_by(path.parent.parent / path.stem) for path in paths)
    return next((owner for owner in owners if owner), None)


def claimed_for(arm_folder: Path) -> str:
    """Return the purpose of the claim of an arm; empty if there is none."""
    try:
        return _read_lines(_lock_path(arm_folder))[1]
    except FileNotFoundError:
        return ""


def remove_claims(experiment: Path) -> None:
    """Remove the folder of the claims if nobody trains an arm of the experiment."""
    with suppress(OSError):
        (experiment / FOLDER).rmdir()


def _read_lines(path: Path) -> tuple[str, str]:
    owner, _, purpose = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    return owner.strip(), purpose.strip()


def _lock_path(arm_folder: Path) -> Path:
    return arm_folder.parent / FOLDER / f"{arm_folder.name}.lock"
