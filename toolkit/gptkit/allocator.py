"""What the C library does with memory that a training step gives back; how much there was."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h
KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 1 GiB, for the next step instead of the next process.

    Every step frees its tensors and asks for the same again. By default the large ones go back to
    the operating system and come again page by page, a fault for each 4 KiB: a quarter of a step
    on GPT-2's ids. Other C libraries are left as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def return_freed_memory() -> None:
    """Have glibc give what is free back to the operating system, where it is the C library.

    Learning a vocabulary leaves hundreds of megabytes of small free pieces behind.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def peak_memory() -> int | None:
    """The most bytes that this process has held so far; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kept if sys.platform == "darwin" else kept * 1024
