"""Options that several commands take, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Tokenizers = Annotated[
    str,
    typer.Option(
        "--tokenizers",
        "-t",
        help="Separated by commas: char, byte, gpt2, bpe:1024, unigram:N, wordpiece:N, a file "
        "(tokenizer.json, .model, .tiktoken), hf:OWNER/NAME, a plug-in.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="tinyshakespeare, python-docs, a file, folder or glob, hf:NAME, or markov:ORDER.",
        show_default="tinyshakespeare, or python-docs where it cannot be had",
    ),
]
Match = Annotated[
    str, typer.Option(help="What is made equal: bytes, tokens, flops, params or time.")
]
Seeds = Annotated[int, typer.Option(help="How many; 5 for a verdict with intervals.")]
Out = Annotated[Path, typer.Option(help="The folder experiments are written under.")]
Name = Annotated[
    str | None, typer.Option(help="The experiment's folder.", show_default="its tokenizers")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with one that was stopped: its arms are kept.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Jobs = Annotated[
    int | None,
    typer.Option(help="Arms trained at a time, sharing the cores.", show_default="what pays"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would cost, and train nothing.")
]
ResultsJson = Annotated[
    bool, typer.Option("--json", help="Print results.json on stdout, and nothing else there.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
