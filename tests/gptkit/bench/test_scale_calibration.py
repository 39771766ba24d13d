"""Calibrations of ladders and of added seeds, small; the reports hold the large ones."""

import json

import numpy as np
import pytest

from gptkit.bench.scale_calibration import Trial, calibrate_scale, counted_trials, coverage
from gptkit.bench.sequential_calibration import calibrate_sequential
from gptkit.report.studies import study_page
from gptkit.results.crossovers import Ladder


@pytest.fixture
def small(monkeypatch):
    """Sources, truths and texts that take seconds."""
    module = "gptkit.bench.scale_calibration"
    for name, value in {
        "TEXT_CHARS": 500_000,
        "TRUTH_BYTES": 20_000,
        "TRUTH_ARMS": 2,
        "TRUTH_POINTS": 4,
        "VAL_BYTES": 20_000,
        "LEARNING_CHARS": 30_000,
        "TOPS": (16_000,),
        "SOURCES": ((3, 5),),
        "TRAINED_STEPS": 8,
    }.items():
        monkeypatch.setattr(f"{module}.{name}", value)


@pytest.mark.slow
def test_ladders_are_held_against_their_truths(small):
    done = []
    found = calibrate_scale(ladders=4, pool=4, on_done=lambda: done.append(1))
    four, six, copies, trained = found.coverage
    assert [four.arms, six.arms] == [f"counted, up to 16 kB, {n} rungs" for n in (4, 6)]
    assert (copies.arms, trained.arms) == ("copies of char", "decoders, trained")
    assert [row.pairs for row in found.coverage] == [3, 3, 1, 1]
    assert copies.crossovers == 0
    assert copies.false_crossovers == 0
    assert len(done) == 4 + 8 + 2 * 4 * 4
    page = study_page(found)
    assert "gptkit calibrate scale --trials 4 --copies 4" in page


def test_a_wrong_truth_is_not_held(small):
    trials = counted_trials(3, 5, ladders=3, top=16_000, on_done=lambda: None)
    right = coverage("", trials)
    assert right.top > 0.5
    for trial in trials:
        for pair in trial.top:
            trial.top[pair] += 5.0
    assert coverage("", trials).top == 0


def test_a_crossover_below_the_lowest_rung_is_not_of_the_ladder(small):
    (trial,) = counted_trials(3, 5, ladders=1, top=16_000, on_done=lambda: None)
    for at, n_crossovers in ((1_999.0, 0), (2_000.0, 3)):
        trial.crossover.update(dict.fromkeys(trial.crossover, at))
        assert coverage("", [trial]).crossovers == n_crossovers


@pytest.mark.parametrize(("crossover", "false"), [(None, 0), (800.0, 0), (801.0, 1)])
def test_a_lead_is_false_if_it_turns_beyond_the_top_rung(crossover, false):
    lead = np.array([0.0, 0.1])[:, None, None, None]
    ladder = Ladder(
        tokenizers=("a", "b"),
        budgets=np.array([100.0, 200.0, 400.0, 800.0]),
        bits=np.broadcast_to(lead + 2.0, (2, 4, 3, 30)) * 2048.0,
        block_bytes=np.full(30, 2048),
    )
    found = coverage(
        "", [Trial(ladder=ladder, top={("a", "b"): 0.1}, crossover={("a", "b"): crossover})]
    )
    assert found.false_leads == false


def test_added_seeds_hold_their_error_rate():
    found = calibrate_sequential(trials=60)
    # 60 trials at 5 %: 9 or more claims have a probability below 0.2 %.
    assert all(share < 9 / 60 for share in found.false_claims.values())
    assert found.without_levels["from the seeds"] > found.false_claims["from the seeds"]
    assert "gptkit calibrate until --trials 60" in study_page(found)


def test_calibrations_are_commands(gptkit, tmp_path):
    out = tmp_path / "u"
    code, text, _ = gptkit("calibrate", "until", "--trials", 5, "--out", out, "--json")
    assert code == 0
    assert json.loads((out / "results.json").read_text()) == json.loads(text)
    assert gptkit("report", out)[0] == 0
    code, _, err = gptkit("calibrate", "published")
    assert (code, "needs the folder" in err) == (2, True)
    for name, option in (("until", "data"), ("scale", "data"), ("published", "copies")):
        words = () if name != "published" else ("--data", tmp_path)
        code, _, err = gptkit("calibrate", name, *words, f"--{option}", 5)
        assert (code, f"Leave --{option} out" in err) == (2, True)
    code, _, err = gptkit("calibrate", "everything")
    assert (code, "there is no calibration" in err) == (2, True)


@pytest.mark.corpus
def test_published_laws_are_a_command(gptkit, shakespeare_folder, tmp_path):
    folder = shakespeare_folder / "scaling"
    if not folder.is_dir():
        pytest.skip("GPTKIT_DATA has no folder `scaling`")
    code, page, _ = gptkit("calibrate", "published", "--data", folder, "--trials", 10)
    assert code == 0
    assert "Tao et al., 2024" in page
    assert "0.06229" in page
