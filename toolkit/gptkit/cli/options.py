"""Options that several commands take, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Preset = Annotated[
    str, typer.Option(help="Settings for a machine: cpu, or gpu for large models and steps.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Read options from a TOML file; the command line wins."),
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print all options as TOML, and stop.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Estimate time and memory, and train nothing.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="With --dry-run, nodes to plan for: 4xcpu:16 are four nodes of 16 cores, 2xgpu:90 two "
        "GPUs that train at 90 TFLOP/s. Without a number they are like this machine.",
        show_default="none",
    ),
]
Full = Annotated[
    bool,
    typer.Option("--full", help="Show everything, also baselines, matching and all warnings."),
]
ResultsJson = Annotated[
    bool, typer.Option("--json", help="Print results.json on stdout, and nothing else there.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def split_names(names: str) -> list[str]:
    """Names that are separated by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
