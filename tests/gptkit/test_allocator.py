"""Freed memory is kept: asking for it again costs no page fault."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from gptkit.allocator import keep_freed_memory
{call}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_same_tensor_again_is_no_page_fault():
    # 40 MB are 10,000 pages of 4 KiB, or 20 of 2 MiB; ten times over.
    def count(call):
        code = COUNT.format(call=call)
        return int(subprocess.run([sys.executable, "-c", code], capture_output=True).stdout)

    assert count("") > 100
    assert count("keep_freed_memory()") < 20


GIVE_BACK = """
from pathlib import Path
from gptkit.allocator import return_freed_memory
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
def test_freed_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", GIVE_BACK], capture_output=True, check=True)
    assert int(done.stdout) > 90_000_000
