"""Arms in several processes: the same results, and failures that are told."""

import subprocess
import sys
from collections import Counter

import pytest
import torch

import gptkit
from gptkit.engines import processes
from gptkit.engines.arm import ArmDone
from gptkit.errors import TrainingError
from gptkit.experiment import Experiment
from gptkit.train.loop import Evaluated, StepDone

SMALL = {"budget": "20KB", "sample_bytes": 20}


def timeless(value):
    if isinstance(value, dict):
        return {
            k: timeless(v) for k, v in value.items() if k not in ("seconds", "at_a_time", "name")
        }
    return [timeless(v) for v in value] if isinstance(value, list) else value


@pytest.fixture
def one_thread():
    """Every arm has one thread, alone or beside another: PyTorch rounds by their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_two_at_a_time_give_what_one_after_another_gives(text_file, tmp_path):
    heard, results = [], []
    for jobs in (1, 2):
        events = Counter()
        result = gptkit.compare(
            data=str(text_file),
            models=["decoder"],
            seeds=2,
            out=tmp_path,
            jobs=jobs,
            on_event=lambda arm, event, events=events: events.update([(arm.id, type(event))]),
            **SMALL,
        )
        heard.append(events)
        results.append(result.to_dict())
    assert heard[0] == heard[1]
    arms = {arm for arm, _ in heard[0]}
    assert len(arms) == 4
    for arm in arms:
        assert heard[1][arm, ArmDone] == 1
        assert heard[1][arm, Evaluated] == 4
        assert heard[1][arm, StepDone] == 20
    assert results[1]["machine"]["at_a_time"] == 2
    assert timeless(results[0]) == timeless(results[1])


@pytest.mark.parametrize("command", ["import sys; sys.exit(3)", "print(1)"])
def test_a_worker_that_dies_is_told_of(text_file, tmp_path, monkeypatch, command):
    monkeypatch.setattr(processes, "COMMAND", command)
    with pytest.raises(TrainingError, match=r"(?s)with code .* before it was ready.*--jobs 1"):
        gptkit.compare(data=str(text_file), seeds=2, out=tmp_path, jobs=2, **SMALL)


def test_what_a_worker_raises_is_raised_here_and_the_others_stop(text_file, tmp_path, monkeypatch):
    hired, real = [], subprocess.Popen

    def hire(*args, **kwargs):
        hired.append(real(*args, **kwargs))
        return hired[-1]

    monkeypatch.setattr(subprocess, "Popen", hire)

    def occupied(job, *, on_event):
        """An arm that goes on here until the worker has failed with the other."""
        while True:
            on_event(job.arm, StepDone(step=1, loss=1, seconds=1, train_bytes=1, train_tokens=1))

    monkeypatch.setattr(processes, "run_arm", occupied)
    experiment = Experiment(data=str(text_file), models=["bigram"], out=tmp_path, jobs=2, **SMALL)
    for arm in experiment.plan():  # a worker cannot write where a file is
        (tmp_path / "taken").mkdir(exist_ok=True)
        (tmp_path / "taken" / arm.id).write_text("")
    monkeypatch.setattr(Experiment, "_make_folder", lambda self: tmp_path / "taken")
    with pytest.raises(OSError, match="bigram-s0"):
        experiment.run()
    assert len(hired) == 1
    assert hired[0].wait(10) is not None


def test_small_experiments_and_timed_ones_stay_in_one_process(text_file):
    timed = Experiment(data=str(text_file), match="time", budget="60s", seeds=5)
    assert timed.cost()["processes"] == 1
    small = Experiment(data=str(text_file), **SMALL)
    assert small.cost()["processes"] == 1
    assert Experiment(data=str(text_file), jobs=2, **SMALL).cost()["processes"] == 2
    assert Experiment(data=str(text_file), jobs=9, **SMALL).cost()["processes"] == 4


def test_a_script_without_a_main_guard_may_compare(text_file, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import gptkit\ngptkit.compare(data={str(text_file)!r}, models=['bigram'], "
        f"out={str(tmp_path)!r}, jobs=2, budget='20KB', sample_bytes=20)\nprint('once')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr
