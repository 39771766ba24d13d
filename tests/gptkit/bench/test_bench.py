"""The measuring stick itself; what it measures is in reports, not in tests."""

import json
import math
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gptkit import bench
from gptkit.bench import (
    ablations,
    compact,
    encode,
    generate,
    parallel,
    startup,
    sweep,
    time_to_loss,
)
from gptkit.bench.measure import Measurement, alternate, machine, tightest
from gptkit.config import ModelConfig
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.eval.sampling import generate as cached
from gptkit.models import build_model
from gptkit.plan.recipes import fast
from gptkit.report.speed import markdown
from gptkit.results.studies import Ablations, Speed


def test_the_two_take_turns_after_one_run_that_is_not_counted():
    calls = []
    rounds = alternate(lambda: calls.append("baseline"), lambda: calls.append("ours"), rounds=3)
    assert calls == ["baseline", "ours"] * 4
    assert len(rounds) == 3


def test_a_ratio_is_of_the_medians_and_has_its_spread():
    m = Measurement(
        name="x", what="", against="", goal=2, rounds=((3.0, 1.0), (8.0, 2.0), (4.0, 4.0))
    )
    found = m.to_row()
    assert (found.baseline, found.ours, found.ratio) == (4.0, 2.0, 2.0)
    assert (found.lowest, found.highest) == (1.0, 4.0)
    assert found.rounds == [(3.0, 1.0), (8.0, 2.0), (4.0, 4.0)]


def test_a_round_that_missed_its_goal_is_recorded_without_a_number():
    m = Measurement(name="x", what="", against="", goal=2, rounds=((3.0, math.inf),))
    assert m.to_row().rounds == [(3.0, None)]
    assert m.to_row().ratio == 0


def test_the_tightest_is_nearest_to_its_goal():
    one, other = (
        Measurement(name="x", what="", against="", goal=goal, rounds=((ratio, 1.0),)).to_row()
        for ratio, goal in ((22.0, 20), (1.7, 1.6))
    )
    assert tightest([one, other]) is other


TINY = [
    *("--data", str(Path(__file__)), "--tokenizers", "char", "--budget", "4steps"),
    *("--context-bytes", "16", "--bytes-per-step", "64", "--sample-bytes", "9"),
]


def soon():
    short = partial(time_to_loss.baseline, steps=2)
    return time_to_loss.measure(1, baseline=short, target=9.9, corpus=corpus_of_chars())


def corpus_of_chars():
    corpus = load_corpus("markov:1")
    return encode_corpus(replace(corpus, val=corpus.val[:5000]), "char")


@pytest.mark.filterwarnings("ignore:using python-docs")
@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (
            lambda: soon(),
            [
                f"{what}-{r}"
                for r in ("fast", "decoder")
                for what in ("time-to-loss", "loss-in-time")
            ],
        ),
        (lambda: compact.measure(1, steps=2), ["compact"]),
        pytest.param(
            lambda: parallel.measure(1, words=TINY),
            ["parallel", "memory"],
            marks=pytest.mark.slow,  # its small version: tests/gptkit/engines/test_processes.py
        ),
        (lambda: generate.measure(1, n_tokens=20), ["generate"]),
        (
            lambda: encode.measure(1, n_bytes=1),
            ["encode-char", "encode-gpt2", "encode-gpt2-fast", "encode-shards"],
        ),
        (lambda: sweep.measure(1), ["sweep"]),
        (lambda: startup.measure(1), ["startup-help", "startup-encode"]),
    ],
    ids=bench.NAMES,
)
def test_every_measurement_measures(monkeypatch, measure, names):
    monkeypatch.setattr(sweep, "BATCHES", 2)
    for name, entrant in time_to_loss.ENTRANTS.items():
        monkeypatch.setitem(time_to_loss.ENTRANTS, name, replace(entrant, steps=3))
    measured = measure()
    assert [m.name for m in measured] == names
    for m in measured:
        assert m.ratio > 0
        if m.name == "parallel":  # over so few steps, rounding does not reach three decimals
            assert "losses at most 0.000 bits per byte apart" in m.what
        found = Speed(machine=machine(), rounds=1, measurements=[m.to_row()])
        assert m.what in markdown(found)


def test_recomputing_and_caching_write_the_same_text():
    # Untrained, both draw from the uniform distribution with the same seed.
    model = build_model(
        ModelConfig(n_layer=1),
        block_size=256,
        vocab_size=65,
        train_ids=np.arange(65),
        seed=0,
    ).eval()
    assert generate.recompute(model, 30) == list(islice(cached(model, [0]), 30))


PARTS = [
    Measurement(name="encode-char", what="a", against="b", goal=20, rounds=((30.0, 1.0),)),
    Measurement(name="encode-gpt2", what="c", against="d", goal=1.6, rounds=((1.7, 1.0),)),
]


def test_one_measurement_is_one_document(monkeypatch, gptkit):
    monkeypatch.setattr(bench, "measure", lambda name, rounds: PARTS)
    code, out, _ = gptkit("bench", "encode", "--json", "--rounds", 1)
    assert code == 0
    document = json.loads(out)
    assert document["name"] == "encode"
    assert document["tightest"].keys() >= {"name", "baseline", "ours", "ratio", "goal", "rounds"}
    assert (document["tightest"]["name"], document["tightest"]["ratio"]) == ("encode-gpt2", 1.7)
    assert [part["name"] for part in document["parts"]] == ["encode-char", "encode-gpt2"]


def test_all_measurements_are_written_as_results(monkeypatch, gptkit, tmp_path):
    monkeypatch.setattr(bench, "measure", lambda name, rounds: PARTS)
    code, out, _ = gptkit("bench", "--json", "--rounds", 1, "--out", tmp_path)
    assert code == 0
    assert (tmp_path / "results.json").read_text() == out
    found = msgspec.json.decode(out, type=Speed)
    assert len(found.measurements) == 2 * len(bench.NAMES)
    assert (tmp_path / "report.md").read_text() == markdown(found)


def test_an_unknown_measurement_is_refused(gptkit):
    code, out, err = gptkit("bench", "speed")
    assert (code, out) == (2, "")
    assert "There are: time-to-loss, compact" in err


@pytest.mark.slow
def test_without_each_choice_there_is_a_row(monkeypatch):
    monkeypatch.setattr(ablations, "MAX_STEPS", 2)
    corpus = load_corpus("markov:1")
    encoded = {spec: encode_corpus(corpus, spec) for spec in ("char", "gpt2")}
    rows = [ablations.bits_without(c, encoded, "4KB") for c in ("nothing", "Muon")]
    assert [row.without for row in rows] == ["nothing", "Muon"]
    assert all(row.bits_per_byte[spec] > 0 for row in rows for spec in encoded)
    assert rows[0].bits_per_byte["char"] != rows[1].bits_per_byte["char"]
    soon = ablations.time_to_loss("token shift", encoded["char"], target=99.0, first=1)
    never = ablations.time_to_loss("token shift", encoded["char"], target=0.0, first=1)
    assert (soon.steps, soon.reached, never.reached) == (1, True, False)
    found = Ablations(
        target=1.0,
        budget="4KB",
        time_to_loss=[soon, never],
        bits_per_byte={"markov:1": rows},
    )
    page = markdown(Speed(machine=machine(), rounds=1, measurements=[], ablations=found))
    assert f"| token shift | 1 | {soon.seconds:.1f} |" in page
    assert f"| more than {never.steps} | more than {never.seconds:.1f} |" in page
    assert f"| Muon | {rows[1].bits_per_byte['char']:.3f} " in page


@pytest.mark.parametrize("choice", ablations.CHOICES)
def test_a_choice_is_taken_out_alone(choice):
    configs = time_to_loss.ours(fast(), steps=9, batch_size=16)
    changed = ablations.without(choice, configs)
    different = {
        name
        for before, after in zip(configs, changed, strict=True)
        for name in before.__dataclass_fields__
        if getattr(before, name) != getattr(after, name)
    }
    assert different == set(ablations.CHOICES[choice])
