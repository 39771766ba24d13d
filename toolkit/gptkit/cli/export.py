"""gptkit export: a run for other people's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[
        Path, typer.Argument(help="Folder of a run, as in runs/<experiment>/gpt2-decoder-s0.")
    ],
    to: Annotated[
        Literal["hf", "gguf"],
        typer.Option(
            "--to",
            help="hf: a folder for transformers. gguf: a file for llama.cpp, of gpt2 and qwen3.",
        ),
    ] = "hf",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder or file to write.", show_default="in the run's folder"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="The run's text, if it is no longer where it was."),
    ] = None,
) -> None:
    """Write a trained run for other tools, after a check of its ids and its loss."""
    from gptkit.cli.log import log
    from gptkit.engines.run_folder import load_run

    loaded = load_run(run)
    if to == "gguf":
        from gptkit.export.gguf_file import export_gguf

        path = export_gguf(loaded, out)
        log.info("Written to %s. Its tensors and tokens were read back and are equal.", path)
        return
    from gptkit.cli.quiet_transformers import quiet_transformers
    from gptkit.export.hugging_face import export_hugging_face
    from gptkit.export.model_card import check_command
    from gptkit.report.command import quote

    quiet_transformers()
    done = export_hugging_face(loaded, out, data=data)
    log.info(
        "Written to %s: a model of type %s. Loaded again by transformers, it has the run's ids, "
        "and %.4f bits per byte on val (the run: %.4f).",
        done.folder,
        done.model_type,
        done.bits_per_byte,
        done.expected,
    )
    typer.echo(
        "To check that with lm-evaluation-harness:\n"
        f"    cd {quote(str(done.folder))} && {check_command(done.record.prefix_id)}"
    )
