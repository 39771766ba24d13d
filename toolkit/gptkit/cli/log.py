"""Messages of the commands: progress and notes go through logging to stderr."""

from __future__ import annotations

import logging
import os
import sys

from gptkit.report.formatting import printable

log = logging.getLogger("gptkit")


class StderrHandler(logging.Handler):
    """Writes messages to what is stderr at the time, without any prefix or control character."""

    def emit(self, record: logging.LogRecord) -> None:
        print(printable(self.format(record)), file=sys.stderr, flush=True)


def set_up(*, verbose: bool, quiet: bool) -> None:
    """Show warnings alone if quiet, debugging messages too if verbose."""
    log.handlers = [StderrHandler()]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    if is_follower():
        log.setLevel(logging.ERROR)


def is_follower() -> bool:
    """Return whether torchrun started this process beside one that prints."""
    return "LOCAL_RANK" in os.environ and os.environ.get("RANK", "0") != "0"


def is_quiet() -> bool:
    return not log.isEnabledFor(logging.INFO)
