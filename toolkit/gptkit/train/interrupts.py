"""Signals that stop a process take effect between training steps, so that its state is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class _Section:
    """Whether a part that must not be cut is running, and the signal that waits for its end."""

    running = False
    waiting: int | None = None


@contextmanager
def signals_raise() -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP raise `Interrupted`, at the end of an `uncut` part.

    A second signal raises at once. A signal that is ignored, as SIGHUP under nohup, stays ignored.
    Outside of the main thread, this does nothing: Python handles signals there alone.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in [getattr(signal, name) for name in NAMES if hasattr(signal, name)]:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _on_signal)
    try:
        yield
    finally:
        _Section.waiting = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uncut() -> Iterator[None]:
    """Hold back the first signal until the end of this part.

    Raises:
        Interrupted: a signal came in the meantime.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Section.running = True
    try:
        yield
    finally:
        _Section.running = False
    if _Section.waiting is not None:
        number, _Section.waiting = _Section.waiting, None
        raise Interrupted(number)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if _Section.running and _Section.waiting is None:
        _Section.waiting = number
        return
    _Section.running, _Section.waiting = False, None
    raise Interrupted(number)
