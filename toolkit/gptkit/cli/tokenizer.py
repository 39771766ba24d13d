"""gptkit tokenizer: for those who write one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write a tokenizer of your own.", no_args_is_help=True)


@app.callback()
def tokenizer() -> None: ...


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the new tokenizer, which is its spec.")],
    out: Annotated[Path, typer.Option(help="Folder that the package is written to.")] = Path(),
) -> None:
    """Write a plug-in package that installs, passes the contract suite, and can be compared."""
    from gptkit_tokenizers.scaffold import new_plug_in

    folder = new_plug_in(name, under=out)
    typer.echo(
        f"Written to {folder}. Try it:\n"
        f"  pip install -e '{folder}[dev]' && pytest {folder}\n"
        f"  gptkit compare --tokenizers byte,{name}"
    )
