"""Freed memory is kept: asking for it again costs no page fault."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from gptkit.memory import keep_freed_memory
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
