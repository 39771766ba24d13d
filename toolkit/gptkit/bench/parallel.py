"""Time the default comparison with its arms in parallel, and one after another."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gptkit.bench.measure import Measurement
from gptkit.results.schema import Results

MAX_MEMORY_GB = 2.0  # of all processes together


def compare(words: Sequence[str]) -> tuple[float, float, Results]:
    """Run a whole command; return its seconds, its peak memory in GB, and its results."""
    peak = 0.0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out, (Path(out) / "stdout").open("w+b") as stdout:
        command = [sys.executable, "-m", "gptkit", "compare", "--json", "--out", out, *words]
        with subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max(peak, memory(process.pid))
                time.sleep(0.1)
        took = time.perf_counter() - began
        assert process.returncode == 0
        stdout.seek(0)
        return took, peak, msgspec.json.decode(stdout.read(), type=Results)


def memory(pid: int) -> float:
    """Return the GB of a process and its children, with shared pages counted once; 0 off Linux."""
    total, tasks = 0.0, Path(f"/proc/{pid}/task")
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024 / 1e9
        children = " ".join((task / "children").read_text() for task in tasks.iterdir())
    except OSError:  # it has ended
        return total
    return total + sum(memory(int(child)) for child in children.split())


def measure(rounds: int, *, words: Sequence[str] = ()) -> list[Measurement]:
    """Time whole commands, and say how far apart their losses are.

    They differ by rounding alone, as an arm beside another has fewer threads.
    """
    times, peaks, apart = [], [], 0.0
    for _ in range(rounds):
        one_by_one, _, known = compare(["--jobs", "1", *words])
        parallel, peak, found = compare(["--jobs", "2", *words])
        pairs = zip(known.arms, found.arms, strict=True)
        apart = max(apart, *(abs(a.val.bits_per_byte - b.val.bits_per_byte) for a, b in pairs))
        times.append((one_by_one, parallel))
        peaks.append((MAX_MEMORY_GB, peak or MAX_MEMORY_GB))
    return [
        Measurement(
            name="parallel",
            what="gptkit compare, two arms at a time, losses at most "
            f"{apart:.3f} bits per byte apart",
            against="one arm after another",
            goal=1 / 0.8,
            rounds=tuple(times),
        ),
        Measurement(
            name="memory",
            what="peak memory of gptkit compare, all its processes",
            against="the limit",
            unit="GB",
            goal=1,
            rounds=tuple(peaks),
        ),
    ]
