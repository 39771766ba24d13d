"""Checkpoints: the state of an arm in training, on disk, from which it continues to the bit.

A checkpoint is one safetensors file. Its header holds the rest as JSON. It is written under a
temporary name, flushed to the disk, and renamed. The last two are kept, and removed when the arm is
finished:

OUT/<experiment>/.checkpoints/<arm id>/step-00000300.safetensors
"""

from __future__ import annotations

import shutil
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from gptkit.engines.device import describe_device
from gptkit.engines.run_folder import RunConfig
from gptkit.errors import GptkitError
from gptkit.eval.evaluation import Evaluation
from gptkit.events import Evaluated
from gptkit.files import write_bytes
from gptkit.plan.execution_config import SaveEvery
from gptkit.train.loop import Training
from gptkit.train.state import Metric, Progress, Scored, TrainingState

FOLDER = ".checkpoints"
KEPT = 2
LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0  # of training between two checkpoints
LARGEST_SHARE = 0.01  # of the training time that checkpoints may take
ASSUMED_BYTES_PER_SECOND = 5e8  # of a disk, until the first checkpoint is timed
HEADER_KEY = "gptkit"


class CheckpointError(GptkitError):
    """A checkpoint cannot be used."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the last digits of a training depend on, beside its config."""

    torch: str
    device: str
    cpu: str
    threads: int


class BestEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The best evaluation so far; the nats of its tokens are a tensor."""

    event: Evaluated
    n_bytes: int
    n_chars: int
    lost_bytes: int
    lost_nats: float


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint holds beside tensors. `crc32` is of the rest and the tensors."""

    record: RunConfig
    tokenizer_sha256: str
    machine: Machine
    progress: Progress
    best: BestEvaluation | None
    crc32: int = 0


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A state of an arm in training, as read from disk.

    Attributes:
        note: what differs from the machine that saved it; None if nothing that matters.
    """

    state: TrainingState
    note: str | None


class Checkpoints:
    """The checkpoints of one arm.

    Args:
        folder: the arm's own; the checkpoints are beside it.
        record: what the arm's config.json will say.
        tokenizer_sha256: of the tokenizer's record.
        every: how often to save. None: after 60 s of training, and earlier if that takes less than
            a hundredth of the time; never in the first second.
    """

    def __init__(
        self, folder: Path, record: RunConfig, tokenizer_sha256: str, every: SaveEvery | None
    ) -> None:
        self.folder = checkpoint_folder(folder)
        self.record = record
        self.tokenizer_sha256 = tokenizer_sha256
        self.every = every
        self._last = Progress()
        self._seconds_each: float | None = None
        self.has_failed = False

    def is_due(self, training: Training) -> bool:
        """Return whether it is time to save the training."""
        now = training.progress
        if self.every is not None and self.every.steps is not None:
            return now.step - self._last.step >= self.every.steps
        waited = now.seconds - self._last.seconds
        if self.every is not None:
            assert self.every.seconds is not None
            return waited >= self.every.seconds
        if self._seconds_each is None:
            n_bytes = sum(t.numel() * t.element_size() for t in training.state().tensors.values())
            self._seconds_each = n_bytes / ASSUMED_BYTES_PER_SECOND
        affordable = self._seconds_each / LARGEST_SHARE
        return waited >= min(max(affordable, LEAST_SECONDS), MOST_SECONDS)

    def save(self, training: Training) -> None:
        """Write a checkpoint, and remove all but the last two.

        Raises:
            OSError: it cannot be written; nothing is left of it.
        """
        import safetensors.torch

        began = time.perf_counter()
        state = training.state()
        self._last = msgspec.structs.replace(state.progress)  # also if it cannot be written
        tensors = {name: t.detach().cpu().contiguous() for name, t in state.tensors.items()}
        lines = b"".join(msgspec.json.encode(metric) + b"\n" for metric in state.metrics)
        tensors["metrics"] = torch.frombuffer(bytearray(lines), dtype=torch.uint8)
        if state.best is not None:
            tensors["nats"] = torch.from_numpy(state.best.evaluation.nats)
        header = Header(
            record=self.record,
            tokenizer_sha256=self.tokenizer_sha256,
            machine=this_machine(training.device),
            progress=state.progress,
            best=None if state.best is None else _describe(state.best),
        )
        header = msgspec.structs.replace(header, crc32=_crc32(header, tensors))
        path = self.folder / f"step-{state.progress.step:08d}.safetensors"
        metadata = {HEADER_KEY: msgspec.json.encode(header).decode()}
        write_bytes(path, safetensors.torch.save(tensors, metadata))
        self._seconds_each = time.perf_counter() - began
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)

    def load(self, device: torch.device) -> tuple[Checkpoint | None, list[str]]:
        """Read the last checkpoint that can be used, and say why others cannot."""
        notes = []
        for path in self._paths():
            try:
                checkpoint = self._read(path, device)
            except CheckpointError as error:
                notes.append(str(error))
                continue
            self._last = msgspec.structs.replace(checkpoint.state.progress)
            return checkpoint, notes
        return None, notes

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)

    def _read(self, path: Path, device: torch.device) -> Checkpoint:
        header, tensors = read_checkpoint(path)
        if (
            not header.record.is_same(self.record)
            or header.tokenizer_sha256 != self.tokenizer_sha256
        ):
            raise CheckpointError(f"{path} was saved with other options or on another text")
        here = this_machine(device)
        if (header.machine.torch, header.machine.device) != (here.torch, here.device):
            raise CheckpointError(
                f"{path} was saved with torch {header.machine.torch} on "
                f"{header.machine.device}; this is {here.torch} on {here.device}"
            )
        try:
            lines = tensors.pop("metrics").numpy().tobytes().splitlines()
            metrics = [msgspec.json.decode(line, type=Metric) for line in lines]
            best = (
                None
                if header.best is None
                else Scored(
                    event=header.best.event,
                    evaluation=Evaluation(
                        nats=tensors.pop("nats").numpy(),
                        n_bytes=header.best.n_bytes,
                        n_chars=header.best.n_chars,
                        lost_bytes=header.best.lost_bytes,
                        lost_nats=header.best.lost_nats,
                    ),
                )
            )
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged: {error!r}") from error
        return Checkpoint(
            state=TrainingState(
                progress=header.progress, metrics=metrics, best=best, tensors=tensors
            ),
            note=self._difference(header.machine, here),
        )

    def _difference(self, saved: Machine, here: Machine) -> str | None:
        if self.record.arm.schedule.seconds is not None:
            return "matched by time, so the number of its steps depends on the stop"
        if saved.threads != here.threads:
            return (
                f"on {_count(here.threads)} instead of {saved.threads}, so its last digits differ"
            )
        if saved.cpu != here.cpu:
            return f"on {here.cpu} instead of {saved.cpu}, so its last digits can differ"
        return None


def remove_checkpoints(arm_folder: Path) -> None:
    """Remove the checkpoints of an arm that is finished."""
    folder = checkpoint_folder(arm_folder)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def _count(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def checkpoint_folder(arm_folder: Path) -> Path:
    """Return the folder of an arm's checkpoints."""
    return arm_folder.parent / FOLDER / arm_folder.name


def read_header(path: Path) -> Header:
    """Read what a checkpoint holds beside tensors.

    Raises:
        CheckpointError: it cannot be read, or is no checkpoint.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return msgspec.json.decode(file.metadata()[HEADER_KEY], type=Header)
    except Exception as error:  # safetensors raises its own kinds, and OverflowError
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def read_checkpoint(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Read a checkpoint.

    Raises:
        CheckpointError: it is damaged, or is no checkpoint.
    """
    import safetensors.torch

    header = read_header(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if _crc32(header, tensors) != header.crc32:
        raise CheckpointError(f"{path} is damaged: its checksum differs")
    return header, tensors


def this_machine(device: torch.device) -> Machine:
    """Describe this machine and the threads of this process."""
    return Machine(
        torch=str(torch.__version__),
        device=describe_device(device),
        cpu=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
    )


def _crc32(header: Header, tensors: dict[str, Tensor]) -> int:
    total = zlib.crc32(msgspec.json.encode(msgspec.structs.replace(header, crc32=0)))
    for name in sorted(tensors):
        data = tensors[name].reshape(-1).view(torch.uint8).numpy().data
        total = zlib.crc32(data, zlib.crc32(name.encode(), total))
    return total


def _describe(best: Scored) -> BestEvaluation:
    evaluation = best.evaluation
    return BestEvaluation(
        event=best.event,
        n_bytes=evaluation.n_bytes,
        n_chars=evaluation.n_chars,
        lost_bytes=evaluation.lost_bytes,
        lost_nats=evaluation.lost_nats,
    )
