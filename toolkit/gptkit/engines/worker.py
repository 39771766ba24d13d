"""A process that trains the arms it is sent: the other end of `gptkit.engines.processes`.

Messages are pickled, to and from our own child alone, over its standard input and output. In
come ("threads", n) and ("job", Job); out goes each Event, or an exception.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback

import torch

from gptkit.config import Arm
from gptkit.engines.arm import Event, Job, run_arm
from gptkit.errors import GptkitError
from gptkit_tokenizers import TokenizerError

COMMAND = "from gptkit.engines.worker import main; main()"
READY = "ready"  # said once, before any job is sent: from then on, what is sent is read at once


def main() -> None:
    """Train what comes on standard input, until it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` is still carried out
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break a message
    jobs: queue.SimpleQueue[Job | Exception | None] = queue.SimpleQueue()
    threads = [1]

    def listen() -> None:
        while True:
            try:
                kind, value = pickle.load(sys.stdin.buffer)
            except EOFError:
                jobs.put(None)
                return
            except Exception as error:
                jobs.put(error)
                return
            if kind == "threads":
                threads[0] = value
            else:
                jobs.put(value)

    def tell(value: Event | Exception | str) -> None:
        pickle.dump(value, out, protocol=pickle.HIGHEST_PROTOCOL)
        out.flush()

    def hear(arm: Arm, event: Event) -> None:
        if torch.get_num_threads() != threads[0]:
            torch.set_num_threads(threads[0])  # counts for the thread that calls it
        tell(event)

    tell(READY)
    threading.Thread(target=listen, daemon=True).start()
    while (job := jobs.get()) is not None:
        torch.set_num_threads(threads[0])
        try:
            if isinstance(job, Exception):
                raise job
            run_arm(job, on_event=hear)
        except (GptkitError, TokenizerError, OSError) as error:
            tell(error)
        except Exception:
            tell(RuntimeError(f"in a worker process:\n{traceback.format_exc()}"))
