"""Time how long commands take to start."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from gptkit.bench.measure import Measurement, alternate


def measure(rounds: int) -> list[Measurement]:
    """Time two commands against the import of the libraries that every command needs."""

    def baseline() -> None:
        subprocess.run([sys.executable, "-c", "import typer, rich"], check=True)

    def command(words: list[str]) -> None:
        line = [sys.executable, "-m", "gptkit", *words]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)

    return [
        Measurement(
            name=f"startup-{words[0].strip('-')}",
            what=f"gptkit {' '.join(words)}",
            against='python -c "import typer, rich"',
            goal=1 / 3,
            rounds=alternate(baseline, partial(command, words), rounds=rounds),
        )
        for words in (["--help"], ["encode", "x"])
    ]
