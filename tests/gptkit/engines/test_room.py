"""What a disk or a limit refuses: before training, or with the arm kept beside."""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import gptkit.engines.run_folder as run_folder
import gptkit.files as files
from gptkit.errors import ConfigError, RunError
from gptkit.plan.experiment_config import to_command_line

FILES = (
    "config.json",
    "tokenizer.json",
    "result.json",
    "metrics.jsonl",
    "nats.npz",
    "weights.safetensors",
)


@contextmanager
def full_disk(name, part=""):
    """Fail to write files of this name whose path has this part, as on a full disk."""

    def fsync(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if name in path.name and part in str(path):
            raise OSError(28, "No space left on device")
        real(descriptor)

    real = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.os, "fsync", fsync)
        yield patch


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", FILES)
def test_an_arm_that_the_disk_cannot_take_is_kept_beside(compare, name, tmp_path):
    whole = compare(name="whole").data.arms
    (tmp_path / "elsewhere").mkdir()
    with full_disk(name, str(tmp_path / "runs" / "a" / ".char")) as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
        with pytest.raises(RunError) as error:
            compare()
    shown = " ".join(to_command_line(str(error.value)).split())
    folder = tmp_path / "runs" / "a"
    assert f"char-bigram-s0/{name} cannot be written: No space left on device." in shown
    assert "The arm takes 0.0 MB." in shown
    assert "continue with --resume and --name a." in shown
    assert {p.name for p in folder.iterdir()} == {"byte-bigram-s0", "events.jsonl"}
    (beside,) = (tmp_path / "elsewhere").glob("*/char-bigram-s0")
    assert str(beside) in shown
    beside.rename(folder / beside.name)
    kept = []
    again = compare(resume=True, on_event=lambda arm, event: kept.append(event))
    assert all(event.kept for event in kept)  # nothing is trained
    assert [(arm.id, arm.val) for arm in again.data.arms] == [(arm.id, arm.val) for arm in whole]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_arm_that_no_disk_can_take_is_trained_again(compare):
    with (
        full_disk("nats.npz", "char-bigram"),
        pytest.raises(RunError, match=r"(?s)could not be written to .* either"),
    ):
        compare()
    assert len(compare(resume=True).data.arms) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_results_that_the_disk_cannot_take_lose_no_arm(compare):
    with (
        full_disk("results.json"),
        pytest.raises(RunError, match=r"(?s)results.json.* cannot be written.*Finished arms are"),
    ):
        compare()
    kept = []
    compare(resume=True, on_event=lambda arm, event: kept.append(event))
    assert all(event.kept for event in kept)


def test_a_folder_without_room_is_refused_before_training(compare, monkeypatch):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    trained = []
    with pytest.raises(ConfigError, match=r"has room for 0\.0 MB, and 2 arms take up to 0\.\d MB"):
        compare(on_event=lambda *event: trained.append(event))
    assert not trained


@pytest.mark.skipif(sys.platform == "win32", reason="no ulimit")
def test_a_file_larger_than_the_limit_is_refused_before_training(text_file, tmp_path):
    command = shlex.join([sys.executable, "-m", "gptkit", "compare", "-m", "decoder", "-t", "byte"])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 600; {command} -d {text_file} --out {tmp_path / 'o'} --name a"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "the weights of byte-decoder-s0 take up to" in done.stderr
    left = [p.name for p in (tmp_path / "o" / "a").iterdir()]
    assert left == ["events.jsonl"]  # it can be resumed, or started again


def test_checkpoints_make_room_for_the_arm(compare, tmp_path, monkeypatch):
    """The disk is full as long as the arm's checkpoints are there."""
    checkpoints = tmp_path / "runs" / "a" / ".checkpoints"
    real, refused = run_folder.write_bytes, []

    def write(path, data):
        if "weights" in path.name and list(checkpoints.glob("byte*/*")):
            refused.append(path)
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr(run_folder, "write_bytes", write)
    result = compare(save_every="2steps")
    assert len(refused) == 1
    assert (result.folder / "byte-bigram-s0" / "weights.safetensors").is_file()
