"""Run arms several at a time, in this process and in others, the cores shared out among them.

When a process runs out of arms its cores go to those still busy: the last arm has all of them.
Who trains an arm changes its time alone. How many threads it has changes its losses too, by
rounding: PyTorch splits some of its sums among the threads.
"""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import torch

from gptkit.config import Arm
from gptkit.engines.arm import ArmDone, Event, Job, OnEvent, run_arm
from gptkit.engines.worker import COMMAND, READY
from gptkit.errors import TrainingError

Worker = subprocess.Popen[bytes]
Message = tuple[Arm, Event | BaseException]


def run_in_processes(
    jobs: Sequence[Job], *, processes: int, on_event: OnEvent
) -> dict[str, dict[str, Any]]:
    """Each arm's entry in results.json, by its id; jobs are begun in the order given.

    Raises:
        TrainingError: a process ended before its arm was trained; or whatever its arm raised. The
            other processes are stopped.
    """
    threads = torch.get_num_threads()
    crew = _Crew(jobs, threads)
    entries: dict[str, dict[str, Any]] = {}

    def take(message: Message) -> None:
        arm, event = message
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, ArmDone):
            entries[arm.id] = event.result
        on_event(arm, event)

    def hear(arm: Arm, event: Event) -> None:
        take((arm, event))
        while not crew.inbox.empty():
            take(crew.inbox.get())
        crew.use_my_threads()

    try:
        for _ in range(min(processes, len(jobs)) - 1):
            crew.hire()
        while (job := crew.next_job(None)) is not None:
            crew.use_my_threads()
            run_arm(job, on_event=hear)
        while len(entries) < len(jobs):
            take(crew.inbox.get())
    finally:
        crew.dismiss()
        torch.set_num_threads(threads)
    return entries


class _Crew:
    """Workers and this process (None), the jobs not yet begun, and who has which threads."""

    def __init__(self, jobs: Sequence[Job], threads: int) -> None:
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._first, self._waiting = jobs[0], list(jobs)
        self._threads = self._my_threads = threads
        self._busy: list[Worker | None] = [None]
        self._lock = threading.Lock()

    def hire(self) -> None:
        worker = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which then stops its workers
        )
        with self._lock:
            self._busy.append(worker)
            self._share_out()
        threading.Thread(target=self._attend, args=(worker,), daemon=True).start()

    def next_job(self, worker: Worker | None) -> Job | None:
        """The next, sent to a worker that waits for it; with none left, it is busy no more."""
        with self._lock:
            if self._waiting:
                job = self._waiting.pop(0)
                if worker is not None:
                    _send(worker, ("job", job))
                return job
            self._busy.remove(worker)
            self._share_out()
            return None

    def use_my_threads(self) -> None:
        if torch.get_num_threads() != self._my_threads:
            torch.set_num_threads(self._my_threads)

    def dismiss(self) -> None:
        """Stop those still busy; they take away what they had half written."""
        with self._lock:
            self._waiting.clear()
            busy = [worker for worker in self._busy if worker is not None]
        for worker in busy:
            worker.terminate()
        for worker in busy:
            try:
                worker.wait(timeout=5)
            except subprocess.TimeoutExpired:
                worker.kill()

    def _attend(self, worker: Worker) -> None:
        """Hand a worker job after job, and pass on what it says."""
        assert worker.stdin is not None
        assert worker.stdout is not None
        job: Job | None = None
        try:
            assert pickle.load(worker.stdout) == READY
            while (job := self.next_job(worker)) is not None:
                event = None
                while not isinstance(event, ArmDone | BaseException):
                    event = pickle.load(worker.stdout)
                    self.inbox.put((job.arm, event))
        except Exception:  # the end of its output, or what is no message
            worker.kill()
            when = "before it was ready" if job is None else f"while it trained {job.arm.id}"
            gone = TrainingError(
                f"a worker process ended with code {worker.wait()} {when}, as it does when memory "
                "runs out.\nTrain fewer arms at a time: --jobs 1."
            )
            self.inbox.put((self._first.arm if job is None else job.arm, gone))
        worker.stdin.close()
        worker.stdout.close()
        worker.wait()

    def _share_out(self) -> None:
        for i, worker in enumerate(self._busy):
            share = self._threads // len(self._busy) + (i < self._threads % len(self._busy))
            if worker is None:
                self._my_threads = max(1, share)
            else:
                _send(worker, ("threads", max(1, share)))


def _send(worker: Worker, message: tuple[str, Any]) -> None:
    assert worker.stdin is not None
    try:
        pickle.dump(message, worker.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        worker.stdin.flush()
    except BrokenPipeError:
        pass  # it has ended; whoever reads from it learns so
