"""gptkit report: an experiment's results as a page to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.log import log


def report(
    experiment: Annotated[
        Path, typer.Argument(help="Folder of an experiment or study, as in runs/<experiment>.")
    ],
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", help="Folder of another experiment for the same report; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write to.", show_default="the experiment's own"),
    ] = None,
) -> None:
    """Write report.md and a figure from the results in a folder, with results.json beside them."""
    from gptkit.errors import ConfigError
    from gptkit.files import write_bytes, write_json, write_text
    from gptkit.report.markdown import markdown
    from gptkit.report.plots import PLOTS, figure_name, to_svg
    from gptkit.report.result import load_result, read_results
    from gptkit.report.studies import study_page
    from gptkit.results.schema import Results

    folder = out or experiment
    if (experiment / "scale.json").is_file():
        _write_scale(experiment, folder)
        return
    found = read_results(experiment)
    if not isinstance(found, Results):
        write_text(folder / "report.md", study_page(found))
        write_json(folder / "results.json", found)
        typer.echo(str(folder / "report.md"))
        return
    results = [found, *(load_result(path).data for path in beside or [])]
    figure = figure_name(found)
    if figure is not None:
        try:
            write_bytes(folder / figure, to_svg(PLOTS[figure.removesuffix(".svg")](results)))
        except ConfigError as error:
            figure = None
            log.warning("note: the report has no figure: %s", error)
    write_text(folder / "report.md", markdown(found, beside=results[1:], figure=figure))
    for i, result in enumerate(results):
        write_json(folder / f"results{f'-{i + 1}' if i else ''}.json", result)
    typer.echo(str(folder / "report.md"))


def _write_scale(ladder: Path, folder: Path) -> None:
    from gptkit.errors import ConfigError
    from gptkit.files import write_bytes, write_json, write_text
    from gptkit.report.plots import to_svg
    from gptkit.report.scale import page
    from gptkit.report.scale_plot import plot_scale
    from gptkit.report.scale_result import load_scale

    scale = load_scale(ladder).data
    figures = {f"scale-{model}.svg": model for model in scale.says}
    try:
        for file, model in figures.items():
            write_bytes(folder / file, to_svg(plot_scale(scale, model=model)))
    except ConfigError as error:
        figures = {}
        log.warning("note: the report has no figure: %s", error)
    write_text(folder / "report.md", page(scale, figures=list(figures)))
    write_json(folder / "scale.json", scale)
    typer.echo(str(folder / "report.md"))
