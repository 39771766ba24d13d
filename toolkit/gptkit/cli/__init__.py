"""The command line: one file per command, each thin, heavy imports inside the command."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
import warnings
from typing import Annotated, TextIO

import typer

from gptkit.cli.commands import Commands
from gptkit.cli.log import is_follower, log, set_up
from gptkit.errors import CorpusWarning, GptkitError

SHARED = ("compare", "scale", "lecture")  # commands that all processes of torchrun run together

app = typer.Typer(
    cls=Commands,
    help="Which tokenizer should I train with? Train the same models on the same text under each, "
    "and compare bits per byte.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"gptkit {version('gptkit')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show debugging messages too.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only results, warnings and errors.")
    ] = False,
) -> None:
    set_up(verbose=verbose, quiet=quiet)
    if is_follower() and ctx.invoked_subcommand not in SHARED:
        raise typer.Exit


def main() -> None:
    """Run the command line; a user's error is one message on stderr and exit code 2."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character: a "?"
            stream.reconfigure(errors="replace")
    warnings.showwarning = _show_warning
    if is_follower():
        sys.stdout = io.StringIO()  # the first process prints
    try:
        app()
    except Exception as error:
        from gptkit.plan.experiment_config import to_command_line
        from gptkit.report.formatting import printable
        from gptkit_tokenizers import TokenizerError

        if not isinstance(error, GptkitError | TokenizerError | OSError):
            raise
        if is_follower():
            sys.exit(2)  # the first process says it
        message = printable(to_command_line(str(error)))
        typer.echo(_wrap(f"error: {message}"), err=True)
        sys.exit(2)


def _wrap(message: str) -> str:
    """Indent a message's further lines; on a terminal, wrap them too."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    lines = message.splitlines()
    indents = ["", *["       "] * (len(lines) - 1)]
    if not width:
        return "\n".join(f"{indent}{line}" for indent, line in zip(indents, lines, strict=True))
    return "\n".join(
        textwrap.fill(
            line,
            width,
            initial_indent=indent,
            subsequent_indent="       ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for indent, line in zip(indents, lines, strict=True)
    )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print what is meant for the user; leave the libraries' warnings to developers."""
    if issubclass(category, CorpusWarning):
        from gptkit.plan.experiment_config import to_command_line

        log.warning("note: %s", to_command_line(str(message)))
