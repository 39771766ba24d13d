"""gptkit doctor: show the installation."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from gptkit.cli.options import Json

if TYPE_CHECKING:
    from gptkit_tokenizers.base import JsonObject

PACKAGES = (
    *("gptkit", "torch", "tiktoken", "datasets", "numpy", "scipy", "optuna", "safetensors", "rich"),
    *("typer", "tokenizers", "sentencepiece", "gigatoken"),
)
HOSTS = (
    "https://raw.githubusercontent.com",
    "https://huggingface.co",
    "https://openaipublic.blob.core.windows.net",
)


def doctor(
    as_json: Json = False,
) -> None:
    """Show the installation: versions, device, threads, cache, tokenizers, network."""
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
    for entries in facts.values():
        for name, value in entries.items():
            table.add_row(name, Text(str(value)))
        table.add_section()
    Console(highlight=False, emoji=False).print(table)


def _facts() -> dict[str, JsonObject]:
    import platform
    from concurrent.futures import ThreadPoolExecutor

    import torch

    from gptkit.data.named_texts import cache_folder
    from gptkit.engines.device import choose_device, describe_device
    from gptkit_tokenizers import available
    from gptkit_tokenizers.reachability import reachable

    choice = choose_device()
    passed_over = (f"{name}: {reason}" for name, reason in choice.passed_over.items())
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(reachable, HOSTS))
    return {
        "versions": {
            "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            **{name: _version(name) for name in PACKAGES},
        },
        "device": {
            "device": describe_device(choice.device),
            "why": "; ".join(passed_over) or "a small model trains on it as on a CPU",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "data": {
            "cache": str(cache_folder()),
            "GPTKIT_DATA": os.environ.get("GPTKIT_DATA", "not set"),
            "tinyshakespeare": _copy_of_shakespeare(),
        },
        "tokenizers": {"tokenizers": ", ".join(available())},
        "network": {
            urlsplit(host).hostname or host: "answers" if answer else "does not answer"
            for host, answer in zip(HOSTS, answers, strict=True)
        },
    }


def _copy_of_shakespeare() -> str:
    from gptkit.data.named_texts import tiny_shakespeare_copy
    from gptkit.errors import CorpusError

    try:
        return str(tiny_shakespeare_copy() or "not here yet")
    except CorpusError as error:
        return str(error).splitlines()[0]


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
