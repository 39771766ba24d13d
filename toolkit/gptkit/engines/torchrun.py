"""Train each arm with all processes that torchrun has started.

Process 0 runs the command as usual. The others load the same text, wait for arms, and compute their
share of the windows. They write nothing, and end with process 0.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import torch

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import evaluate_test, fresh_model, run_arm
from gptkit.engines.device import find_device
from gptkit.engines.job import Job
from gptkit.errors import ConfigError, TrainingError
from gptkit.eval.group import ALONE, Group
from gptkit.events import OnEvent
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.results.schema import ArmResult
from gptkit.train.interrupts import NAMES
from gptkit.train.loop import Training

ENVIRONMENT = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")
TIMEOUT = timedelta(days=7)  # that a process waits for the others: process 0 may tune for hours


def is_under_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return all(name in os.environ for name in ENVIRONMENT)


def join_group(execution: ExecutionConfig) -> Group:
    """Connect this process with the others that torchrun has started; alone if there is none.

    Raises:
        ConfigError: an option asks for several arms at a time.
    """
    if not is_under_torchrun() or int(os.environ["WORLD_SIZE"]) == 1:
        return ALONE
    if execution.jobs not in (None, 1) or execution.engine != "local":
        given = f"jobs={execution.jobs}" if execution.engine == "local" else "engine='ray'"
        raise ConfigError(
            f"{given} trains several arms at a time, and under torchrun all processes train one "
            "arm together. Leave it out, or start the command without torchrun."
        )
    device = find_device(execution.device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, timeout=TIMEOUT)
    return Group(
        rank=torch.distributed.get_rank(),
        size=torch.distributed.get_world_size(),
        device=device,
    )


class TorchrunEngine:
    """Trains one arm after another, each with all processes. This is process 0."""

    def __init__(self, texts: Mapping[str, EncodedCorpus], group: Group) -> None:
        self.texts, self.group = texts, group

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Train each arm, and return the results by the arms' ids."""
        return {
            job.arm.id: run_arm(job, self.texts[job.arm.tokenizer], on_event, group=self.group)
            for job in jobs
        }


def dismiss(group: Group) -> None:
    """Let the other processes end, after the last arm."""
    if group.size > 1:
        group.from_first(None)
        torch.distributed.destroy_process_group()


def follow(texts: Mapping[str, EncodedCorpus], group: Group) -> None:
    """Compute this process's share of each arm, until process 0 ends."""
    for name in NAMES:  # process 0 takes signals; the others end with it
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with suppress(RuntimeError):  # process 0 has ended, and its connection with it
        while (job := group.from_first(None)) is not None:
            with suppress(TrainingError):  # process 0 says it
                _train_along(job, texts[job.arm.tokenizer], group)
        torch.distributed.destroy_process_group()


def _train_along(job: Job, encoded: EncodedCorpus, group: Group) -> None:
    model = fresh_model(job.arm, encoded, group.device)
    training = Training(
        model, encoded, job.arm.optim, job.arm.schedule, group=group, micro_batch=job.micro_batch
    )
    state = group.from_first(None)
    if state is not None:
        training.load(state)
    for _ in training:
        pass
    if encoded.test is not None:
        evaluate_test(model, encoded, stride=job.arm.schedule.eval_stride, group=group)
