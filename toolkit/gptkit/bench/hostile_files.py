"""Read mutated files of every kind that gptkit reads, in a process that may die of them."""

from __future__ import annotations

import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptkit.bench.mutations import mutate
from gptkit.results.stress_schema import FileRow

MOST_SECONDS = 10.0
MOST_BYTES = 1_000_000_000  # of memory of the process
MOST_NOTES = 5
COMMAND = "from gptkit.bench.readers import main; main()"


def measure_files(
    folder: Path,
    *,
    files: int,
    only: str | None = None,
    seed: int = 0,
    on_file: Callable[[], None] = lambda: None,
) -> list[FileRow]:
    """Mutate and read `files` files of each kind.

    Args:
        folder: an empty folder.
        only: a kind; None for all of `gptkit.bench.readers.KINDS`.
    """
    from gptkit.bench.readers import KINDS, make_files
    from gptkit.errors import check_known

    if only is not None:
        check_known("kind of file", only, KINDS)
    make_files(folder / "whole")
    rows = []
    for kind in KINDS if only is None else (only,):
        counts = _Counts()
        rng = random.Random(f"{seed} {kind}")
        reader = Reader()
        place = folder / "mutated"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / "whole", place)
        paths = sorted(place.glob(KINDS[kind].pattern))
        whole = {path: path.read_bytes() for path in paths}
        for _ in range(files):
            path = rng.choice(paths)
            path.write_bytes(mutate(whole[path], path.name, rng))
            outcome = reader.read(kind, path)
            counts.add(outcome)
            if outcome["is"] not in ("accepted", "refused"):
                _keep(path, folder, outcome)
            path.write_bytes(whole[path])
            on_file()
        reader.stop()
        rows.append(counts.row(kind))
    return rows


@dataclass
class _Counts:
    """Outcomes of one kind."""

    accepted: int = 0
    refused: int = 0
    findings: int = 0
    slowest: float = 0.0
    largest: int = 0
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: dict[str, Any]) -> None:
        self.slowest = max(self.slowest, outcome["seconds"])
        self.largest = max(self.largest, outcome["memory"])
        if outcome["is"] == "accepted":
            self.accepted += 1
        elif outcome["is"] == "refused":
            self.refused += 1
        else:
            self.findings += 1
            sort = re.sub(r"[0-9]+|'[^']*'|\"[^\"]*\"", "…", outcome["note"])
            if len(self.notes) < MOST_NOTES:
                self.notes.setdefault(sort, outcome["note"])

    def row(self, kind: str) -> FileRow:
        return FileRow(
            kind=kind,
            files=self.accepted + self.refused + self.findings,
            accepted=self.accepted,
            refused=self.refused,
            findings=self.findings,
            slowest=self.slowest,
            largest=self.largest,
            notes=[f"{kind}: {note}" for note in self.notes.values()],
        )


def _keep(path: Path, folder: Path, outcome: dict[str, Any]) -> None:
    """Copy a finding to the folder that an environment variable names, to look at it."""
    if kept := os.environ.get("GPTKIT_STRESS_FINDINGS"):
        target = Path(kept) / f"{time.time_ns()}-{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        target.with_suffix(".txt").write_text(f"{path.relative_to(folder)}\n{outcome['note']}\n")


class Reader:
    """A process that reads files; a new one where the last was lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read(self, kind: str, path: Path) -> dict[str, Any]:
        """Read a file, and say how that ended."""
        process = self._living()
        assert process.stdin is not None
        began = time.perf_counter()
        process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=MOST_SECONDS)
        except queue.Empty:
            line = ""
        seconds = time.perf_counter() - began
        if line:
            outcome: dict[str, Any] = json.loads(line)
            outcome["seconds"] = seconds
            if outcome["memory"] > MOST_BYTES:
                self.stop()
                outcome |= {"is": "large", "note": f"took {outcome['memory'] / 1e6:,.0f} MB"}
            return outcome
        died = process.poll() is not None or seconds < MOST_SECONDS
        self.stop()
        note = f"died with code {process.returncode}" if died else f"no end in {MOST_SECONDS:g} s"
        return {"is": "died", "note": note, "seconds": seconds, "memory": 0}

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _living(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = process = subprocess.Popen(
                [sys.executable, "-c", COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            lines = self._lines = queue.SimpleQueue()
            assert process.stdout is not None
            threading.Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
            lines.get()  # it is ready
        return self._process


def _pass_on(stream: Any, lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")  # it has ended
