"""Colour in what compare prints: on a terminal, or where FORCE_COLOR asks; never with NO_COLOR."""

import re

import pytest
from factories import make_results

from gptkit.cli import progress
from gptkit.experiment import Experiment
from gptkit.report.result import Result

COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|4[0-7]|9[0-7]|38|48)[0-9;]*m")


@pytest.fixture
def compare(gptkit, monkeypatch, tmp_path):
    """Call compare with some environment -> stdout; the results are made up, nothing is trained."""
    result = Result(make_results(), tmp_path)
    monkeypatch.setattr(progress, "encode_shown", lambda *args, **options: None)
    monkeypatch.setattr(progress, "run_plain", lambda experiment, left: result)
    monkeypatch.setattr(progress, "estimate_time", lambda experiments: None)
    monkeypatch.setattr(Experiment, "untuned_plan", lambda experiment: None)

    def call(**environment):
        monkeypatch.setenv("TERM", "xterm-256color")
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code, out, _ = gptkit("compare")
        assert code == 0
        return out

    return call


def test_compare_prints_no_escape_code_to_a_pipe(compare):
    out = compare()
    assert "warning: there is one seed" in out
    assert "\x1b" not in out


def test_force_color_colours_what_goes_to_a_pipe(compare):
    out = compare(FORCE_COLOR="1")
    assert COLOUR.search(out)
    assert "\x1b[33mwarning: there is one seed" in out
    assert re.sub(r"\x1b\[[0-9;]*m", "", out) == compare()


def test_no_color_wins_over_force_color(compare):
    out = compare(FORCE_COLOR="1", NO_COLOR="1")
    assert "warning: there is one seed" in out
    assert not COLOUR.search(out)
