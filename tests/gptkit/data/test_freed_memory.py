"""Memory that is free goes back to the operating system."""

import platform
import subprocess
import sys

import pytest

GIVE_BACK = """
from pathlib import Path
from gptkit.data.freed_memory import return_freed_memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [bytes(2000) for _ in range(50_000)]  # 100 MB, too small to be mapped one by one
full = resident()
last = blocks.pop()  # at the heap's end: what lies before it stays with the process
del blocks
return_freed_memory()
print(full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_goes_back_to_the_system():
    done = subprocess.run([sys.executable, "-c", GIVE_BACK], capture_output=True, check=True)
    assert int(done.stdout) > 90_000_000
