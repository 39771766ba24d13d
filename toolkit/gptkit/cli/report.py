"""gptkit report: an experiment's results as pages to keep and to share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptkit.cli.log import log
from gptkit.errors import ConfigError, RunError, check_known

if TYPE_CHECKING:
    from gptkit.results.schema import Results

FORMATS = ("html", "md", "both")


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
    form: Annotated[
        str, typer.Option("--format", help="html for a page in one file, md for Markdown, or both.")
    ] = "both",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write report.html and report.md with a figure from the results in a folder."""
    from gptkit.files import write_json, write_text
    from gptkit.report.html.study import markdown_page
    from gptkit.report.result import load_result, read_results
    from gptkit.report.studies import study_page
    from gptkit.results.schema import Results

    check_known("format", form, FORMATS)
    if open_page and form == "md":
        raise ConfigError("--open opens the HTML page, and --format md writes none. Give both.")
    folder = out or experiment
    if (experiment / "scale.json").is_file():
        _write_scale(experiment, folder, form)
    else:
        found = read_results(experiment)
        if isinstance(found, Results):
            others = [load_result(path).data for path in beside or []]
            if form != "html":
                _write_markdown(folder, found, others)
            if form != "md":
                _write_page(folder, experiment, found)
        else:
            page = study_page(found)
            if form != "html":
                write_text(folder / "report.md", page)
            if form != "md":
                write_text(folder / "report.html", markdown_page(page))
            write_json(folder / "results.json", found)
    for name in ("report.html", "report.md"):
        if form in ("both", name.removeprefix("report.")) and (folder / name).is_file():
            typer.echo(str(folder / name))
    if open_page:
        typer.launch((folder / "report.html").resolve().as_uri())


def _write_markdown(folder: Path, results: Results, others: list[Results]) -> None:
    from gptkit.files import write_bytes, write_json, write_text
    from gptkit.report.markdown import markdown
    from gptkit.report.plots import PLOTS, figure_name, to_svg

    figure = figure_name(results)
    if figure is not None:
        try:
            axes = PLOTS[figure.removesuffix(".svg")]([results, *others])
            write_bytes(folder / figure, to_svg(axes))
        except ConfigError as error:
            figure = None
            log.warning("note: report.md has no figure: %s", error)
    write_text(folder / "report.md", markdown(results, beside=others, figure=figure))
    for i, result in enumerate([results, *others]):
        write_json(folder / f"results{f'-{i + 1}' if i else ''}.json", result)


def _write_page(folder: Path, experiment: Path, results: Results) -> None:
    """Write report.html; without the runs' losses by byte, it has no loss map."""
    from gptkit.files import write_json, write_text
    from gptkit.report.html.experiment import experiment_page
    from gptkit.results.byte_losses import read_arm_losses

    whole = all((experiment / arm.id / "nats.npz").is_file() for arm in results.arms)
    try:
        page = experiment_page(
            results, (lambda arm: read_arm_losses(experiment, arm)) if whole else None
        )
    except RunError as error:
        log.warning("note: report.html has no loss map: %s", error)
        page = experiment_page(results, None)
    write_text(folder / "report.html", page)
    if folder != experiment:
        write_json(folder / "results.json", results)


def _write_scale(ladder: Path, folder: Path, form: str) -> None:
    from gptkit.files import write_bytes, write_json, write_text
    from gptkit.report.html.scale import scale_page
    from gptkit.report.plots import to_svg
    from gptkit.report.scale import page
    from gptkit.report.scale_plot import plot_scale
    from gptkit.report.scale_result import load_scale

    scale = load_scale(ladder).data
    if form != "html":
        figures = {f"scale-{model}.svg": model for model in scale.says}
        try:
            for file, model in figures.items():
                write_bytes(folder / file, to_svg(plot_scale(scale, model=model)))
        except ConfigError as error:
            figures = {}
            log.warning("note: report.md has no figure: %s", error)
        write_text(folder / "report.md", page(scale, figures=list(figures)))
    if form != "md":
        write_text(folder / "report.html", scale_page(scale))
    write_json(folder / "scale.json", scale)
