"""The local engine: it trains several arms at a time, in this process and in worker processes.

Which process trains an arm changes only its time. The number of threads changes its losses by
rounding, because PyTorch splits some sums among them. So every arm has its threads from the start:
see `gptkit.engines.job`.
"""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import run_arm
from gptkit.engines.device import find_device
from gptkit.engines.job import Job, fastest_processes
from gptkit.engines.worker import COMMAND, READY
from gptkit.errors import ArmTaken, TrainingError
from gptkit.events import Event, OnEvent
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.matching import training_flops
from gptkit.results.schema import ArmResult

SAVING_SECONDS = 60.0  # that workers have to end a step and save their arms
MIN_FLOPS_FOR_PROCESSES = 1e12  # below this, starting processes takes over a tenth of the time

Message = tuple[Arm, Event | ArmResult | BaseException]


class LocalEngine:
    """Trains arms on this machine.

    Args:
        texts: the encoded corpus under each tokenizer by name.
        processes: how many arms to train at a time, this process included.
    """

    def __init__(self, texts: Mapping[str, EncodedCorpus], *, processes: int) -> None:
        self.texts = texts
        self.processes = processes

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Train each arm, in the order of the jobs, and return the results by the arms' ids.

        Shared arms that another command trains are left out.

        Raises:
            TrainingError: a worker process ended too early. An error of an arm is raised as it
                is. The other workers are stopped.
        """
        if min(self.processes, len(jobs)) <= 1:
            found = {job.arm.id: self._run_here(job, on_event) for job in jobs}
            return {name: result for name, result in found.items() if result is not None}
        return self._run_in_processes(jobs, on_event)

    def _text(self, job: Job) -> EncodedCorpus:
        return self.texts[job.arm.tokenizer]

    def _run_here(self, job: Job, on_event: OnEvent) -> ArmResult | None:
        """Train an arm in this process; None if it is shared, and another command trains it."""
        try:
            return run_arm(job, self._text(job), on_event)
        except ArmTaken:
            if job.shared:
                return None
            raise

    def _run_in_processes(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        pool = _WorkerPool(jobs, self.texts)
        results: dict[str, ArmResult | None] = {}

        def receive(message: Message) -> None:
            arm, content = message
            if isinstance(content, ArmTaken) and jobs[0].shared:
                results[arm.id] = None
                return
            if isinstance(content, BaseException):
                raise content
            if isinstance(content, ArmResult):
                results[arm.id] = content
            else:
                on_event(arm, content)

        def here_and_there(arm: Arm, event: Event) -> None:
            on_event(arm, event)
            while not pool.inbox.empty():
                receive(pool.inbox.get())

        try:
            for _ in range(min(self.processes, len(jobs)) - 1):
                pool.start_worker()
            while (job := pool.next_job(None)) is not None:
                results[job.arm.id] = self._run_here(job, here_and_there)
            while len(results) < len(jobs):
                receive(pool.inbox.get())
        finally:
            pool.stop()
        return {name: result for name, result in results.items() if result is not None}


def choose_processes(
    arms: Sequence[Arm], texts: Mapping[str, EncodedCorpus], execution: ExecutionConfig
) -> int:
    """Choose how many arms to train at a time: the given number, or the fastest one."""
    if not all(encoded.tokenizer.rebuilds for encoded in texts.values()):
        return 1  # an object stays in this process
    if execution.jobs is not None:
        return min(execution.jobs, len(arms))
    by_clock = arms[0].schedule.seconds is not None
    if by_clock or find_device(execution.device).type != "cpu":
        return 1
    flops = [training_flops(arm, texts[arm.tokenizer]) for arm in arms]
    if sum(flops) < MIN_FLOPS_FOR_PROCESSES:
        return 1
    return fastest_processes(flops, threads=torch.get_num_threads())


class _Worker:
    """A worker process, and the pipe to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND],  # -P: nothing of the current folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which then stops its workers
        )
        self._sent: set[str] = set()
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        assert self.process.stdin is not None
        try:
            with self._lock:
                pickle.dump(message, self.process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the process has ended, which the thread that reads from it will see

    def send_job(self, job: Job, encoded: EncodedCorpus) -> None:
        """Send an arm, and its encoded corpus if the worker does not have it yet."""
        if job.arm.tokenizer not in self._sent:
            self._sent.add(job.arm.tokenizer)
            self.send("corpus", job.arm.tokenizer, encoded)
        self.send("job", job)

    def receive(self) -> Any:
        assert self.process.stdout is not None
        return pickle.load(self.process.stdout)

    def close(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # what a worker that died has not read is written here
            self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


class _WorkerPool:
    """The workers and this process (None), and the waiting jobs."""

    def __init__(self, jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus]) -> None:
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._first, self._waiting, self._texts = jobs[0], list(jobs), texts
        self._busy: list[_Worker | None] = [None]
        self._lock = threading.Lock()

    def start_worker(self) -> None:
        worker = _Worker()
        with self._lock:
            self._busy.append(worker)
        threading.Thread(target=self._serve, args=(worker,), daemon=True).start()

    def next_job(self, worker: _Worker | None) -> Job | None:
        """Return the next job for a worker; None if no job waits."""
        with self._lock:
            if self._waiting:
                return self._waiting.pop(0)
            self._busy.remove(worker)
            return None

    def stop(self) -> None:
        """Stop the busy workers; each saves its arm first. Ctrl-C in the meantime kills them."""
        with self._lock:
            self._waiting.clear()
            busy = [worker.process for worker in self._busy if worker is not None]
        for process in busy:
            process.terminate()
        try:
            for process in busy:
                process.wait(timeout=SAVING_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            for process in busy:
                process.kill()

    def _serve(self, worker: _Worker) -> None:
        """Send jobs to a worker, and pass its messages on."""
        job: Job | None = None
        try:
            assert worker.receive() == READY
            while (job := self.next_job(worker)) is not None:
                worker.send_job(job, self._texts[job.arm.tokenizer])
                content = None
                while not isinstance(content, ArmResult | BaseException):
                    content = worker.receive()
                    self.inbox.put((job.arm, content))
        except Exception:  # its output ended, or was not a message
            worker.process.kill()
            when = "before it was ready" if job is None else f"while it trained {job.arm.id}"
            error = TrainingError(
                f"a worker process ended with code {worker.process.wait()} {when}. It may have run "
                "out of memory.\nTrain fewer arms at a time: jobs=1."
            )
            self.inbox.put((self._first.arm if job is None else job.arm, error))
        worker.close()
