"""An arm goes on from its checkpoint with the numbers of one that was left alone."""

import logging
import shutil
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
import torch
from small_runs import small

import gptkit
from gptkit.engines import arm as arm_module
from gptkit.engines import checkpoint as checkpoint_module
from gptkit.engines.checkpoint import Checkpoints, read_header
from gptkit.errors import ConfigError, Stopped
from gptkit.events import Evaluated, Resumed, StepDone
from gptkit.plan.execution_config import parse_interval
from gptkit.plan.recipes import RECIPES

STEPS = 20
ARM = "char-tiny-s0"


def recipe():
    """A decoder with Muon, AdamW, and dropout, which draws random numbers at each step."""
    tiny = small(RECIPES["decoder"]())
    return replace(tiny, model=replace(tiny.model, dropout=0.1), evaluations=4)


@pytest.fixture(scope="module")
def compare(tmp_path_factory, english):
    """Run one arm in a new folder of this name; an event can stop it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    (folder / "text.txt").write_text(english[:6000], encoding="utf-8")

    def call(name, **options):
        return gptkit.compare(
            tokenizers=["char"],
            models={"tiny": recipe()},
            data=str(folder / "text.txt"),
            sample_bytes=30,
            out=folder / "runs",
            name=name,
            jobs=1,
            **options,
        )

    call.folder = folder / "runs"
    return call


@pytest.fixture(scope="module")
def whole(compare):
    return compare("whole")


def stop_at(step, kind=StepDone):
    def on_event(arm, event):
        if isinstance(event, kind) and event.step == step:
            raise KeyboardInterrupt

    return on_event


def timeless(metric):
    return msgspec.structs.replace(metric, seconds=0.0)


def assert_same(found, whole):
    a, b = (gptkit.load_run(result.folder / ARM) for result in (found, whole))
    assert list(map(timeless, a.metrics)) == list(map(timeless, b.metrics))
    assert (a.folder / "nats.npz").read_bytes() == (b.folder / "nats.npz").read_bytes()
    weights = "weights.safetensors"
    assert (a.folder / weights).read_bytes() == (b.folder / weights).read_bytes()
    assert found.arms[0].samples == whole.arms[0].samples
    assert found.arms[0].val == whole.arms[0].val
    assert not list(found.folder.glob(".*"))


@pytest.mark.parametrize(
    ("step", "kind"),
    [(1, StepDone), (7, StepDone), (10, StepDone), (10, Evaluated), (20, StepDone)],
)
def test_a_stopped_arm_goes_on_to_the_bit(compare, whole, step, kind):
    name = f"{kind.__name__}{step}"
    with pytest.raises(Stopped):
        compare(name, on_event=stop_at(step, kind))
    events = []
    found = compare(name, resume=True, on_event=lambda arm, event: events.append(event))
    assert events[0] == Resumed(step=step)
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(step + 1, STEPS + 1))
    assert_same(found, whole)


def test_an_arm_that_is_stopped_after_its_training_is_not_trained_again(
    compare, whole, monkeypatch
):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arm_module, "sample_text", interrupt)
        with pytest.raises(Stopped):
            compare("after")
    events = []
    found = compare("after", resume=True, on_event=lambda arm, event: events.append(event))
    assert events[0] == Resumed(step=STEPS)
    assert not any(isinstance(event, StepDone) for event in events)
    assert_same(found, whole)


@pytest.fixture
def stopped(compare):
    """A folder with checkpoints at steps 5 and 10, stopped there."""
    shutil.rmtree(compare.folder / "two", ignore_errors=True)
    with pytest.raises(Stopped):
        compare("two", save_every="5steps", on_event=stop_at(10, Evaluated))
    folder = compare.folder / "two" / ".checkpoints" / ARM
    assert [p.name for p in sorted(folder.iterdir())] == [
        "step-00000005.safetensors",
        "step-00000010.safetensors",
    ]
    return folder


def test_the_last_two_checkpoints_are_kept(compare):
    with pytest.raises(Stopped):
        compare("three", save_every="3steps", on_event=stop_at(9))
    found = (compare.folder / "three" / ".checkpoints" / ARM).iterdir()
    assert sorted(path.name[5:13] for path in found) == ["00000006", "00000009"]


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "garbage"])
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(compare, whole, stopped, how):
    path = stopped / "step-00000010.safetensors"
    data = path.read_bytes()
    flipped = bytearray(data)
    flipped[-5] ^= 1
    path.write_bytes(
        {"cut": data[:-100], "flipped": bytes(flipped), "empty": b"", "garbage": b"x" * 99}[how]
    )
    events = []
    found = compare("two", resume=True, on_event=lambda arm, event: events.append(event))
    assert events[0].step == 5
    assert "step-00000010.safetensors" in events[0].notes[0]
    assert_same(found, whole)


def test_a_checkpoint_of_another_torch_starts_the_arm_again(compare, whole, stopped, monkeypatch):
    saved = checkpoint_module.this_machine(torch.device("cpu"))
    other = msgspec.structs.replace(saved, torch="9.9")
    monkeypatch.setattr(checkpoint_module, "this_machine", lambda device: other)
    events = []
    found = compare("two", resume=True, on_event=lambda arm, event: events.append(event))
    assert events[0].step == 0
    assert "was saved with torch 2" in events[0].notes[0]
    assert_same(found, whole)


def test_other_threads_are_said(compare, whole, stopped):
    threads, events = torch.get_num_threads(), []
    torch.set_num_threads(threads + 1)
    try:
        found = compare("two", resume=True, on_event=lambda arm, event: events.append(event))
    finally:
        torch.set_num_threads(threads)
    note = f"on {threads + 1} threads instead of {threads}, so its last digits differ"
    assert events[0] == Resumed(step=10, notes=(note,))
    # The sums of 20 steps round otherwise: relative 1e-7 for each, and steps magnify it.
    assert found.arms[0].val.bits_per_byte == pytest.approx(
        whole.arms[0].val.bits_per_byte, rel=1e-3
    )


def test_checkpoints_of_an_arm_that_is_there_are_removed(compare, stopped, whole):
    shutil.copytree(compare.folder / "whole" / ARM, compare.folder / "two" / ARM)
    found = compare("two", resume=True)
    assert_same(found, whole)


def test_checkpoints_of_other_options_are_not_thrown_away(compare, stopped):
    with pytest.raises(ConfigError, match="was trained with other options or on another text"):
        compare("two", resume=True, budget="30steps")
    assert len(list(stopped.iterdir())) == 2


def test_an_arm_matched_by_time_goes_on_and_says_so(compare):
    asked = {"match": "time", "budget": "0.4s"}
    with pytest.raises(Stopped):
        compare("time", **asked, on_event=stop_at(2))
    events = []
    compare("time", **asked, resume=True, on_event=lambda arm, event: events.append(event))
    assert events[0].step == 2
    assert events[0].notes[0].startswith("matched by time")


def test_a_disk_that_takes_no_checkpoint_does_not_stop_the_training(
    compare, whole, monkeypatch, caplog
):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint_module, "write_bytes", full)
    with caplog.at_level(logging.WARNING, logger="gptkit"):
        found = compare("full", save_every="8steps")
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"{ARM} goes on without a checkpoint"
    ]  # said once
    assert_same(found, whole)


def test_a_short_arm_is_not_saved(compare, monkeypatch):
    monkeypatch.setattr(Checkpoints, "save", lambda *args: pytest.fail("it was saved"))
    assert compare("short").arms


@pytest.mark.parametrize(
    ("every", "cost", "now", "due"),
    [
        ("3steps", None, {"step": 2, "seconds": 99.0}, False),
        ("3steps", None, {"step": 3}, True),
        ("2.5s", None, {"seconds": 2.4}, False),
        ("2.5s", None, {"seconds": 2.5}, True),
        (None, 0.001, {"seconds": 0.9}, False),  # not in the first second
        (None, 0.001, {"seconds": 1.0}, True),
        (None, 0.2, {"seconds": 19.9}, False),  # a hundredth of the time
        (None, 0.2, {"seconds": 20.0}, True),
        (None, 9.9, {"seconds": 59.9}, False),
        (None, 9.9, {"seconds": 60.0}, True),
    ],
)
def test_when_an_arm_is_saved(tmp_path, every, cost, now, due):
    interval = every and parse_interval(every)
    checkpoints = Checkpoints(tmp_path / "a", None, "", interval)
    checkpoints._seconds_each = cost
    progress = checkpoint_module.Progress(**now)
    assert checkpoints.is_due(SimpleNamespace(progress=progress)) is due


@pytest.mark.parametrize("text", ["60", "s", "-1s", "0steps", "1e9s", "1 hour", ""])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="give seconds of training or steps, as in 60s"):
        gptkit.compare(save_every=text)


def test_a_checkpoint_holds_no_code(stopped):
    header = read_header(stopped / "step-00000010.safetensors")
    assert header.progress.step == 10
    assert header.record.arm.id == ARM
