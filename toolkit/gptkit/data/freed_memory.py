"""Return free memory to the operating system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def return_freed_memory() -> None:
    """Return free memory to the operating system; without glibc, do nothing.

    Learning a vocabulary leaves hundreds of megabytes of small free blocks.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
