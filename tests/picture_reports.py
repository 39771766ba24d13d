"""Take a picture of each report for reports/README.md, as a browser shows its HTML page.

Needs Chromium. With the folder of the default comparison's runs as its argument, it also takes
pictures of the whole page in print, in the dark and on a phone.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from chromium import Page

from gptkit.cli import main

REPORTS = Path(__file__).parents[1] / "reports"
PLACES = {  # what is shown; of the other reports, the top of the page
    "char-vs-gpt2": "#curves figure",
    "char-byte-gpt2": "#curves figure",
    "vocabulary": "#vocabulary figure",
    "robustness": "#models table",
    "lecture": "#ladder figure",
    "marginal": "#after table",
    "tokenizers": "#losses table",
    "scale/linux-doc": "#losses figure",
}
WIDTH, HEIGHT, SCALE = 640, 330, 0.75


def call(*words: object) -> None:
    sys.argv = ["gptkit", *map(str, words)]
    with contextlib.suppress(SystemExit):
        main()


def take_pictures(page: Page, folder: Path) -> None:
    """Write picture.png beside each results.json and scale.json."""
    files = [*REPORTS.rglob("results.json"), *REPORTS.rglob("scale.json")]
    for report in sorted({path.parent for path in files}):
        name = str(report.relative_to(REPORTS))
        call("report", report, "--out", folder / name, "--format", "html")
        page.look(width=WIDTH)
        page.open(folder / name / "report.html")
        place = PLACES.get(name)
        page.picture(report / "picture.png", selector=place, height=HEIGHT, scale=SCALE)


def take_whole_page(page: Page, runs: Path) -> None:
    """Write pictures of the default comparison's page, with its loss map."""
    call("report", runs, "--format", "html")
    target = REPORTS / "char-vs-gpt2"
    page.look()
    page.open(runs / "report.html")
    page.picture(target / "map.png", selector="#loss-map", height=760, scale=0.7)
    page.look(dark=True)
    page.picture(target / "dark.png", height=1400, scale=0.5)
    page.look(media="print")
    page.picture(target / "print.png", height=1400, scale=0.5)
    page.look(width=390)
    page.open(runs / "report.html")
    page.picture(target / "phone.png", height=1800, scale=0.6)


if __name__ == "__main__":
    with Page() as page, tempfile.TemporaryDirectory() as made:
        if len(sys.argv) > 1:
            take_whole_page(page, Path(sys.argv[1]))
        take_pictures(page, Path(made))
