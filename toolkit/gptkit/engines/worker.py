"""A process that trains the arms it is sent: the other end of `gptkit.engines.processes`.

Messages are pickled, to and from our own child alone, over its standard input and output. It
receives ("threads", n), ("corpus", name, EncodedCorpus) and ("job", Job). It sends each Event, and
an ArmResult or an exception at an arm's end.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import Any

import torch

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import Job, run_arm
from gptkit.engines.process_memory import keep_freed_memory
from gptkit.errors import GptkitError
from gptkit.events import Event
from gptkit_tokenizers import TokenizerError

COMMAND = "from gptkit.engines.worker import main; main()"
READY = "ready"  # sent once, before any job: from then on, what is sent is read at once


def main() -> None:
    """Train what comes on standard input, until it ends."""
    keep_freed_memory()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` blocks still run
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break a message
    jobs: queue.SimpleQueue[Job | Exception | None] = queue.SimpleQueue()
    texts: dict[str, EncodedCorpus] = {}
    threads = [1]

    def listen() -> None:
        while True:
            try:
                kind, *content = pickle.load(sys.stdin.buffer)
            except EOFError:
                jobs.put(None)
                return
            except Exception as error:
                jobs.put(error)
                return
            if kind == "threads":
                (threads[0],) = content
            elif kind == "corpus":
                name, encoded = content
                texts[name] = encoded
            else:
                jobs.put(content[0])

    def send(content: Any) -> None:
        pickle.dump(content, out, protocol=pickle.HIGHEST_PROTOCOL)
        out.flush()

    def on_event(arm: Arm, event: Event) -> None:
        if torch.get_num_threads() != threads[0]:
            torch.set_num_threads(threads[0])  # counts for the thread that calls it
        send(event)

    send(READY)
    threading.Thread(target=listen, daemon=True).start()
    while (job := jobs.get()) is not None:
        torch.set_num_threads(threads[0])
        try:
            if isinstance(job, Exception):
                raise job
            send(run_arm(job, texts[job.arm.tokenizer], on_event))
        except (GptkitError, TokenizerError, OSError) as error:
            send(error)
        except Exception:
            send(RuntimeError(f"in a worker process:\n{traceback.format_exc()}"))
