"""Trackers: each one's own reader finds the curves, and none can stop a training."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gptkit
from gptkit.cli import app
from gptkit.errors import ConfigError, RunError
from gptkit.events import ArmDone, Evaluated, StepDone
from gptkit.events.losses import Loss
from gptkit.trackers import guarded, subscribers, tracker
from gptkit.trackers.fields import config_fields, step_fields
from gptkit.trackers.guarded import GuardedTracker

SMALL = {"models": ["bigram"], "budget": "8steps", "bytes_per_step": 256, "context_bytes": 32}
ARMS = {"char-bigram-s0", "byte-bigram-s0"}
WANDB_BLOCK_BYTES = 32_768
WANDB_HEADER_BYTES = 7

READ_TRACKIO = """
import json
from trackio.sqlite_storage import SQLiteStorage as store
print(json.dumps({run: store.get_logs("gptkit", run) for run in store.get_runs("gptkit")}))
"""


def command(*words, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "gptkit", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def here(*words, **environment):
    """Call the command in this process: TensorBoard's files need no process of their own."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.stderr
    return done


def track_twice(place, trackers, call):
    """An experiment that tells trackers while it runs, and one that they are told of afterwards."""
    text = place / "text.txt"
    text.write_text("To be, or not to be, that is the question.\n" * 200, encoding="utf-8")
    environment = {
        "TRACKIO_DIR": str(place / "trackio"),
        "HOME": str(place),
        "OMP_NUM_THREADS": "1",
    }
    options = ["-t", "char,byte", "-m", "bigram", "-d", text, "--budget", "8steps"]
    options += ["--bytes-per-step", 256, "--context-bytes", 32, "--out", place, "--sample-bytes", 9]
    call("compare", *options, "--name", "live", "--track", trackers, **environment)
    call("compare", *options, "--name", "later", **environment)
    told = call("track", place / "later", "--to", trackers, **environment).stdout
    assert told.splitlines() == [
        f"{name} has 2 arms of {place / 'later'}" for name in trackers.split(",")
    ]
    return place


@pytest.fixture(scope="module")
def tracked_by_one(tmp_path_factory):
    pytest.importorskip("tensorboardX")
    return track_twice(tmp_path_factory.mktemp("tracked"), "tensorboard", here)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    for package in ("wandb", "mlflow", "trackio"):
        pytest.importorskip(package)
    return track_twice(tmp_path_factory.mktemp("tracked"), "wandb,mlflow,trackio", command)


def curve(folder, arm):
    """(bytes, bits per byte) of each evaluation, from the experiment's own record."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (found,) = (one for one in results["arms"] if one["id"] == arm)
    return [(point["train_bytes"], point["val_bits_per_byte"]) for point in found["curve"]]


both = pytest.mark.parametrize("name", ["live", "later"])


def close(found, expected):
    """TensorBoard keeps 32-bit floats: equal to 2**-24 of the number."""
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [v for _, v in found] == pytest.approx([v for _, v in expected], rel=2**-23)


@both
def test_tensorboard_reads_the_curves(tracked_by_one, name):
    tracked = tracked_by_one
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folders = {path.name for path in (tracked / name / "tensorboard").iterdir()}
    assert folders == ARMS
    for arm in ARMS:
        read = EventAccumulator(str(tracked / name / "tensorboard" / arm))
        read.Reload()
        found = [(event.step, event.value) for event in read.Scalars("val/bits_per_byte")]
        close(found, curve(tracked / name, arm))
        assert len(read.Scalars("train/loss_nats_per_token")) >= 1
        best = min(bits for _, bits in curve(tracked / name, arm))
        close([(0, read.Scalars("summary/best/val/bits_per_byte")[0].value)], [(0, best)])


# MLflow uses what its database library calls deprecated.
mlflow_reader = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
@both
@mlflow_reader
def test_mlflow_reads_the_curves(tracked, name):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tracked / name / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == ARMS
    for arm, run in runs.items():
        history = client.get_metric_history(run.info.run_id, "val/bits_per_byte")
        close([(m.step, m.value) for m in history], curve(tracked / name, arm))
        assert run.info.status == "FINISHED"
        assert run.data.params["schedule.steps"] == "8"
        assert run.data.tags["tokenizer"] == arm.split("-")[0]


def wandb_records(file):
    """The records of W&B's offline file: blocks of records as in LevelDB's log."""
    from wandb.proto import wandb_internal_pb2 as types

    data, at, whole = file.read_bytes(), WANDB_HEADER_BYTES, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if WANDB_BLOCK_BYTES - at % WANDB_BLOCK_BYTES < 7:
            at += WANDB_BLOCK_BYTES - at % WANDB_BLOCK_BYTES
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            record = types.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


@pytest.mark.slow
@both
def test_the_offline_file_of_weights_and_biases_has_the_curves(tracked, name):
    files = [*(tracked / name / "wandb").glob("offline-run-*/run-*.wandb")]
    found = {}
    for file in files:
        points, arm = [], None
        for record in wandb_records(file):
            if record.WhichOneof("record_type") == "run":
                arm, group = record.run.display_name, record.run.run_group
                assert group == name
            if record.WhichOneof("record_type") == "history":
                items = {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in record.history.item
                }
                if "val/bits_per_byte" in items:
                    points.append((items["train/bytes"], items["val/bits_per_byte"]))
        found[arm] = points
    assert found.keys() == ARMS
    for arm, points in found.items():
        close(points, curve(tracked / name, arm))


@pytest.mark.slow
@both
def test_trackio_reads_the_curves(tracked, name):
    environment = os.environ | {"TRACKIO_DIR": str(tracked / "trackio")}
    done = subprocess.run(
        [sys.executable, "-c", READ_TRACKIO], capture_output=True, text=True, env=environment
    )
    logs = json.loads(done.stdout.splitlines()[-1])
    assert {f"{name}/{arm}" for arm in ARMS} <= logs.keys()
    for arm in ARMS:
        found = [
            (log["train/bytes"], log["val/bits_per_byte"])
            for log in logs[f"{name}/{arm}"]
            if "val/bits_per_byte" in log
        ]
        close(found, curve(tracked / name, arm))


@pytest.mark.slow
@mlflow_reader
def test_a_replay_has_every_step(tracked):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tracked / 'later' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("later")
    for run in client.search_runs([experiment.experiment_id]):
        history = client.get_metric_history(run.info.run_id, "train/loss_nats_per_token")
        assert len(history) == 8


class Deaf:
    """A tracker that does as it should, and remembers."""

    def __init__(self):
        self.calls = []

    def begin(self, name, arms, folder):
        self.calls.append(("begin", name, len(arms)))

    def hear(self, arm, event):
        self.calls.append((arm.id, type(event).__name__))

    def end(self, results, status):
        self.calls.append(("end", status))


class Raising(Deaf):
    """A tracker that fails at a call."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def hear(self, arm, event):
        super().hear(arm, event)
        if len(self.calls) > self.at:
            raise SystemExit("no more")  # not even an Exception


class Hanging(Deaf):
    """A tracker whose call does not return."""

    def hear(self, arm, event):
        threading.Event().wait()


@pytest.fixture
def run(tmp_path, text_file, monkeypatch):
    """Run a small experiment with a tracker -> its losses, and the warnings."""
    said = []
    monkeypatch.setattr(
        logging.getLogger("gptkit"), "warning", lambda text, *of: said.append(text % of)
    )

    def call(made):
        monkeypatch.setattr(guarded, "END_SECONDS", 0.2)
        monkeypatch.setattr(subscribers, "find_trackers", lambda names: {"mine": lambda: made})
        said.clear()
        result = gptkit.compare(
            tokenizers=["char", "byte"], data=str(text_file), out=str(tmp_path), **SMALL
        )
        return [arm.val.bits_per_byte for arm in result.arms], [*said]

    return call


def test_a_tracker_that_fails_or_hangs_changes_nothing_but_one_warning(run):
    good = Deaf()
    losses, said = run(good)
    assert said == []
    assert good.calls[0] == ("begin", "char-vs-byte", 2)
    assert good.calls[-1] == ("end", "finished")
    assert [kind for _, kind in good.calls[1:-1]].count("Evaluated") == 8
    assert [kind for _, kind in good.calls[1:-1]].count("ArmDone") == 2
    bad = Raising(at=3)
    assert run(bad) == (
        losses,
        ["warning: the tracker mine failed and is left out: no more"],
    )
    assert len(bad.calls) == 4
    began = time.monotonic()
    assert run(Hanging()) == (
        losses,
        ["warning: the tracker mine did not end within 0 s, and is left behind."],
    )
    assert time.monotonic() - began < 30


def test_steps_are_told_at_most_twice_a_second(an_arm, tmp_path):
    made = Deaf()
    guard = GuardedTracker("mine", lambda: made)
    guard.begin("a", [an_arm], tmp_path)
    for step in range(1, 1001):
        guard.hear(an_arm, step_of(step))
    guard.hear(an_arm, ArmDone(loss=LOSS))
    guard.end(None, "stopped")
    steps = [call for call in made.calls if call[1] == "StepDone"]
    assert 1 <= len(steps) < 20
    assert made.calls[-2:] == [(an_arm.id, "ArmDone"), ("end", "stopped")]


LOSS = Loss(bytes=9, chars=9, tokens=3, nats_per_token=2.0, nats_per_char=0.5, bits_per_byte=1.5)


def step_of(step):
    return StepDone(
        step=step, loss=2.0, seconds=step / 10, train_bytes=40 * step, train_tokens=10 * step
    )


@pytest.fixture
def an_arm(text_file, tmp_path):
    experiment = gptkit.Experiment(tokenizers=["char"], data=str(text_file), **SMALL)
    return experiment.plan().arms[0]


def test_a_step_is_told_in_the_units_of_its_names(an_arm):
    fields = step_fields(an_arm, step_of(5))
    assert fields["train/bits_per_byte"] == pytest.approx(2.0 * 10 / 40 / 0.6931471805599453)
    assert fields["train/bytes"] == 200
    assert fields["train/tokens_per_second"] == 100
    assert fields["train/learning_rate_factor"] == an_arm.optim.rate_at(4, 0.5)


def test_a_config_is_flat(an_arm):
    fields = config_fields(an_arm)
    assert fields["tokenizer"] == "char"
    assert fields["schedule.steps"] == 8
    assert not any(isinstance(value, dict) for value in fields.values())


def test_an_unknown_tracker_is_refused_before_anything_is_trained(text_file, tmp_path):
    experiment = gptkit.Experiment(
        tokenizers=["char"], data=str(text_file), track=["wandbb"], out=str(tmp_path / "r"), **SMALL
    )
    with pytest.raises(ConfigError, match=r"there is no tracker 'wandbb'.*Did you mean wandb\?"):
        experiment.run()
    assert not (tmp_path / "r").exists()


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'gptkit\[wandb\]'"):
        tracker.find_trackers(["wandb"])


def test_a_tracker_of_another_package_is_found(monkeypatch):
    class Entry:
        name = "mine"

        def load(self):
            return Deaf

    monkeypatch.setattr(tracker.metadata, "entry_points", lambda group: [Entry()])
    assert tracker.find_trackers(["mine"]) == {"mine": Deaf}


def test_a_replay_needs_finished_arms(tmp_path):
    from gptkit.trackers.replay import replay

    with pytest.raises(RunError, match="holds no finished arm"):
        replay(tmp_path, "mine", Deaf)
    with pytest.raises(RunError, match="there is no folder"):
        replay(Path("nowhere"), "mine", Deaf)


def test_an_evaluation_is_an_event_of_its_own(an_arm):
    from gptkit.trackers.fields import evaluation_fields

    event = Evaluated(step=4, seconds=1.0, train_bytes=160, loss=LOSS, best=True)
    assert evaluation_fields(event)["val/bits_per_byte"] == 1.5
