"""gptkit doctor: what is here."""

from __future__ import annotations

import json
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

PACKAGES = ("gptkit", "torch", "tiktoken", "datasets", "numpy", "safetensors", "rich", "typer")
HOSTS = (
    "https://raw.githubusercontent.com",
    "https://huggingface.co",
    "https://openaipublic.blob.core.windows.net",
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is here: versions, device, threads, cache, tokenizers, network."""
    facts = _facts()
    if as_json:
        typer.echo(json.dumps(facts))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section, entries in facts.items():
        for i, (name, value) in enumerate(entries.items()):
            last = i == len(entries) - 1
            table.add_row(name, Text(str(value)), end_section=last)
        del section
    Console(highlight=False).print(table)


def _facts() -> dict[str, dict[str, Any]]:
    import torch

    from gptkit.corpus import cache_folder, cached_copies
    from gptkit.download import reachable
    from gptkit_tokenizers import available

    cuda = torch.cuda.is_available()
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(reachable, HOSTS))
    return {
        "versions": {
            "Python": f"{platform.python_version()} on {platform.platform(terse=True)}",
            **{name: _version(name) for name in PACKAGES},
        },
        "device": {
            "device": torch.cuda.get_device_name() if cuda else "cpu",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "data": {
            "cache": str(cache_folder()),
            "GPTKIT_DATA": os.environ.get("GPTKIT_DATA", "not set"),
            "tinyshakespeare": next(
                (str(p) for p in cached_copies() if p.is_file()), "not here yet"
            ),
        },
        "tokenizers": {"tokenizers": ", ".join(available())},
        "network": {
            urlsplit(host).hostname or host: "answers" if answer else "does not answer"
            for host, answer in zip(HOSTS, answers, strict=True)
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
