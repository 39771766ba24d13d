"""Find arms that an earlier run has finished, and check that they are the same arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import Job
from gptkit.engines.run_folder import RunConfig, load_run
from gptkit.errors import ConfigError
from gptkit.results.schema import ArmResult


def kept_arms(
    jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], folder: Path
) -> dict[str, ArmResult]:
    """Return the results of the finished arms in the folder, by id.

    Raises:
        ConfigError: the folder has other arms, or arms with other options.
    """
    present = {path.parent.name for path in folder.glob("*/config.json")}
    if left_out := sorted(present - {job.arm.id for job in jobs}):
        raise ConfigError(
            f"{folder} has arms that this would leave out: {', '.join(left_out)}.\n"
            "Resume with everything it was started with, or give another name."
        )
    kept = {}
    for job in jobs:
        if job.arm.id in present:
            tokenizer = texts[job.arm.tokenizer].tokenizer
            run = load_run(job.folder, tokenizer=None if tokenizer.rebuilds else tokenizer)
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
