"""Freed memory is kept: asking for it again costs no page fault."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from gptkit.engines.process_memory import keep_freed_memory
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
def test_the_same_tensor_again_causes_no_page_fault():
    # 40 MB are 10,000 pages of 4 KiB, or 20 of 2 MiB; ten times over.
    def count(call):
        code = COUNT.format(call=call)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return int(done.stdout)

    assert count("") > 100
    assert count("keep_freed_memory()") < 20


PEAK = """
import torch
from gptkit.engines.process_memory import peak_memory
before = peak_memory()
torch.ones(100_000_000)  # 400 MB, freed at once
print(before, peak_memory())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_the_peak_counts_memory_that_was_freed_in_bytes():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 50e6  # PyTorch alone takes more
    assert 300e6 < after - before < 500e6
