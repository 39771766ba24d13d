"""How a process that trains uses memory: glibc's allocator, and the peak."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h
MAX_KEPT_BYTES = 1 << 30  # of freed memory


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 1 GiB, for the next step instead of the next process.

    Every step frees its tensors and asks for the same again. By default the large ones go back to
    the operating system and come again page by page, a fault for each 4 KiB: a quarter of a step
    on GPT-2's ids. Other C libraries are left as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MAX_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, MAX_KEPT_BYTES)


def peak_memory() -> int | None:
    """The most bytes that this process has held so far; None on Windows, which does not tell.

    Linux's own figure counts from the start of the program. That of `getrusage` also counts what
    the process that started it held.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
