"""A worker process: it trains the arms that `gptkit.engines.processes` sends.

Messages are pickled and go only between this process and its parent, over standard input and
output. The worker receives ("corpus", name, EncodedCorpus) and ("job", Job). It sends each Event,
and at the end of an arm an ArmResult or an exception. When its parent tells it to stop, or has
died, it saves the arm that it trains and ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.arm import run_arm
from gptkit.engines.job import Job
from gptkit.engines.process_memory import keep_freed_memory
from gptkit.errors import GptkitError
from gptkit.events import Event
from gptkit.train.interrupts import Interrupted, signals_raise
from gptkit_tokenizers import TokenizerError

COMMAND = "from gptkit.engines.worker import main; main()"
READY = "ready"  # sent once; from then on, the worker reads messages without delay


def main() -> None:
    """Train the jobs that arrive on standard input, until it ends."""
    keep_freed_memory()
    with signals_raise(), suppress(Interrupted):
        _train_what_arrives()


def _train_what_arrives() -> None:
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break a message
    jobs: queue.SimpleQueue[Job | Exception | None] = queue.SimpleQueue()
    texts: dict[str, EncodedCorpus] = {}
    training = threading.Event()

    def listen() -> None:
        while True:
            try:
                kind, *content = pickle.load(sys.stdin.buffer)
            except EOFError:
                jobs.put(None)
                if training.is_set():  # the parent has died
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            except Exception as error:
                jobs.put(error)
                return
            if kind == "corpus":
                name, encoded = content
                texts[name] = encoded
            else:
                jobs.put(content[0])

    def send(content: Any) -> None:
        try:
            pickle.dump(content, out, protocol=pickle.HIGHEST_PROTOCOL)
            out.flush()
        except BrokenPipeError:  # the parent has died
            raise Interrupted(signal.SIGTERM) from None

    def on_event(arm: Arm, event: Event) -> None:
        send(event)

    send(READY)
    threading.Thread(target=listen, daemon=True).start()
    while (job := jobs.get()) is not None:
        training.set()
        try:
            if isinstance(job, Exception):
                raise job
            send(run_arm(job, texts[job.arm.tokenizer], on_event))
        except (GptkitError, TokenizerError, OSError) as error:
            send(error)
        except Exception:
            send(RuntimeError(f"in a worker process:\n{traceback.format_exc()}"))
        finally:
            training.clear()
