"""A whole ladder: trained, judged, written, resumed, and reported."""

import json
from html import unescape
from itertools import pairwise

import jsonschema
import pytest

import gptkit
from gptkit.errors import ConfigError, RunError, Stopped
from gptkit.events import StepDone
from gptkit.plan.scale import ScaleConfig
from gptkit.report.scale import command
from gptkit.results.json_schema import json_schema
from gptkit.results.scale import compose_scale

ASKED = {
    "tokenizers": ("char", "bpe:280"),
    "models": ("bigram",),
    "budget": "16KB",
    "bytes_per_step": 256,
    "context_bytes": 32,
    "sample_bytes": 20,
}


@pytest.fixture(scope="module")
def ladder(tmp_path_factory, english):
    folder = tmp_path_factory.mktemp("ladder")
    text = folder / "text.txt"
    text.write_text(english * 5, encoding="utf-8")
    result = gptkit.scale(**ASKED, data=str(text), out=folder / "runs", name="l", jobs=1)
    return text, result


def test_every_rung_is_an_experiment(ladder):
    _, result = ladder
    rungs = ["1-2kB", "2-4kB", "3-8kB", "4-16kB"]
    assert list(dict.fromkeys(rung.folder for rung in result.data.rungs)) == rungs
    for name in rungs:
        one = gptkit.load_result(result.folder / name)
        assert len(one.arms) == 2 * 3
        assert len(one.arms[0].curve) == 1
        means = {r.tokenizer: r.bits_per_byte for r in result.data.rungs if r.folder == name}
        for arm in one.arms[:1]:
            same = [a.val.bits_per_byte for a in one.arms if a.tokenizer == arm.tokenizer]
            assert means[arm.tokenizer] == pytest.approx(sum(same) / 3)


def test_scale_json_has_the_schema_and_is_read_again(ladder):
    _, result = ladder
    written = json.loads((result.folder / "scale.json").read_text())
    jsonschema.validate(written, json_schema())
    assert gptkit.load_scale(result.folder).data == result.data
    assert {"rungs", "fits", "predicted", "found", "crossovers"} <= written.keys()
    (pair,) = written["crossovers"]
    assert {"a", "b", "status", "set_bytes", "says"} <= pair.keys()
    found = written["found"][0]
    top = {r["tokenizer"]: r["bits_per_byte"] for r in written["rungs"][-2:]}
    assert found["delta_bits_per_byte"] == pytest.approx(top[found["b"]] - top[found["a"]])
    assert result.data.says["bigram"] == str(result)
    assert len(result.to_frame()) == 8
    assert "bits per byte" in result._repr_html_()


def test_a_lead_that_may_be_chance_is_said_to_be(ladder, monkeypatch):
    _, result = ladder
    folders = dict.fromkeys(rung.folder for rung in result.data.rungs)
    rungs = [gptkit.load_result(result.folder / name).data for name in folders]
    asked = {"config": result.data.experiment, "axis": "bytes", "factor": 2.0, "extrapolate": 10.0}
    whole = compose_scale(result.folder, rungs, **asked, seconds=1.0)
    assert whole.says == result.data.says
    assert "by chance" not in whole.says["bigram"]
    monkeypatch.setattr("gptkit.results.scale.ALPHA", 0.0)
    doubted = compose_scale(result.folder, rungs, **asked, seconds=1.0)
    assert ", maybe by chance among 1 pairs. " in doubted.says["bigram"]


def test_a_stopped_ladder_is_resumed_with_the_same_numbers(ladder, tmp_path):
    text, whole = ladder

    def stop(arm, event):
        if arm.schedule.steps == 31 and isinstance(event, StepDone):
            raise KeyboardInterrupt

    asked = {**ASKED, "data": str(text), "out": tmp_path, "name": "l", "jobs": 1}
    with pytest.raises(Stopped):
        gptkit.scale(**asked, on_event=stop)
    assert sorted(p.name for p in (tmp_path / "l").iterdir()) == ["1-2kB", "2-4kB", "3-8kB"]
    trained = set()

    def note(arm, event):
        if isinstance(event, StepDone):
            trained.add(arm.schedule.steps)

    again = gptkit.scale(**asked, resume=True, on_event=note)
    assert trained == {31, 62}  # the rung that was stopped and the one above it
    assert [r.bits_per_byte for r in again.data.rungs] == [
        r.bits_per_byte for r in whole.data.rungs
    ]
    assert again.crossovers == whole.crossovers


def test_a_ladder_grows_by_a_rung(ladder, tmp_path):
    text, whole = ladder
    asked = {**ASKED, "data": str(text), "out": tmp_path, "name": "l", "jobs": 1}
    gptkit.scale(**asked | {"budget": "8KB"}, rungs=3)
    trained = set()

    def note(arm, event):
        if isinstance(event, StepDone):
            trained.add(arm.schedule.steps)

    grown = gptkit.scale(**asked, resume=True, on_event=note)
    assert trained == {16_000 // 256}  # the new rung alone
    assert [r.bits_per_byte for r in grown.data.rungs] == [
        r.bits_per_byte for r in whole.data.rungs
    ]


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"budget": "24KB"}, "1-2kB, 2-4kB, 3-8kB, 4-16kB"),
        ({"rungs": 3}, "1-2kB, 2-4kB, 3-8kB, 4-16kB"),
        ({"budget": "8KB", "rungs": 3}, "4-16kB"),
    ],
)
def test_a_ladder_is_not_continued_as_another(ladder, changes, left_out):
    text, whole = ladder
    out = whole.folder.parent
    before = sorted(path.name for path in whole.folder.iterdir())
    with pytest.raises(ConfigError, match=f"rungs that this would leave out: {left_out}\\."):
        gptkit.scale(**ASKED | changes, data=str(text), out=out, name="l", jobs=1, resume=True)
    assert sorted(path.name for path in whole.folder.iterdir()) == before


def test_a_rung_that_fails_says_how_to_continue_the_ladder(ladder, tmp_path):
    text, _ = ladder

    def fail(arm, event):
        raise RunError("the disk is full")

    with pytest.raises(RunError, match=r"disk is full\n.*whole ladder .* name='l'"):
        gptkit.scale(**ASKED, data=str(text), out=tmp_path, name="l", jobs=1, on_event=fail)
    assert not (tmp_path / "l").exists()


def test_the_command_runs_the_ladder_again(ladder):
    text, result = ladder
    assert command(result.data) == (
        f"gptkit scale --tokenizers char,bpe:280 --models bigram --data {text} --budget 16000B "
        "--seeds 3 --context-bytes 32 --bytes-per-step 256 --sample-bytes 20 --rungs 4 --factor 2"
    )


def test_the_report_has_the_answer_and_a_figure(ladder, gptkit, tmp_path):
    _, result = ladder
    code, out, _ = gptkit("report", result.folder, "--out", tmp_path / "r")
    pages = [str(tmp_path / "r" / name) for name in ("report.html", "report.md")]
    assert (code, out.split()) == (0, pages)
    page = (tmp_path / "r" / "report.md").read_text()
    assert result.data.says["bigram"].split(".")[0].replace("_", "\\_") in page
    assert "scale-bigram.svg" in page
    html = (tmp_path / "r" / "report.html").read_text()
    assert result.data.says["bigram"] in unescape(html)
    assert html.count("<svg viewBox") >= 2
    assert (tmp_path / "r" / "scale-bigram.svg").read_text().startswith("<?xml")


def test_the_terminal_shows_tables_the_strip_and_the_answer(ladder, gptkit, monkeypatch):
    text, result = ladder
    monkeypatch.setenv("COLUMNS", "80")
    out_folder = result.folder.parent
    args = ("scale", "-t", "char,bpe:280", "-m", "bigram", "-d", text, "--budget", "16KB")
    more = ("--bytes-per-step", 256, "--context-bytes", 32, "--sample-bytes", 20)
    where = ("--out", out_folder, "--name", "l", "--resume", "--jobs", 1)
    code, out, err = gptkit(*args, *more, *where)
    assert code == 0, err
    assert "Bits per byte at each rung, mean of 3 seeds" in out
    assert "Who leads at which budget" in out
    assert "The order (" in out.replace("\n", " ")
    assert max(map(len, out.splitlines()[:-1])) <= 80


@pytest.mark.usefixtures("soon")
def test_a_dry_run_says_what_each_rung_costs(ladder, gptkit):
    text, _ = ladder
    args = ("scale", "-t", "char,bpe:280", "-d", text, "--budget", "16KB", "--dry-run", "--json")
    code, out, _ = gptkit(*args)
    costs = json.loads(out)
    assert (code, list(costs)) == (0, ["1-2kB", "2-4kB", "3-8kB", "4-16kB"])
    assert all(len(cost["arms"]) == 6 for cost in costs.values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--rungs", 2), "rungs is 2"),
        (("--budget", "9MB"), "Beyond 4 times"),
        (("--axis", "both", "-m", "bigram"), "bigram has one size"),
        (("--resume", "--name", "none"), "there is nothing to resume"),
        (("-t", "char"), "give at least two"),
        (("--split", 0.99), "a ladder's intervals need at least 4,096"),
    ],
)
def test_a_wrong_ladder_is_refused_before_training(ladder, gptkit, tmp_path, more, message):
    text, _ = ladder
    code, out, err = gptkit("scale", "-t", "char,byte", "-d", text, "--out", tmp_path / "o", *more)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "o").exists()


def test_a_printed_ladder_is_read_back(gptkit, tmp_path):
    own = ("--rungs", 6, "--factor", 3, "--axis", "params", "--extrapolate", 20)
    _, printed, _ = gptkit("scale", *own, "--budget", "2MB", "--print-config")
    (tmp_path / "ladder.toml").write_text(printed)
    again = ("scale", "--config", tmp_path / "ladder.toml", "--print-config")
    assert gptkit(*again)[:2] == (0, printed)
    code, other, _ = gptkit(*again, "--rungs", 5)
    assert (code, other) == (0, printed.replace("rungs = 6", "rungs = 5"))
    code, _, err = gptkit("compare", *again[1:])
    assert (code, "has no option 'rungs'" in err) == (2, True)


def test_sizes_are_a_ladder_too(ladder, tmp_path):
    text, _ = ladder
    result = gptkit.ScaleLadder(
        ScaleConfig(rungs=3, factor=4, axis="params"),
        tokenizers=("char", "byte"),
        models=("decoder",),
        data=str(text),
        budget="3KB",
        bytes_per_step=256,
        context_bytes=32,
        sample_bytes=20,
        seeds=2,
        out=tmp_path,
        jobs=1,
    ).run()
    sizes = list(dict.fromkeys(rung.params for rung in result.data.rungs))
    assert [round(b / a, 1) for a, b in pairwise(sizes)] == [4.0, 4.0]
    assert "parameters" in str(result)


def test_each_of_several_texts_has_a_ladder_if_it_is_long_enough(english, tmp_path, gptkit):
    texts = tmp_path / "texts"
    texts.mkdir()
    words = "government information development international " * 600
    for name, text in {"a": english * 5, "b": english, "c": words}.items():
        (texts / f"{name}.txt").write_text(text, encoding="utf-8")
    args = ("scale", "-t", "char,gpt2", "-m", "bigram", "-d", f"texts:{texts}", "--budget", "4KB")
    more = ("--bytes-per-step", 512, "--rungs", 3, "--seeds", 2, "--jobs", 1, "--json")
    code, out, err = gptkit(*args, *more, "--out", tmp_path / "o")
    assert code == 0, err
    found = json.loads(out)
    assert [pair["text"] for pair in found["crossovers"]] == [None, "a", "c"]
    assert "too short for a ladder of its own: b" in found["warnings"]
    assert found["says"]["bigram"].endswith(" But at 4.2 kB gpt2 is better on c.")


def test_what_is_no_ladder_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"has no scale\.json"):
        gptkit.load_scale(tmp_path)
    (tmp_path / "scale.json").write_text("{}")
    with pytest.raises(RunError, match="does not hold a ladder"):
        gptkit.load_scale(tmp_path)
    with pytest.raises(ConfigError, match="there is no option"):
        gptkit.scale(seed=3)
