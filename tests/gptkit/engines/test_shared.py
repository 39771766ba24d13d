"""Several commands share an experiment's arms by claims in its folder."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

import gptkit
from gptkit.engines.claims import claim, claimed_by
from gptkit.engines.experiment_folder import make_folder
from gptkit.engines.shared import SharedEngine
from gptkit.errors import ArmTaken, ConfigError
from gptkit.plan.execution_config import ExecutionConfig

WORDS = ["-t", "char,byte", "-m", "bigram", "--seeds", "2", "--budget", "60steps"]
WORDS += ["--bytes-per-step", "256", "--context-bytes", "32", "--sample-bytes", "10", "--jobs", "1"]


def start(text_file, out, *more):
    words = ["compare", *WORDS, "-d", text_file, "--out", out, "--name", "a", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "gptkit", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def timeless(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    for arm in found["arms"]:
        arm["train"]["seconds"] = 0
        for point in arm["curve"]:
            point["seconds"] = 0
    return found["arms"], found["verdict"][0]["delta_bits_per_byte"]


@pytest.mark.slow  # three commands; the tests below share an experiment in one process
def test_two_commands_share_the_arms_and_none_is_trained_twice(text_file, tmp_path):
    both = [start(text_file, tmp_path, "--claim") for _ in range(2)]
    for command in both:
        _, err = command.communicate(timeout=120)
        assert command.returncode == 0, err
    lines = (tmp_path / "a" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    done = [r for r in records if r.get("event", {}).get("event") == "done"]
    trained = Counter(record["arm"] for record in done if not record["event"]["kept"])
    assert set(trained.values()) == {1}
    assert len(trained) == 4
    alone = start(text_file, tmp_path / "alone")
    alone.communicate(timeout=120)
    assert alone.returncode == 0
    assert timeless(tmp_path / "a" / "results.json") == timeless(
        tmp_path / "alone" / "a" / "results.json"
    )
    assert not (tmp_path / "a" / ".claims").exists()


@pytest.fixture
def share(text_file, tmp_path):
    """An experiment of two arms, shared."""

    def make(**options):
        return gptkit.Experiment(
            tokenizers=["char", "byte"],
            models=["bigram"],
            data=str(text_file),
            out=str(tmp_path),
            name="a",
            claim=True,
            budget="8steps",
            bytes_per_step=256,
            context_bytes=32,
            jobs=1,
            **options,
        )

    return make


def test_an_arm_that_is_held_is_waited_for(share, tmp_path):
    held, other_is_done = threading.Event(), threading.Event()
    events = []

    def hold():
        with claim(tmp_path / "a" / "char-bigram-s0"):
            held.set()
            other_is_done.wait(60)

    def on_event(arm, event):
        events.append((arm.id, type(event).__name__))
        if events[-1] == ("byte-bigram-s0", "ArmDone"):
            other_is_done.set()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    share().run(on_event)
    holder.join()
    finished = [arm for arm, kind in events if kind == "ArmDone"]
    assert finished == ["byte-bigram-s0", "char-bigram-s0"]  # the free one first


def test_results_that_another_command_has_written_are_taken(share, tmp_path):
    first = share().run()
    file = tmp_path / "a" / "results.json"
    before = file.stat().st_mtime_ns
    second = share().run()
    assert file.stat().st_mtime_ns == before
    assert second.data == first.data


def test_another_experiment_of_that_name_is_refused(share):
    share().run()
    with pytest.raises(ConfigError, match="was trained with other options"):
        share(sample_bytes=11).run()


def test_an_arm_that_another_command_trains_with_other_options_is_refused(share, monkeypatch):
    monkeypatch.setattr(SharedEngine, "run", lambda *_: pytest.fail("it was to be refused before"))
    folder = make_folder(["char", "byte"], share().execution)
    with (
        claim(folder / "char-bigram-s0", purpose="another training"),
        pytest.raises(ConfigError, match=r"is being trained by process .* with other options"),
    ):
        share().run()
    assert not list(folder.glob("*-s0"))  # nothing was trained beside it


def test_an_arm_finished_meanwhile_with_other_options_is_never_replaced(
    share, tmp_path, monkeypatch
):
    """Both commands have looked at an empty folder; the other one was faster."""
    share().run()
    arms = [tmp_path / "a" / f"{name}-bigram-s0" for name in ("char", "byte")]
    before = [(arm / "weights.safetensors").stat().st_mtime_ns for arm in arms]
    monkeypatch.setattr("gptkit.experiment.single.kept_arms", lambda *_: {})
    with pytest.raises(ConfigError, match="was trained with other options"):
        share(sample_bytes=11).run()
    assert [(arm / "weights.safetensors").stat().st_mtime_ns for arm in arms] == before


@pytest.mark.slow
def test_a_second_command_with_other_options_ends_and_the_first_goes_on(text_file, tmp_path):
    first = start(text_file, tmp_path, "--claim", "--budget", "400steps")
    arm = tmp_path / "a" / "char-bigram-s0"
    until = time.monotonic() + 60
    while claimed_by(arm) is None and time.monotonic() < until:
        time.sleep(0.01)
    second = start(text_file, tmp_path, "--claim", "--budget", "60steps")
    _, err = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "with other options" in err
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    found = json.loads((tmp_path / "a" / "results.json").read_text(encoding="utf-8"))
    for arm in found["arms"]:
        run = gptkit.load_run(tmp_path / "a" / arm["id"])
        assert run.config.schedule.steps == 400
        assert arm["val"]["bits_per_byte"] == run.result.val.bits_per_byte


def test_without_claim_a_held_arm_is_an_error(share, tmp_path):
    experiment = share()
    experiment.execution = replace(experiment.execution, claim=False, resume=True)
    with (
        claim(tmp_path / "a" / "char-bigram-s0"),
        pytest.raises(ConfigError, match="is being trained by process"),
    ):
        experiment.run()


def test_the_folder_is_made_by_the_first_and_used_by_the_others(tmp_path):
    execution = ExecutionConfig(out=str(tmp_path), claim=True)
    folders = {make_folder(["char", "gpt2"], execution) for _ in range(3)}
    assert folders == {tmp_path / "char-vs-gpt2"}


def test_an_arm_taken_between_the_look_and_the_start_is_left_out(share, monkeypatch):
    import gptkit.engines.processes as processes

    real, tries = processes.run_arm, []

    def run_arm(job, *args):
        tries.append(job.arm.id)
        if len(tries) == 1:
            raise ArmTaken("another was faster")
        return real(job, *args)

    monkeypatch.setattr(processes, "run_arm", run_arm)
    monkeypatch.setattr("gptkit.engines.shared.POLL_SECONDS", 0.01)
    result = share().run()
    assert len(result.arms) == 2
    assert tries == ["char-bigram-s0", "byte-bigram-s0", "char-bigram-s0"]


def test_it_looks_again_while_others_hold_everything(tmp_path):
    class Job:
        folder = tmp_path / "x"

        class arm:
            id = "x"

    class Engine:
        def run(self, jobs, on_event):
            return {"x": "result"}

    waits = []
    with claim(Job.folder):
        held = threading.Event()

        def sleep(seconds):
            waits.append(seconds)
            held.set()
            if len(waits) == 3:
                raise TimeoutError

        with pytest.raises(TimeoutError):
            SharedEngine(Engine(), sleep=sleep).run([Job], lambda *_: None)
    assert len(waits) == 3
    assert SharedEngine(Engine(), sleep=sleep).run([Job], lambda *_: None) == {"x": "result"}


def test_a_file_system_without_locks_is_refused(share, monkeypatch):
    import gptkit.engines.claims as claims

    class NoLocks:
        def __init__(self, *args, **options):
            pass

        def acquire(self, timeout):
            raise NotImplementedError

    monkeypatch.setattr(claims, "FileLock", NoLocks)
    with pytest.raises(ConfigError, match="has no locks"):
        share().run()
