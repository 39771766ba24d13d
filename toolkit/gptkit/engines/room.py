"""Find before training whether memory and disk can take an experiment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.job import Job
from gptkit.errors import ConfigError, NoRoom
from gptkit.files import temporary_name
from gptkit.models import MODELS

BYTES_PER_WEIGHT = 4
BYTES_PER_ID = 8  # of the support
WEIGHT_COPIES = 4  # in training: a weight, its gradient, and two moments
NATS_BYTES_PER_BYTE = 6  # nats.npz, for each byte of the text; found: 2 to 3
BYTES_PER_STEP = 130  # of metrics.jsonl
OTHER_BYTES = 100_000  # config, result, small tokenizer


def check_disk(jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], folder: Path) -> None:
    """Raise NoRoom if the folder cannot take the runs of these jobs."""
    if not jobs:
        return
    _check_writable(folder)
    weights = {job: weights_bytes(job.arm, texts[job.arm.tokenizer]) for job in jobs}
    needed = sum(run_bytes(job, texts[job.arm.tokenizer]) for job in jobs)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoRoom(
            f"{folder} has room for {free / 1e6:,.1f} MB, and {len(jobs)} arms take up to "
            f"{needed / 1e6:,.1f} MB.\nMake room, then continue with resume=True and "
            f"name={folder.name!r}; or give another folder: out='FOLDER'."
        )
    largest = max(weights, key=lambda job: weights[job])
    most = _largest_file()
    if most is not None and weights[largest] > most:
        raise NoRoom(
            f"the weights of {largest.arm.id} take up to {weights[largest] / 1e6:,.1f} MB, and a "
            f"file may have {most / 1e6:,.1f} MB here (ulimit -f).\nRaise that limit, then "
            f"continue with resume=True and name={folder.name!r}."
        )


def run_bytes(job: Job, encoded: EncodedCorpus) -> int:
    """Return the most bytes that an arm's run folder takes."""
    steps = job.arm.schedule.steps or 0
    return (
        weights_bytes(job.arm, encoded)
        + NATS_BYTES_PER_BYTE * encoded.reported.n_bytes
        + BYTES_PER_STEP * steps
        + OTHER_BYTES
    )


def check_memory(arms: Sequence[Arm], texts: Mapping[str, EncodedCorpus]) -> None:
    """Raise a ConfigError if an arm's training takes more memory than the machine has."""
    memory = _physical_memory()
    if memory is None:
        return
    for arm in arms:
        needed = WEIGHT_COPIES * weights_bytes(arm, texts[arm.tokenizer])
        if needed > memory:
            raise ConfigError(
                f"{arm.id} takes at least {needed / 1e9:,.1f} GB of memory, and this machine has "
                f"{memory / 1e9:,.1f} GB.\nGive a smaller model or vocabulary."
            )


def weights_bytes(arm: Arm, encoded: EncodedCorpus) -> int:
    """Return the most bytes that an arm's weights take; nothing is built."""
    model, vocab_size = MODELS[arm.model.architecture], encoded.tokenizer.vocab_size
    pairs = min(vocab_size**2, len(encoded.train.ids))
    support = pairs if model.support_is_pairs else encoded.vocab_seen
    stored = model.count_stored(
        arm.model, vocab_size=vocab_size, support=support, block_size=arm.schedule.block_size
    )
    return BYTES_PER_WEIGHT * stored + BYTES_PER_ID * support


def _check_writable(folder: Path) -> None:
    probe = temporary_name(folder / "probe")
    try:
        probe.write_bytes(b"1")
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}.\nGive another folder: out='FOLDER'."
        ) from error
    finally:
        probe.unlink(missing_ok=True)


def _largest_file() -> int | None:
    """Return the most bytes that a file may have here; None for no limit."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit


def _physical_memory() -> int | None:
    """Return the machine's memory in bytes; None on Windows."""
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
