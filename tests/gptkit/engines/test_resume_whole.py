"""What --resume does with arms whose files are damaged, and what a sample may not do."""

import logging

import pytest

import gptkit
import gptkit.engines.arm as arm_module
from gptkit.errors import ConfigError

SMALL = {
    "tokenizers": ["byte", "char"],
    "models": ["bigram"],
    "budget": "8steps",
    "bytes_per_step": 256,
    "context_bytes": 32,
    "sample_bytes": 10,
    "jobs": 1,
    "name": "a",
}


@pytest.fixture
def compare(text_file, tmp_path):
    def call(**options):
        return gptkit.compare(data=str(text_file), out=tmp_path / "runs", **{**SMALL, **options})

    return call


def damage(path, how):
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": path.read_bytes()[:100], "deep": b"[" * 99_999}[how])


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("config.json", "missing"),
        ("config.json", "deep"),
        ("result.json", "cut"),
        ("nats.npz", "empty"),
        ("weights.safetensors", "cut"),
        ("weights.safetensors", "missing"),
        ("metrics.jsonl", "cut"),
        ("tokenizer.json", "deep"),
    ],
)
def test_a_damaged_arm_is_trained_again(compare, name, how, tmp_path, caplog):
    first = compare()
    damage(first.folder / "byte-bigram-s0" / name, how)
    (first.folder / "results.json").unlink()
    done = []
    with caplog.at_level(logging.WARNING, logger="gptkit"):
        again = compare(resume=True, on_event=lambda arm, event: done.append((arm.id, event)))
    kept = {id for id, event in done if getattr(event, "kept", False)}
    assert kept == {"char-bigram-s0"}
    assert "byte-bigram-s0 is trained again: " in caplog.text
    for a, b in zip(first.data.arms, again.data.arms, strict=True):
        assert (a.id, a.val, a.samples) == (b.id, b.val, b.samples)
    assert gptkit.load_run(again.folder / "byte-bigram-s0").model is not None
    assert not list(again.folder.glob(".*"))


@pytest.mark.parametrize("temperature", [1e-320, 1e-30])
def test_a_temperature_next_to_nothing_takes_the_best(compare, temperature):
    nearly = compare(temperature=temperature).data.arms
    greedy = compare(top_k=1, name="greedy").data.arms
    assert [arm.samples[0].text for arm in nearly] == [arm.samples[0].text for arm in greedy]


def test_an_arm_is_kept_whatever_goes_wrong_with_its_sample(compare, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("no luck")

    monkeypatch.setattr(arm_module, "sample_text", broken)
    with pytest.warns(UserWarning, match="no sample of (byte|char) could be drawn: no luck"):
        result = compare()
    assert [arm.samples[0].text for arm in result.data.arms] == ["", ""]
    assert (result.folder / "results.json").is_file()


@pytest.mark.parametrize(
    ("option", "value"),
    [("seeds", 10**21), ("bytes_per_step", 10**21), ("sample_bytes", 1.5), ("top_k", 0)],
)
def test_a_count_is_a_whole_number_within_bounds(compare, option, value):
    with pytest.raises(ConfigError, match=rf"{option} is .*; it must be a whole number from 1 to"):
        compare(**{option: value})
