"""What the README and the reports say is what the tool wrote, and the README's code runs."""

import json
import re
from pathlib import Path

import pytest

from gptkit.bench.rates import FAIR
from gptkit.experiment import Experiment
from gptkit.report.calibration import markdown as coverage_markdown
from gptkit.report.ladder import bits_table
from gptkit.report.markdown import command, loss_rows, markdown
from gptkit.report.plots import figure_of
from gptkit.report.rates import markdown as rates_markdown
from gptkit.report.speed import markdown as speed_markdown
from gptkit.results.ladder import SHOWN
from gptkit.results.summary import headline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 40}


def results(report):
    return json.loads((ROOT / "reports" / report / "results.json").read_text(encoding="utf-8"))


def page(report):
    return (ROOT / "reports" / report / "report.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path, monkeypatch, text_file):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    real = Experiment.__post_init__

    def small(self):
        for name, value in {**SMALL, "data": str(text_file)}.items():
            object.__setattr__(self, name, value)
        real(self)

    monkeypatch.setattr(Experiment, "__post_init__", small)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("report", ["char-vs-gpt2", "char-byte-gpt2"])
def test_a_report_is_what_the_tool_writes_from_its_results(report):
    found = results(report)
    assert page(report) == markdown(found, figure=figure_of(found))


def test_the_sweep_over_vocabularies_is_what_the_tool_writes():
    flops = ROOT / "reports" / "vocabulary" / "results-2.json"
    beside = [json.loads(flops.read_text(encoding="utf-8"))]
    found = results("vocabulary")
    assert page("vocabulary") == markdown(found, beside=beside, figure="vocabulary.svg")
    assert (found["match"]["by"], beside[0]["match"]["by"]) == ("bytes", "flops")
    assert headline(found) in README


def test_the_ladder_is_what_the_tool_writes():
    found = results("lecture")
    assert page("lecture") == markdown(found, figure="ladder.svg")
    assert "\n".join(bits_table(found)) in README
    assert command(found) in README


def test_the_readme_shows_babble_become_shakespeare():
    samples = {arm["id"]: arm["samples"][0]["text"] for arm in results("lecture")["arms"]}
    for stage in SHOWN:
        text = samples[f"char-{stage}-s0"]
        assert "\n".join(f"    {line}".rstrip() for line in text.strip("\n").split("\n")) in README


def test_the_proof_of_the_verdict_is_what_the_tool_writes():
    assert page("verdict") == coverage_markdown(results("verdict"))


def test_the_study_of_rates_is_what_the_tool_writes():
    study = results("recipes")
    assert page("recipes") == rates_markdown(study)
    for recipe in study["recipes"]:
        worst = {way: max(r["mean"] for r in of.values()) for way, of in recipe["regret"].items()}
        assert worst["rule"] <= FAIR
    (decoder,) = [recipe for recipe in study["recipes"] if recipe["model"] == "decoder"]
    shared, rule = (max(r["mean"] for r in of.values()) for of in decoder["regret"].values())
    assert f"costs up to {shared:.3f} bits per byte" in README
    assert f"by that rule {rule:.3f}" in README


def test_the_measured_speed_is_what_the_tool_writes():
    assert page("speed") == speed_markdown(results("speed"))


def test_the_speed_that_the_readme_claims_was_measured():
    measured = results("speed")["measurements"]
    fast = next(m for m in measured if m["name"].startswith("time-to-loss"))
    assert "1.8857 nats per character" in README
    assert f"`fast` reaches it some {fast['ratio']:.0f} times sooner" in README


def test_the_readme_shows_the_committed_results():
    result = results("char-vs-gpt2")
    assert "\n".join(loss_rows(result)) in README
    assert headline(result) in README
    assert command(result) in README


def test_the_readmes_verdicts_are_the_committed_ones():
    shown = re.findall(r"^    (\w+ vs \w+ under .*)$", README, re.MULTILINE)
    assert shown
    assert set(shown) <= {v["says"] for v in results("char-byte-gpt2")["verdict"]}
