"""Progress in a notebook: a table of the arms that is drawn again as events arrive.

With ipywidgets the table is a widget, which a notebook's file does not keep. Without it, it is an
output of the cell.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence

from gptkit.config import Arm
from gptkit.events import Event, StepDone
from gptkit.events.log import Happened, PlannedArm, Started
from gptkit.report.html.fragments import running_fragment
from gptkit.report.running import Running

log = logging.getLogger("gptkit")

SECONDS = 0.5  # between two drawings


def in_notebook() -> bool:
    """Return whether this is a kernel of Jupyter, which has a place to draw in."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class NotebookProgress:
    """Draws a table of an experiment's arms; if that fails, it says so once and stops."""

    def __init__(self, name: str, arms: Sequence[Arm]) -> None:
        self._running = Running()
        planned = [PlannedArm.of(arm) for arm in arms]
        self._running.add(Started(time=time.time(), name=name, arms=planned))
        self._drawn = 0.0
        self._draw: Callable[[str], None] | None = None
        self._failed = False

    def hear(self, arm: Arm, event: Event) -> None:
        """Take an event."""
        self._running.add(Happened(time=time.time(), arm=arm.id, event=event))
        soon = time.monotonic() - self._drawn < SECONDS
        if not (self._failed or (soon and isinstance(event, StepDone))):
            self._show()

    def _show(self) -> None:
        self._drawn = time.monotonic()
        html = running_fragment(self._running)
        try:
            if self._draw is None:
                self._draw = _place(html)
            else:
                self._draw(html)
        except Exception as error:  # whatever a front end raises
            self._failed = True
            log.warning("note: the progress cannot be shown here: %s", error)


def _place(html: str) -> Callable[[str], None]:
    """Draw HTML in the cell, and return what replaces it."""
    from IPython.display import HTML, display

    try:
        from ipywidgets import HTML as Widget
    except ImportError:
        handle = display(HTML(html), display_id=True)
        return lambda text: handle.update(HTML(text))
    widget = Widget(value=html)
    display(widget)

    def replace(text: str) -> None:
        widget.value = text

    return replace
