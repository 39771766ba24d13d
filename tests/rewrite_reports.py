"""Write every page that shows results again, from the results.json and scale.json in reports/.

That is each report.md with its figures, the results in today's format, and the tables in README.md
and reports/README.md.
"""

import re
from pathlib import Path

import msgspec

from gptkit.files import write_bytes, write_json, write_text
from gptkit.report.ladder import bits_table
from gptkit.report.loss_table import loss_table
from gptkit.report.markdown import markdown
from gptkit.report.plots import PLOTS, figure_name, to_svg
from gptkit.report.scale import page
from gptkit.report.scale_plot import plot_scale
from gptkit.report.scale_result import load_scale
from gptkit.report.sentences import headline
from gptkit.report.studies import study_page
from gptkit.report.table import to_markdown
from gptkit.results.schema import Results
from gptkit.results.studies import Study

ROOT = Path(__file__).parents[1]


def read(path: Path) -> Results | Study:
    return msgspec.json.decode(path.read_bytes(), type=Results | Study)


def rewrite_report(folder: Path) -> None:
    found = read(folder / "results.json")
    write_json(folder / "results.json", found)
    if not isinstance(found, Results):
        write_text(folder / "report.md", study_page(found))
        return
    others = sorted(folder.glob("results-*.json"))
    beside = [read(other) for other in others]
    for path, other in zip(others, beside, strict=True):
        write_json(path, other)
    figure = figure_name(found)
    if figure is not None:
        axes = PLOTS[figure.removesuffix(".svg")]([found, *beside])
        write_bytes(folder / figure, to_svg(axes))
    write_text(folder / "report.md", markdown(found, beside=beside, figure=figure))


def rewrite_ladder(folder: Path) -> None:
    scale = load_scale(folder).data
    write_json(folder / "scale.json", scale)
    figures = {f"scale-{model}.svg": model for model in scale.says}
    for file, model in figures.items():
        write_bytes(folder / file, to_svg(plot_scale(scale, model=model)))
    write_text(folder / "report.md", page(scale, figures=list(figures)))


def replace_after(readme: Path, marker: str, lines: list[str], *, until: str) -> None:
    """Replace what stands between a marker and the text `until`."""
    text = readme.read_text(encoding="utf-8")
    start = text.index("\n", text.index(marker)) + 1
    end = start + re.search(until, text[start:]).start()
    write_text(readme, text[:start] + "\n".join(lines) + text[end:])


def main() -> None:
    reports = ROOT / "reports"
    for path in sorted(reports.rglob("results.json")):
        rewrite_report(path.parent)
    for path in sorted(reports.rglob("scale.json")):
        rewrite_ladder(path.parent)
    default = read(reports / "char-vs-gpt2" / "results.json")
    table = [*to_markdown(loss_table(default)), "", headline(default)]
    marker = "<!-- From reports/char-vs-gpt2/results.json"
    replace_after(ROOT / "README.md", marker, table, until="\n\nThat is")
    index = reports / "README.md"
    vocabulary = [f"> {headline(read(reports / 'vocabulary' / 'results.json'))}"]
    replace_after(index, "<!-- From vocabulary/results.json", vocabulary, until="\n\n## ")
    ladder = to_markdown(bits_table(read(reports / "lecture" / "results.json")))
    marker = "What no lecture shows is the same walk with other tokens"
    replace_after(index, marker, ["", *ladder], until="\n\n")


if __name__ == "__main__":
    main()
