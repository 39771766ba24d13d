"""Find arms that an earlier run has finished, and check that they are whole and the same arms."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines import checkpoint
from gptkit.engines.checkpoint import (
    CheckpointError,
    checkpoint_folder,
    read_header,
    remove_checkpoints,
)
from gptkit.engines.claims import claim, claimed_by, claimed_for
from gptkit.engines.job import Job
from gptkit.engines.run_folder import Run, load_run, record_sha256
from gptkit.errors import ArmTaken, ConfigError, RunError
from gptkit.files import rename_patiently
from gptkit.results.byte_losses import read_losses
from gptkit.results.schema import ArmResult
from gptkit_tokenizers import Tokenizer, TokenizerError

log = logging.getLogger("gptkit")


def kept_arms(
    jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], folder: Path
) -> dict[str, ArmResult]:
    """Return the results of the finished arms in the folder, by id.

    Arms that another command trains are not among them. Neither is an arm whose files cannot be
    read, so it is trained again; a message says so.

    Raises:
        ConfigError: the folder has other arms, or arms with other options.
    """
    claimed = {job.arm.id: claimed_by(job.folder) for job in jobs}
    for left in folder.glob(".*.tmp"):
        if not jobs[0].shared:
            _take_or_remove(left)
        elif (name := _named_after(left)) in {*claimed, "results.json", "tuning.json"}:
            with suppress(ArmTaken), claim(folder / name, timeout=0.0):
                _take_or_remove(left)
    present = {path.parent.name for path in folder.glob("*/config.json")}
    present |= {path.name for path in (folder / checkpoint.FOLDER).glob("*/")}
    if left_out := sorted(present - {job.arm.id for job in jobs}):
        raise ConfigError(
            f"{folder} has arms that this would leave out: {', '.join(left_out)}.\n"
            "Resume with everything it was started with, or give another name."
        )
    kept = {}
    for job in jobs:
        if (owner := claimed[job.arm.id]) is not None:
            if claimed_for(job.folder) not in ("", job.record.sha256()):
                raise ConfigError(
                    f"{job.folder} is being trained by {owner} with other options or on another "
                    "text.\nGive this command the same options, or another name."
                )
            continue
        if not job.folder.exists():
            _check_checkpoints(job, texts[job.arm.tokenizer].tokenizer)
            continue
        tokenizer = texts[job.arm.tokenizer].tokenizer
        try:
            run = _load_whole(job.folder, tokenizer)
        except (RunError, TokenizerError) as error:
            log.warning("%s is trained again: %s", job.arm.id, str(error).splitlines()[0])
            continue
        if not _is_same(run, job, tokenizer):
            raise _other_options(job.folder)
        kept[job.arm.id] = run.result
        remove_checkpoints(job.folder)
    return kept


def finished_run(job: Job, tokenizer: Tokenizer) -> Run | None:
    """Return the arm's run if its folder has it whole; else None. Its claim must be held.

    Raises:
        ConfigError: another command has trained it, or begun to, with other options.
    """
    if not job.folder.exists():
        _check_checkpoints(job, tokenizer)
        return None
    try:
        run = _load_whole(job.folder, tokenizer)
    except (RunError, TokenizerError):
        return None
    if not _is_same(run, job, tokenizer):
        raise _other_options(job.folder)
    return run


def _is_same(run: Run, job: Job, tokenizer: Tokenizer) -> bool:
    return run.record.is_same(job.record) and run.tokenizer.to_dict() == tokenizer.to_dict()


def _check_checkpoints(job: Job, tokenizer: Tokenizer) -> None:
    """Refuse to train an arm from its start if its checkpoints are of other options."""
    for path in checkpoint_folder(job.folder).glob("step-*.safetensors"):
        try:
            header = read_header(path)
        except CheckpointError:
            continue  # said when the arm starts
        if not header.record.is_same(job.record) or header.tokenizer_sha256 != record_sha256(
            tokenizer
        ):
            raise _other_options(path.parent)


def _other_options(folder: Path) -> ConfigError:
    return ConfigError(
        f"{folder} was trained with other options or on another text, so it cannot be kept.\n"
        "Resume with the options it was started with, or give another name."
    )


def _named_after(temporary: Path) -> str:
    """Return the name that a temporary file or folder was to have."""
    return temporary.name[1:].rsplit(".", 2)[0]


def _take_or_remove(left: Path) -> None:
    """Give an arm that is whole its name; remove what a killed process did not finish."""
    target = left.with_name(_named_after(left))
    if (left / "weights.safetensors").is_file() and not target.exists():
        rename_patiently(left, target)
    elif left.is_dir():
        shutil.rmtree(left)
    else:
        left.unlink()


def _load_whole(folder: Path, tokenizer: Tokenizer) -> Run:
    """Open a run, and read each of its files once.

    Raises:
        RunError, TokenizerError: a file is missing or cannot be read.
    """
    run = load_run(folder, tokenizer=None if tokenizer.rebuilds else tokenizer)
    read_losses(folder, run.result.reported.bytes)
    for part in ("metrics", "tokenizer", "model"):  # each is read at its first use
        getattr(run, part)
    return run
