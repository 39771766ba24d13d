"""Find arms that an earlier run has finished, and check that they are whole and the same arms."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import Job
from gptkit.engines.run_folder import Run, RunConfig, load_run
from gptkit.errors import ConfigError, RunError
from gptkit.files import rename_patiently
from gptkit.results.byte_losses import read_losses
from gptkit.results.schema import ArmResult
from gptkit_tokenizers import Tokenizer, TokenizerError

log = logging.getLogger("gptkit")


def kept_arms(
    jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], folder: Path
) -> dict[str, ArmResult]:
    """Return the results of the finished arms in the folder, by id.

    An arm whose files cannot be read is not among them, so it is trained again; a message says so.

    Raises:
        ConfigError: the folder has other arms, or arms with other options.
    """
    for left in folder.glob(".*.tmp"):
        _take_or_remove(left)
    present = {path.parent.name for path in folder.glob("*/config.json")}
    if left_out := sorted(present - {job.arm.id for job in jobs}):
        raise ConfigError(
            f"{folder} has arms that this would leave out: {', '.join(left_out)}.\n"
            "Resume with everything it was started with, or give another name."
        )
    kept = {}
    for job in jobs:
        if not job.folder.exists():
            continue
        tokenizer = texts[job.arm.tokenizer].tokenizer
        try:
            run = _load_whole(job.folder, tokenizer)
        except (RunError, TokenizerError) as error:
            log.warning("%s is trained again: %s", job.arm.id, str(error).splitlines()[0])
            continue
        asked = RunConfig(arm=job.arm, corpus=job.corpus, sampling=job.sampling)
        same_tokenizer = run.tokenizer.to_dict() == tokenizer.to_dict()
        if run.record != asked or not same_tokenizer:
            raise ConfigError(
                f"{job.folder} was trained with other options or on another text, so it "
                "cannot be kept.\nResume with the options it was started with, or give "
                "another name."
            )
        kept[job.arm.id] = run.result
    return kept


def _take_or_remove(left: Path) -> None:
    """Give an arm that is whole its name; remove what a killed process did not finish."""
    target = left.with_name(left.name[1:].rsplit(".", 2)[0])
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
    read_losses(folder)
    for part in ("metrics", "tokenizer", "model"):  # each is read at its first use
        getattr(run, part)
    return run
