"""Damaged runs and results, samples that fail, and what is refused before training."""

import json
import logging
import math
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import safetensors.torch
from small_runs import small

import gptkit
import gptkit.engines.arm as arm_module
import gptkit.engines.run_folder as run_folder
import gptkit.files as files
from gptkit.config import ModelConfig
from gptkit.data.corpus import load_corpus
from gptkit.errors import ConfigError, CorpusError, RunError
from gptkit.plan.options_file import read_options
from gptkit.plan.recipes import RECIPES
from gptkit.results.byte_losses import read_losses
from gptkit_tokenizers import TokenizerError, get_tokenizer


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


def test_an_arm_is_kept_whatever_goes_wrong_with_its_sample(compare, monkeypatch, caplog):
    def broken(*args, **options):
        raise RuntimeError("no luck")

    monkeypatch.setattr(arm_module, "sample_text", broken)
    with caplog.at_level(logging.WARNING, logger="gptkit"):
        result = compare()
    assert "no sample of byte could be drawn: no luck" in caplog.text
    assert [arm.samples[0].text for arm in result.data.arms] == ["", ""]
    assert (result.folder / "results.json").is_file()


@pytest.mark.parametrize(
    ("option", "value"),
    [("seeds", 10**21), ("bytes_per_step", 10**21), ("sample_bytes", 1.5), ("top_k", 0)],
)
def test_a_count_is_a_whole_number_within_bounds(compare, option, value):
    with pytest.raises(ConfigError, match=rf"{option} is .*; it must be a whole number from 1 to"):
        compare(**{option: value})


def test_what_a_killed_process_left_is_removed(compare):
    first = compare()
    (first.folder / "byte-bigram-s0").rename(first.folder / ".byte-bigram-s0.0badcafe.tmp")
    (first.folder / ".results.json.0badcafe.tmp").write_text("{")
    again = compare(resume=True)
    assert [arm.id for arm in again.data.arms] == ["byte-bigram-s0", "char-bigram-s0"]
    assert not list(again.folder.glob(".*"))


def test_weights_that_are_no_numbers_are_refused(compare):
    folder = compare().folder / "byte-bigram-s0"
    path = folder / "weights.safetensors"
    weights = safetensors.torch.load_file(path)
    broken = {k: v * math.nan if v.is_floating_point() else v for k, v in weights.items()}
    safetensors.torch.save_file(broken, path)
    with pytest.raises(RunError, match="has weights that are no numbers"):
        _ = gptkit.load_run(folder).model


def test_a_name_that_is_not_utf8_is_refused_before_training(compare):
    with pytest.raises(ConfigError, match=r"tokenizers is 'caf\\udce9.json', which is not UTF-8"):
        compare(tokenizers=["byte", "caf\udce9.json"])
    with pytest.raises(ConfigError, match=r"data is .* which is not UTF-8"):
        gptkit.compare(data="caf\udce9.txt")


def test_a_device_that_cannot_hold_numbers_is_refused(compare):
    with pytest.raises(ConfigError, match="device 'meta' cannot be used here"):
        compare(device="meta")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(arms=[]),
        lambda data: data["arms"][0]["val"].update(tokens=0),
        lambda data: data["arms"][0]["val"].update(bytes=-1),
        lambda data: data["arms"][0]["val"].update(bits_per_byte="1"),
        lambda data: data.update(corpus=[]),
    ],
)
def test_results_of_other_values_are_refused(compare, change):
    folder = compare().folder
    data = json.loads((folder / "results.json").read_text())
    change(data)
    (folder / "results.json").write_text(json.dumps(data))
    with pytest.raises(RunError, match="does not hold results in the format of this version"):
        gptkit.load_result(folder)


def test_a_report_of_an_arm_of_no_seconds_is_written(compare):
    folder = compare().folder
    data = json.loads((folder / "results.json").read_text())
    data["arms"][0]["train"]["seconds"] = 0
    (folder / "results.json").write_text(json.dumps(data))
    assert "byte" in gptkit.load_result(folder)._repr_html_()


def test_an_experiment_runs_without_standard_output(text_file, tmp_path):
    words = [
        "compare",
        "-t",
        "byte",
        "-m",
        "bigram",
        "--budget",
        "4steps",
        "--sample-bytes",
        "5",
        "--jobs",
        "1",
        "--name",
        "a",
    ]
    command = shlex.join([sys.executable, "-m", "gptkit", *words, "-d", str(text_file)])
    done = subprocess.run(
        ["bash", "-c", f"{command} --out {tmp_path} >&-"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a" / "results.json").is_file()


def test_a_rename_that_is_refused_for_a_moment_is_tried_again(compare, monkeypatch):
    refused = []

    def rename(source, target):
        if len(refused) < 2:
            refused.append(target)
            raise PermissionError(13, "Access is denied")
        real(source, target)

    real = files.os.rename
    monkeypatch.setattr(files.os, "rename", rename)
    result = compare()
    assert len(refused) == 2
    assert not list(result.folder.glob(".*"))


def test_an_arm_whose_rename_stays_refused_is_kept(compare, monkeypatch, tmp_path):
    def rename(source, target):
        raise PermissionError(13, "Access is denied")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "rename", rename)
        patch.setattr(run_folder, "rename_patiently", partial(files.rename_patiently, seconds=0.1))
        with pytest.raises(RunError, match=r"(?s)The arm is finished, in .*byte-bigram-s0.*resume"):
            compare()
    done = []
    again = compare(resume=True, on_event=lambda arm, event: done.append((arm.id, event)))
    assert [id for id, event in done if getattr(event, "kept", False)] == ["byte-bigram-s0"]
    assert not list(again.folder.glob(".*"))


def test_that_there_is_nothing_to_resume_is_said_before_anything_is_loaded(gptkit, tmp_path):
    code, _, err = gptkit(
        "compare", "--resume", "--name", "none", "--out", tmp_path, "-d", "no.txt"
    )
    assert code == 2
    assert "there is nothing to resume" in " ".join(err.split())  # and not that no.txt is missing


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["arms"][0].update(steps=10**400), "a number of 1329 bits"),
        (lambda data: data["arms"][0]["val"].update(bits_per_byte=-1), "is no positive number"),
        (lambda data: data["verdict"][0].update(a="other"), "verdict has 'other'"),
        (lambda data: data["arms"].pop(), "verdict has"),
        (lambda data: data["arms"][1].update(id=data["arms"][0]["id"]), "an id twice"),
        (lambda data: data["arms"][0].update(samples=[]), "no sample"),
    ],
)
def test_results_that_contradict_themselves_are_refused(compare, change, said):
    folder = compare().folder
    data = json.loads((folder / "results.json").read_text())
    change(data)
    (folder / "results.json").write_text(json.dumps(data))
    with pytest.raises(RunError, match=said):
        gptkit.load_result(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
@pytest.mark.parametrize("name", ["weights.safetensors", "nats.npz", "metrics.jsonl"])
def test_a_file_that_never_ends_is_not_opened(compare, name):
    folder = compare().folder / "byte-bigram-s0"
    (folder / name).unlink()
    os.mkfifo(folder / name)
    run = gptkit.load_run(folder)
    with pytest.raises(RunError, match="no regular file"):
        _ = (run.model, read_losses(folder, run.result.reported.bytes), run.metrics)


def test_a_text_that_never_ends_is_not_opened():
    with pytest.raises(CorpusError, match="/dev/zero is not a regular file"):
        load_corpus("/dev/zero")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("n_layer", 10**9, "numbers, and the model"),
        ("n_embd", 10**9, "numbers, and the model"),
    ],
)
def test_a_config_of_a_huge_model_is_not_built(compare, field, value, said):
    found = compare(models={"tiny": small(RECIPES["decoder"]())}, tokenizers=["char"])
    path = found.folder / "char-tiny-s0" / "config.json"
    data = json.loads(path.read_text())
    data["arm"]["model"][field] = value
    path.write_text(json.dumps(data))
    with pytest.raises(RunError, match=said):
        _ = gptkit.load_run(path.parent).model


def test_a_model_larger_than_the_memory_is_refused(text_file):
    recipe = replace(RECIPES["decoder"](), model=ModelConfig(n_layer=10**6, n_embd=1024))
    with pytest.raises(ConfigError, match="GB of memory, and this machine has"):
        gptkit.compare(data=str(text_file), tokenizers=["char"], models={"big": recipe})


def test_options_nested_without_end_are_refused(tmp_path):
    (tmp_path / "o.toml").write_text("x=" + "[" * 99_999 + "]" * 99_999)
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        read_options(tmp_path / "o.toml")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "name is empty"),
        ("/dev/zero", "is not a regular file"),
        ("bpe:4000001", "at most 4,000,000 ids"),
        ("wordpiece:99999999999", "at most 4,000,000 ids"),
    ],
)
def test_a_tokenizer_without_bounds_is_refused(spec, said):
    with pytest.raises(TokenizerError, match=said):
        get_tokenizer(spec, text="a b c")


def test_an_id_far_beyond_the_others_is_refused(tmp_path, english):
    record = json.loads(get_tokenizer("wordpiece:260", text=english).to_dict()["huggingface"])
    token = next(iter(record["model"]["vocab"]))
    record["model"]["vocab"][token] = 4_000_000_000
    (tmp_path / "far.json").write_text(json.dumps(record))
    with pytest.raises(TokenizerError, match="has 4,000,000,001 ids; there may be 1 to 4,000,000"):
        get_tokenizer(str(tmp_path / "far.json"))
