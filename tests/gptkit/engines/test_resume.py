"""An experiment that was stopped goes on: whole arms are kept, nothing is lost."""

from base64 import b64encode

import pytest

import gptkit
from gptkit.engines.claims import claim
from gptkit.errors import ConfigError, Stopped
from gptkit.events import ArmDone, StepDone
from gptkit.experiment import Experiment
from gptkit_tokenizers import get_tokenizer

SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 40}


def test_a_stopped_experiment_is_resumed(text_file, tmp_path):
    asked = {
        "tokenizers": ("char", "byte"),
        "models": ("bigram",),
        "data": str(text_file),
        "name": "x",
        **SMALL,
    }
    whole = Experiment(**asked, out=tmp_path / "whole").run()

    def stop(arm, event):
        if arm.tokenizer == "byte" and isinstance(event, StepDone):
            raise KeyboardInterrupt

    with pytest.raises(Stopped) as stopped:
        Experiment(**asked, out=tmp_path / "stopped", jobs=1).run(stop)
    folder = tmp_path / "stopped" / "x"
    assert stopped.value.folder == folder
    names = [".checkpoints", "char-bigram-s0", "events.jsonl"]
    assert sorted(p.name for p in folder.iterdir()) == names
    with pytest.raises(ConfigError, match="exists already"):
        Experiment(**asked, out=tmp_path / "stopped").run()

    trained, finished = set(), []

    def hear(arm, event):
        if isinstance(event, StepDone):
            trained.add(arm.tokenizer)
        elif isinstance(event, ArmDone):
            finished.append((arm.tokenizer, event.kept))

    again = Experiment(**asked, out=tmp_path / "stopped", resume=True)
    found = again.run(hear)
    assert trained == {"byte"}
    assert finished == [("char", True), ("byte", False)]
    for a, b in zip(found.arms, whole.arms, strict=True):
        assert (a.id, a.val, a.samples) == (b.id, b.val, b.samples)
    assert found.verdict == whole.verdict

    both = {**asked, "models": ("bigram", "decoder")}
    trained.clear()
    more = Experiment(**both, out=tmp_path / "stopped", resume=True).run(hear)
    assert trained == {"char", "byte"}  # a finished one takes more arms
    assert len(more.arms) == 4
    with pytest.raises(ConfigError, match="leave out: byte-decoder-s0, char-decoder-s0"):
        again.run()
    assert len(gptkit.load_result(folder).arms) == 4


@pytest.mark.parametrize("changed", [{"budget": "21steps"}, {"split": 0.8}, {"prompt": "the"}])
def test_an_experiment_is_not_resumed_with_other_options(text_file, tmp_path, changed):
    asked = {"tokenizers": ("char",), "models": ("bigram",), "data": str(text_file), "name": "x"}
    folder = Experiment(**asked, **SMALL, out=tmp_path).run().folder
    (folder / "results.json").unlink()
    with pytest.raises(ConfigError, match="was trained with other options or on another text"):
        Experiment(**asked, **{**SMALL, **changed}, out=tmp_path, resume=True).run()
    assert (folder / "char-bigram-s0" / "weights.safetensors").exists()


def test_an_arm_of_another_tokenizer_of_that_name_is_not_kept(text_file, tmp_path, english):
    learned = get_tokenizer("bpe:300", text=english)
    ranks = sorted(map(learned.token_bytes, range(300)), key=len)  # the same tokens, other ids
    path = tmp_path / "mine.tiktoken"

    def write(tokens):
        lines = (f"{b64encode(t).decode()} {i}" for i, t in enumerate(tokens))
        path.write_text("\n".join(lines))

    write(map(learned.token_bytes, range(300)))
    asked = {"tokenizers": (str(path),), "models": ("bigram",), "data": str(text_file), "name": "x"}
    folder = Experiment(**asked, **SMALL, out=tmp_path).run().folder
    assert Experiment(**asked, **SMALL, out=tmp_path, resume=True).run().folder == folder
    write([*ranks[1:256], ranks[0], *ranks[256:]])
    with pytest.raises(ConfigError, match="was trained with other options"):
        Experiment(**asked, **SMALL, out=tmp_path, resume=True).run()


def test_an_arm_that_another_command_trains_is_left_to_it(text_file, tmp_path):
    asked = {"tokenizers": ("char",), "models": ("bigram",), "data": str(text_file), "name": "x"}
    folder = Experiment(**asked, **SMALL, out=tmp_path).run().folder
    log = (folder / "events.jsonl").read_bytes()
    for again, message in (
        ({"resume": True}, "x cannot be resumed yet. It is being trained by process "),
        ({}, "x exists already. It is being trained by process "),
    ):
        with (
            claim(folder / "char-bigram-s0"),
            pytest.raises(ConfigError, match=message),
        ):
            Experiment(**asked, **SMALL, **again, out=tmp_path).run()
    assert (folder / "events.jsonl").read_bytes() == log  # it is the other command's
    assert gptkit.load_run(folder / "char-bigram-s0").model is not None
