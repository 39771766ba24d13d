"""Kill commands at random moments, run them again to their end, and compare with runs left alone.

Every command runs in a process of its own with one thread, on small models. SIGKILL leaves no
chance to save anything: what an experiment has is what is on the disk.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptkit.data.corpus import load_corpus
from gptkit.engines.run_folder import load_run
from gptkit.errors import GptkitError, check_known
from gptkit.files import write_text
from gptkit.results.byte_losses import read_losses
from gptkit.results.stress_schema import KillRow
from gptkit_tokenizers import TokenizerError

MARK = "GPTKIT_STRESS"  # an environment variable by which a command's processes are found
TEXT_CHARS = 60_000
ORPHAN_SECONDS = 20.0  # that workers have to end after their parent
KILL_AGAIN = 0.3  # the probability that a resumed command is killed too
MOST_KILLS = 4  # of one command
TIMING = {"seconds", "arms_at_a_time"}  # keys of results that differ between equal runs
RECIPE = """
[models.small.model]
n_layer = 2
n_head = 2
n_embd = 32
n_hidden = 64
dropout = 0.1
[models.small.optim]
learning_rate = 0.003
muon_learning_rate = 0.02
[models.bigram.model]
architecture = "bigram"
[models.bigram.optim]
learning_rate = 0.1
"""


@dataclass(frozen=True)
class Scenario:
    """A command, and what of its output must be equal.

    Attributes:
        words: of the command, given the folder of the inputs and the folder it writes.
        share: of all kills.
        resumable: whether the command has --resume; else it is run again as it was.
        partner: whether a second command of the same words runs beside it, which is not killed.
    """

    name: str
    words: Callable[[Path, Path], list[str]]
    share: float
    resumable: bool = True
    partner: bool = False


def _shared(inputs: Path, out: Path) -> list[str]:
    return [*_compare(1)(inputs, out), "--seeds", "2", "--claim"]


def _compare(jobs: int) -> Callable[[Path, Path], list[str]]:
    def words(inputs: Path, out: Path) -> list[str]:
        return [
            *["compare", "-t", "char,bpe:300", "--config", str(inputs / "small.toml")],
            *["-d", str(inputs / "text.txt"), "--budget", "250steps", "--bytes-per-step", "512"],
            *["--context-bytes", "64", "--save-every", "0.3s", "--sample-bytes", "50"],
            *["--jobs", str(jobs), "--out", str(out), "--name", "a"],
        ]

    return words


def _scale(inputs: Path, out: Path) -> list[str]:
    return [
        *["scale", "-t", "char,byte", "-m", "bigram", "-d", str(inputs / "text.txt")],
        *["--budget", "32KB", "--rungs", "3", "--bytes-per-step", "256", "--context-bytes", "32"],
        *["--save-every", "0.1s", "--jobs", "1", "--sample-bytes", "20"],
        *["--out", str(out), "--name", "a"],
    ]


def _ladder(inputs: Path, out: Path) -> list[str]:
    return [
        *["lecture", "ladder", "-t", "char", "-d", str(inputs / "text.txt"), "--budget", "20steps"],
        *["--save-every", "5steps", "--jobs", "1", "--out", str(out), "--name", "a"],
    ]


def _report(inputs: Path, out: Path) -> list[str]:
    return ["report", str(inputs / "runs" / "a"), "--out", str(out / "report")]


def _export(inputs: Path, out: Path) -> list[str]:
    run = inputs / "runs" / "a" / "char-small-s0"
    return ["export", str(run), "--to", "hf", "--out", str(out / "export")]


SCENARIOS = (
    Scenario("compare, one process", _compare(1), 0.35),
    Scenario("compare, two processes", _compare(2), 0.20),
    Scenario("compare, two commands that share arms", _shared, 0.1, partner=True),
    Scenario("scale", _scale, 0.12),
    Scenario("lecture ladder", _ladder, 0.08),
    Scenario("report", _report, 0.07, resumable=False),
    Scenario("export", _export, 0.08, resumable=False),
)


def measure_kills(
    folder: Path,
    *,
    kills: int,
    only: str | None = None,
    seed: int = 0,
    at_a_time: int = 2,
    on_kill: Callable[[], None] = lambda: None,
) -> list[KillRow]:
    """Kill each scenario's command its share of `kills` times, and check what comes out.

    Args:
        folder: an empty folder for inputs and outputs.
        only: the name of a scenario, which gets all kills.
        at_a_time: commands that run side by side.
    """
    if only is not None:
        check_known("command", only, [scenario.name for scenario in SCENARIOS])
    inputs = folder / "inputs"
    write_text(inputs / "small.toml", RECIPE)
    write_text(inputs / "text.txt", load_corpus(None).train[:TEXT_CHARS])
    _run(_compare(1)(inputs, inputs / "runs"))
    rows = []
    for scenario in SCENARIOS:
        if only not in (None, scenario.name):
            continue
        began = time.monotonic()
        alone = folder / "alone" / scenario.name
        _run(scenario.words(inputs, alone))
        trial = _Trial(scenario, inputs, alone, time.monotonic() - began, on_kill)
        wanted = max(1, round(kills * (1.0 if only else scenario.share)))
        rng, number = random.Random(seed), 0
        done: list[KillRow] = []
        with ThreadPoolExecutor(at_a_time) as pool:
            while sum(row.kills for row in done) < wanted:
                places = [
                    folder / "killed" / f"{scenario.name}-{number + i}" for i in range(at_a_time)
                ]
                done += pool.map(trial.run, places, [rng.random() for _ in places])
                number += at_a_time
        rows.append(_total(scenario.name, done, time.monotonic() - began))
    return rows


@dataclass(frozen=True)
class _Trial:
    """Kills one command until it ends, and compares its output with that of one left alone."""

    scenario: Scenario
    inputs: Path
    alone: Path
    seconds: float
    on_kill: Callable[[], None]

    def run(self, out: Path, seed: float) -> KillRow:
        rng = random.Random(seed)
        words = self.scenario.words(self.inputs, out)
        kills = orphans = broken = 0
        while True:
            again = self.scenario.resumable and (out / "a").is_dir()
            command = [*words, "--resume"] if again else words
            wanted = kills == 0 or (kills < MOST_KILLS and rng.random() < KILL_AGAIN)
            mark = f"{out.name}-{kills}"
            process, output = _start(command, mark), ""
            beside = _start(command, f"{mark}-beside") if self.scenario.partner else None
            try:
                output, _ = process.communicate(
                    timeout=rng.uniform(0.0, self.seconds) if wanted else None
                )
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                orphans += _wait_for_the_end(mark)
                self.on_kill()
                if beside is not None:  # it goes on, and its files change
                    output, _ = beside.communicate()
                broken += count_broken(out)
                if beside is not None:
                    failed = beside.returncode != 0
                elif self.scenario.resumable or differences(self.alone, out):
                    continue
                else:
                    failed = False  # it was killed after its work was done
            else:
                failed = process.returncode != 0
                if beside is not None:
                    beside.communicate()
                    failed |= beside.returncode != 0
            differs = [] if failed else [*differences(self.alone, out), *_trained_twice(out)]
            row = KillRow(
                command=self.scenario.name,
                kills=kills,
                runs=1,
                blocked=int(failed),
                orphans=orphans,
                half_written=broken,
                differing=int(bool(differs)),
                left_over=int(bool(_hidden(out))),
                seconds=0.0,
                notes=[output.strip()[-300:]] if failed else differs[:3],
            )
            shutil.rmtree(out, ignore_errors=True)
            return row


def _total(name: str, rows: Sequence[KillRow], seconds: float) -> KillRow:
    counts = ("kills", "runs", "blocked", "orphans", "half_written", "differing", "left_over")
    return KillRow(
        command=name,
        seconds=seconds,
        notes=[note for row in rows for note in row.notes],
        **{count: sum(getattr(row, count) for row in rows) for count in counts},
    )


def _start(words: Sequence[str], mark: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gptkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {MARK: mark, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def _run(words: Sequence[str]) -> None:
    process = _start(words, "alone")
    output, _ = process.communicate()
    if process.returncode:
        raise GptkitError(f"gptkit {' '.join(words)} fails when left alone:\n{output}")


def _wait_for_the_end(mark: str) -> int:
    """Wait until no process of a command lives; return how many do not end in time."""
    until = time.monotonic() + ORPHAN_SECONDS
    while (living := _processes(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
    return len(living)


def _processes(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes()
            state = (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:  # it has ended, or is another user's
            continue
        if f"{MARK}={mark}".encode() in environment.split(b"\0") and state != "Z":
            found.append(int(path.parent.name))
    return found


def count_broken(out: Path) -> int:
    """Count what has the name of something whole, and is not."""
    broken = 0
    for config in out.glob("**/config.json"):
        folder = config.parent
        if any(part.startswith(".") for part in folder.relative_to(out).parts):
            continue
        if (folder / "result.json").exists() or "export" not in folder.parts:
            broken += not _is_whole(folder)
        elif not (folder / "model.safetensors").is_file():
            broken += 1
    for path in [*out.glob("**/results.json"), *out.glob("**/scale.json")]:
        try:
            json.loads(path.read_text())
        except ValueError:
            broken += 1
    return broken


def _is_whole(folder: Path) -> bool:
    try:
        run = load_run(folder)
        read_losses(folder, run.result.reported.bytes)
        return all(getattr(run, part) for part in ("metrics", "tokenizer", "model"))
    except (GptkitError, TokenizerError):
        return False


def _hidden(out: Path) -> list[Path]:
    return [path for path in out.glob("**/.*") if path.name != ".cache"]


def differences(alone: Path, out: Path) -> list[str]:
    """Say which files of two outputs differ; times and folders' names may."""
    a, b = ({p.relative_to(root): p for p in _files(root)} for root in (alone, out))
    found = [f"{path} is on one side alone" for path in sorted(a.keys() ^ b.keys())]
    for path in sorted(a.keys() & b.keys()):
        read = [_content(p[path], root) for p, root in ((a, alone), (b, out))]
        if read[0] != read[1]:
            found.append(f"{path} differs")
    return found


def _files(root: Path) -> list[Path]:
    """Return the files that must be equal; the log of events is of times."""
    return [path for path in root.glob("**/*") if path.is_file() and path.name != "events.jsonl"]


def _trained_twice(out: Path) -> list[str]:
    """Say which arms were trained to their end more than once, by the log of events."""
    found = []
    for log in out.glob("**/events.jsonl"):
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        done = Counter(
            line["arm"]
            for line in lines
            if line["record"] == "event"
            and line["event"]["event"] == "done"
            and not line["event"]["kept"]
        )
        found += [f"{arm} was trained {n} times" for arm, n in done.items() if n > 1]
    return found


def _content(path: Path, root: Path) -> Any:
    data = path.read_bytes().replace(str(root).encode(), b"OUT")
    if path.suffix == ".json":
        return _timeless(json.loads(data))
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in data.splitlines()]
    return data


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMING}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
