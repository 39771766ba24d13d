"""Find before training whether an experiment can be written, and how much room it takes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.job import Job
from gptkit.errors import ConfigError
from gptkit.files import temporary_name
from gptkit.models import MODELS

BYTES_PER_WEIGHT = 4
BYTES_PER_PAIR = 12  # of a bigram: an int64 and a weight
NATS_BYTES_PER_BYTE = 6  # nats.npz, for each byte of the text; found: 2 to 3
BYTES_PER_STEP = 130  # of metrics.jsonl
OTHER_BYTES = 100_000  # config, result, small tokenizer


def check_room(jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], folder: Path) -> None:
    """Raise a ConfigError if the folder cannot take the runs of these jobs."""
    if not jobs:
        return
    _check_writable(folder)
    weights = {job: weights_bytes(job, texts[job.arm.tokenizer]) for job in jobs}
    needed = sum(run_bytes(job, texts[job.arm.tokenizer]) for job in jobs)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f"{folder} has room for {free / 1e6:,.0f} MB, and {len(jobs)} arms take up to "
            f"{needed / 1e6:,.0f} MB.\nMake room, or name another folder with out."
        )
    largest = max(weights, key=lambda job: weights[job])
    most = _largest_file()
    if most is not None and weights[largest] > most:
        raise ConfigError(
            f"the weights of {largest.arm.id} take up to {weights[largest] / 1e6:,.1f} MB, and a "
            f"file may have {most / 1e6:,.1f} MB here (ulimit -f).\nRaise that limit."
        )


def run_bytes(job: Job, encoded: EncodedCorpus) -> int:
    """Return the most bytes that an arm's run folder takes."""
    steps = job.arm.schedule.steps or 0
    return (
        weights_bytes(job, encoded)
        + NATS_BYTES_PER_BYTE * encoded.reported.n_bytes
        + BYTES_PER_STEP * steps
        + OTHER_BYTES
    )


def weights_bytes(job: Job, encoded: EncodedCorpus) -> int:
    """Return the most bytes that an arm's weights take; nothing is built."""
    model, vocab_size = MODELS[job.arm.model.architecture], encoded.tokenizer.vocab_size
    if model.support_is_pairs:
        pairs = min(vocab_size**2, len(encoded.train.ids))
        return BYTES_PER_PAIR * pairs + BYTES_PER_WEIGHT * vocab_size
    counts = model.count_params(
        job.arm.model, vocab_size=vocab_size, block_size=job.arm.schedule.block_size
    )
    columns = min(1.0, (encoded.vocab_seen + 1) / vocab_size)  # that the compact head has
    head = counts.head * columns
    return int(BYTES_PER_WEIGHT * (counts.embedding + counts.body + head))


def _check_writable(folder: Path) -> None:
    probe = temporary_name(folder / "probe")
    try:
        probe.write_bytes(b"1")
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}.\nName another folder with out."
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
