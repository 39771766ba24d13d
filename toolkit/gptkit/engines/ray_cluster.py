"""Train arms as tasks on a Ray cluster. No shared file system is needed.

A task gets an arm, its encoded text (put into the cluster once for each tokenizer) and the arm's
last checkpoint, trains in a temporary folder, and sends back events, checkpoints and at the end the
run folder, as bytes. This process writes them. An arm whose node is lost goes on elsewhere from its
last checkpoint.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gptkit.data.encoding import EncodedCorpus
from gptkit.engines import checkpoint
from gptkit.engines.arm import run_arm
from gptkit.engines.checkpoint import checkpoint_folder, remove_checkpoints
from gptkit.engines.claims import FOLDER as CLAIMS
from gptkit.engines.job import Job, check_one_clock
from gptkit.engines.room import WEIGHT_COPIES, weights_bytes
from gptkit.errors import ConfigError, TrainingError
from gptkit.events import Event, OnEvent
from gptkit.files import rename_patiently, temporary_name, write_bytes
from gptkit.results.schema import ArmResult
from gptkit_tokenizers.reachability import reachable

log = logging.getLogger("gptkit")

SEND_SECONDS = 0.5  # between two messages of a task
LOOK_SECONDS = 0.5  # that this process waits for any message
MOST_LOSSES = 5  # of nodes, for one arm
OTHER_MEMORY_BYTES = 500_000_000  # of a task beside the weights: PyTorch, the text, activations

Files = dict[str, bytes]  # by their path in a folder


@dataclass
class Message:
    """What a task sends: what has happened since its last message."""

    events: list[Event] = field(default_factory=list)
    checkpoints: Files = field(default_factory=dict)
    run: Files | None = None
    result: ArmResult | None = None


class RayEngine:
    """Trains arms on a cluster, as many at a time as it has room for.

    Args:
        texts: the encoded corpus under each tokenizer by name.
        address: of the cluster, as Ray takes it; None for one on this machine.
    """

    def __init__(self, texts: Mapping[str, EncodedCorpus], *, address: str | None) -> None:
        self.texts = texts
        self._ray = connect(address)

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Train each arm, record it in its folder, and return the results by the arms' ids.

        Raises:
            ConfigError: no node can take an arm, or arms are matched by time on several nodes.
            TrainingError: an arm lost too many nodes.
        """
        ray = self._ray
        jobs = [self._fitted(job) for job in jobs]
        nodes = sum(bool(node["Alive"]) for node in ray.nodes())
        check_one_clock([job.arm for job in jobs], nodes)
        texts = {
            name: ray.put(pickle.dumps(self.texts[name]))
            for name in dict.fromkeys(job.arm.tokenizer for job in jobs)
        }
        losses: dict[str, int] = {}
        results: dict[str, ArmResult] = {}
        running = {self._start(job, texts[job.arm.tokenizer]): job for job in jobs}
        try:
            while running:
                ready, _ = ray.wait([*running], num_returns=1, timeout=LOOK_SECONDS)
                for stream in ready:
                    job = running[stream]
                    try:
                        message = ray.get(next(stream))
                    except StopIteration:
                        del running[stream]
                        continue
                    except ray.exceptions.RayTaskError as error:
                        raise _cause(error) from None
                    except ray.exceptions.RayError as error:
                        del running[stream]
                        losses[job.arm.id] = losses.get(job.arm.id, 0) + 1
                        self._say_lost(job, losses[job.arm.id], error)
                        running[self._start(job, texts[job.arm.tokenizer])] = job
                        continue
                    self._take(job, message, on_event)
                    if message.result is not None:
                        results[job.arm.id] = message.result
        finally:
            for stream in running:
                ray.cancel(stream, force=True)
        return results

    def _start(self, job: Job, text: Any) -> Any:
        task = self._ray.remote(max_calls=1, max_retries=0, num_returns="streaming")(train)
        options = {
            "num_cpus": job.threads or 1,
            "num_gpus": 1 if job.device.startswith("cuda") else 0,
            "memory": WEIGHT_COPIES * weights_bytes(job.arm, self.texts[job.arm.tokenizer])
            + OTHER_MEMORY_BYTES,
            "name": job.arm.id,
            "scheduling_strategy": "SPREAD",
        }
        return task.options(**options).remote(job, text, _read(checkpoint_folder(job.folder)))

    def _fitted(self, job: Job) -> Job:
        """Give a job no more threads than a node has, and a device that the cluster has."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cpus = int(max(node.get("CPU", 0) for node in nodes))
        if not cpus:
            raise ConfigError("the cluster has no node with a CPU to train on.")
        if job.threads is not None and job.threads > cpus:
            job = replace(job, threads=cpus)
        if job.device == "auto":
            has_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
            job = replace(job, device="cuda" if has_gpu else "cpu")
        return job

    def _say_lost(self, job: Job, n: int, error: Exception) -> None:
        reason = type(error).__name__
        if n > MOST_LOSSES:
            raise TrainingError(
                f"{job.arm.id} was lost {n} times with its node ({reason}). It may need more memory"
                " than a node has."
            )
        log.warning("%s lost its node (%s), and starts on another one.", job.arm.id, reason)

    def _take(self, job: Job, message: Message, on_event: OnEvent) -> None:
        for name, data in message.checkpoints.items():
            folder = checkpoint_folder(job.folder)
            write_bytes(folder / name, data)
            for old in sorted(folder.glob("step-*.safetensors"))[: -checkpoint.KEPT]:
                old.unlink(missing_ok=True)
        if message.run is not None:
            _write_run(job.folder, message.run)
            remove_checkpoints(job.folder)
        for event in message.events:
            on_event(job.arm, event)


def connect(address: str | None) -> Any:
    """Connect with a cluster, and return the module `ray`.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("engine 'ray' needs Ray: pip install 'gptkit[ray]'.") from None
    if not ray.is_initialized():
        if address is not None:
            _check_address(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises several kinds
            reason = "" if address == "auto" else f": {error}".rstrip(".")
            raise ConfigError(
                f"there is no Ray cluster at {address!r}{reason}.\n"
                "Start one with `ray start --head`, or leave ray_address out."
            ) from error
    return ray


def _check_address(address: str) -> None:
    """Refuse an address that nobody answers at; Ray itself would try for minutes."""
    if address == "auto":
        return
    url = address if "://" in address else f"ray://{address}"
    try:
        parts = urlsplit(url)
        whole = bool(parts.scheme == "ray" and parts.hostname and parts.port)
    except ValueError:
        whole = False
    if not whole:
        raise ConfigError(
            f"ray_address {address!r} is no address. Give auto, HOST:PORT or ray://HOST:PORT."
        )
    if not reachable(url):
        raise ConfigError(
            f"nothing answers at the Ray address {address!r}.\n"
            "Give auto for a cluster on this machine, or start one with `ray start --head`."
        )


def _cause(error: Any) -> BaseException:
    """Return what a task raised, as it was raised there."""
    cause = error.cause
    return cause if isinstance(cause, BaseException) else error


def train(job: Job, text: bytes, checkpoints: Files) -> Iterator[Message]:
    """Train an arm in a temporary folder; this runs on a node.

    Args:
        text: a pickled `EncodedCorpus`, from the process that started the task.
        checkpoints: of the arm, from earlier.
    """
    encoded: EncodedCorpus = pickle.loads(text)
    with tempfile.TemporaryDirectory(prefix="gptkit-") as place:
        here = replace(job, folder=Path(place) / job.arm.id)
        for name, data in checkpoints.items():
            write_bytes(checkpoint_folder(here.folder) / name, data)
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        done: list[ArmResult | BaseException] = []

        def work() -> None:
            try:
                done.append(run_arm(here, encoded, lambda arm, event: events.put(event)))
            except BaseException as error:
                done.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        sent = set(checkpoints)
        while worker.is_alive():
            worker.join(SEND_SECONDS)
            if not worker.is_alive():
                break
            new = {n: d for n, d in _read(checkpoint_folder(here.folder)).items() if n not in sent}
            sent |= new.keys()
            message = Message(events=_drained(events), checkpoints=new)
            if message.events or message.checkpoints:
                yield message
        if isinstance(done[0], BaseException):
            raise done[0]
        yield Message(events=_drained(events), run=_read(Path(place)), result=done[0])


def _drained(events: queue.SimpleQueue[Event]) -> list[Event]:
    found = []
    while not events.empty():
        found.append(events.get())
    return found


def _read(folder: Path) -> Files:
    """Read all files below a folder, but for claims, checkpoints and unfinished ones."""
    found = {}
    for path in folder.glob("**/*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part in (CLAIMS, checkpoint.FOLDER) for part in parts):
            try:
                if not path.name.endswith(".tmp"):
                    found["/".join(parts)] = path.read_bytes()
            except FileNotFoundError:
                continue  # an old checkpoint that has just been removed
    return found


def _write_run(folder: Path, files: Files) -> None:
    """Write a run folder under a temporary name and rename it, and the tokenizer it refers to."""
    temporary = temporary_name(folder)
    for name, data in files.items():
        place, _, inside = name.partition("/")
        target = temporary / inside if place == folder.name else folder.parent / name
        if target.parent.name == "tokenizers" and target.exists():
            continue
        write_bytes(target, data)
    rename_patiently(temporary, folder)
