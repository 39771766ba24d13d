"""Configure glibc's allocator for training, and report peak memory."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h
MAX_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Make glibc keep up to 1 GiB of freed memory for the next training step.

    Every step frees its tensors and allocates the same sizes again. By default, glibc returns large
    blocks to the operating system, and gets them back page by page. That takes a quarter of a step
    on GPT-2's ids. With another C library, this does nothing.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, MAX_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, MAX_KEPT_BYTES)


def peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None on Windows.

    On Linux, `getrusage` also counts the memory of the parent process, so this reads VmHWM.
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
