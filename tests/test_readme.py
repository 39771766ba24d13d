"""What the README and the reports say is what the tool wrote, and the README's code runs."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import jsonschema
import msgspec
import pytest

from gptkit.experiment import Experiment
from gptkit.files import to_json
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.report.calibration import markdown as calibration_markdown
from gptkit.report.command import command_line
from gptkit.report.ladder import SAMPLED_STAGES, bits_table
from gptkit.report.loss_table import loss_table
from gptkit.report.markdown import markdown
from gptkit.report.plots import PLOTS, figure_name, to_svg
from gptkit.report.rates import markdown as rates_markdown
from gptkit.report.scale import page as scale_page
from gptkit.report.sentences import headline
from gptkit.report.speed import markdown as speed_markdown
from gptkit.report.studies import study_page
from gptkit.report.table import to_markdown
from gptkit.results.json_schema import json_schema
from gptkit.results.read import read_checked
from gptkit.results.scale_schema import Scale
from gptkit.results.schema import Results
from gptkit.results.studies import FAIR, Study
from gptkit.results.summary import group_by_model, mean_bits

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
SCHEMA = ROOT / "toolkit" / "gptkit" / "results" / "results.schema.json"
FILES = sorted(
    path for name in ("results*.json", "scale.json") for path in (ROOT / "reports").rglob(name)
)
SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 40}


def read(path):
    """Results, a ladder or a study, by their kind."""
    return msgspec.json.decode(path.read_bytes(), type=Results | Scale | Study)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "reports")))
def test_committed_results_are_read_as_a_users_are(path):
    assert read_checked(path) == read(path)


def results(report):
    return read(ROOT / "reports" / report / "results.json")


def page(report):
    return (ROOT / "reports" / report / "report.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path, monkeypatch, text_file):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    real = Experiment.__init__

    def small(self, **options):
        real(self, **options | SMALL | {"data": str(text_file)})

    monkeypatch.setattr(Experiment, "__init__", small)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_results_are_of_their_type_and_obey_the_schema(path):
    # The same bytes again: a key that the type does not have, or has with a default, would show.
    assert to_json(read(path)) == path.read_text(encoding="utf-8")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


def test_each_report_has_committed_results():
    assert {path.parent for path in FILES} == {
        path.parent for path in (ROOT / "reports").rglob("report.md")
    }
    assert {type(read(path)) for path in FILES} == {Results, Scale, *get_args(Study)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_page_of_a_study_or_a_ladder_is_of_its_results(path):
    found = read(path)
    if isinstance(found, Results):
        return
    if isinstance(found, Scale):
        figures = [f"scale-{model}.svg" for model in found.says]
        made = scale_page(found, figures=figures)
        assert all((path.parent / figure).is_file() for figure in figures)
    else:
        made = study_page(found)
    assert (path.parent / "report.md").read_text(encoding="utf-8") == made


def test_the_schema_is_what_the_tool_writes():
    assert SCHEMA.read_text(encoding="utf-8") == to_json(json_schema())


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: data | {"unknown": 1},
        lambda data: data | {"kind": "experiments"},
        lambda data: data | {"format": 2},
        lambda data: {key: value for key, value in data.items() if key != "arms"},
        lambda data: data | {"arms": [data["arms"][0] | {"seed": "0"}]},
    ],
    ids=["unknown key", "unknown kind", "other format", "missing key", "wrong type"],
)
def test_the_schema_refuses_what_the_type_refuses(break_it):
    path = ROOT / "reports" / "char-vs-gpt2" / "results.json"
    broken = break_it(json.loads(path.read_text(encoding="utf-8")))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(broken), type=Results | Scale | Study)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert not jsonschema.Draft202012Validator(schema).is_valid(broken)


@pytest.mark.parametrize("report", ["char-vs-gpt2", "char-byte-gpt2"])
def test_a_report_is_what_the_tool_writes_from_its_results(report):
    found = results(report)
    assert page(report) == markdown(found, figure=figure_name(found))


def test_the_sweep_over_vocabularies_is_what_the_tool_writes():
    flops = read(ROOT / "reports" / "vocabulary" / "results-2.json")
    found = results("vocabulary")
    assert page("vocabulary") == markdown(found, beside=[flops], figure="vocabulary.svg")
    assert (found.match.by, flops.match.by) == ("bytes", "flops")
    assert headline(found) in INDEX


def test_the_study_of_models_is_what_the_tool_writes():
    technical = read(ROOT / "reports" / "robustness" / "results-2.json")
    found = results("robustness")
    assert page("robustness") == markdown(found, beside=[technical], figure="vocabulary.svg")
    assert technical.corpus.name == "linux-doc-12mb.txt"


def test_what_fast_favours_was_measured():
    technical = read(ROOT / "reports" / "robustness" / "results-2.json")
    bits = {
        (seeds[0].model, seeds[0].tokenizer): mean_bits(seeds)
        for seeds in group_by_model(technical.arms)
    }
    gain = bits["decoder", "char+bytes"] - bits["fast", "char+bytes"]
    cost = bits["fast", "bpe:4096"] - bits["decoder", "bpe:4096"]
    claim = f"takes {gain:.2f} bits per byte off char+bytes and adds {cost:.2f} to bpe:4096"
    assert claim in README
    models = next(f for f in fields(ExperimentConfig) if f.name == "models")
    assert claim in models.metadata["help"]


def test_the_ladder_is_what_the_tool_writes():
    found = results("lecture")
    assert page("lecture") == markdown(found, figure="ladder.svg")
    assert "\n".join(to_markdown(bits_table(found))) in INDEX
    assert command_line(found) in INDEX


@pytest.mark.parametrize("report", ["char-byte-gpt2", "vocabulary", "robustness", "lecture"])
def test_a_committed_figure_shows_the_committed_results(report):
    folder = ROOT / "reports" / report
    beside = [read(path) for path in sorted(folder.glob("results-*.json"))]
    experiments = [results(report), *beside]
    name = figure_name(experiments[0])
    drawn = to_svg(PLOTS[name.removesuffix(".svg")](experiments)).decode()
    committed = (folder / name).read_text(encoding="utf-8")
    texts = re.compile(r"<text[^>]*>([^<]*)</text>")
    assert len(texts.findall(committed)) > 5
    assert texts.findall(committed) == texts.findall(drawn)


def test_the_readme_shows_babble_become_shakespeare():
    samples = {arm.id: arm.samples[0].text for arm in results("lecture").arms}
    for stage in SAMPLED_STAGES:
        text = samples[f"char-{stage}-s0"]
        assert "\n".join(f"    {line}".rstrip() for line in text.strip("\n").split("\n")) in INDEX


def test_the_calibration_of_the_verdict_is_what_the_tool_writes():
    assert page("verdict") == calibration_markdown(results("verdict"))


def test_the_study_of_rates_is_what_the_tool_writes():
    study = results("recipes")
    assert page("recipes") == rates_markdown(study)
    assert [recipe.model for recipe in study.recipes] == ["decoder", "gpt2", "qwen3"]
    worst = [[max(r.mean for r in of.values()) for of in m.regret.values()] for m in study.recipes]
    shared, rule = (max(of) for of in zip(*worst, strict=True))
    assert rule <= FAIR < shared
    assert f"costs up to {shared:.3f} bits per byte" in README
    assert f"by that rule the cost is {rule:.3f} at most for all three" in README


def test_the_measured_speed_is_what_the_tool_writes():
    assert page("speed") == speed_markdown(results("speed"))


def test_the_speed_that_the_readme_claims_was_measured():
    measured = results("speed").measurements
    ratio = {m.name: m.ratio for m in measured}
    assert "1.8857 nats per character" in README
    assert f"about {ratio['time-to-loss-fast']:.0f} times faster than nanoGPT's recipe" in README
    assert f"`decoder` about {ratio['time-to-loss-decoder']:.0f} times faster" in README


def test_the_readme_shows_the_committed_results():
    found = results("char-vs-gpt2")
    assert "\n".join(to_markdown(loss_table(found))) in README
    assert headline(found) in README
    assert command_line(found) in README


def test_the_readmes_verdicts_are_the_committed_ones():
    shown = re.findall(r"^    (\w+ vs \w+ under .*)$", README, re.MULTILINE)
    assert shown
    assert set(shown) <= {v.message for v in results("char-byte-gpt2").verdict}


PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / room / "README.md" for room in ("toolkit", "tokenizers", "tests", "reports")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    near = [page.parent / link for link in links if link and "://" not in link]
    scripts = [ROOT / script for script in re.findall(r"`python (tests/\S+\.py)`", text)]
    assert [str(path) for path in (*near, *scripts) if not path.exists()] == []
