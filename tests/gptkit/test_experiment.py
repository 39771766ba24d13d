"""The whole chain on a small text: plan, arms, results.json, and an independent check of it."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import gptkit
from gptkit.errors import ConfigError, CorpusError
from gptkit.experiment import Experiment, load_result, verdict
from gptkit.matching import steps_of
from gptkit.training import Evaluated, StepDone
from gptkit_tokenizers import TokenizerError

SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 40}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, english):
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "text.txt").write_text(english, encoding="utf-8")
    events = []
    options = {"data": str(folder / "text.txt"), "out": folder / "runs", **SMALL}
    result = gptkit.compare(seeds=2, on_event=lambda arm, e: events.append((arm, e)), **options)
    return result, events, folder


def same_shape(expected, found, where="results.json"):
    """Every key of `expected` is in `found`, with a value of the same kind."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, f"{where} has no {key}"
            same_shape(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        for item in found[:1]:
            same_shape(expected[0], item, f"{where}[0]")
    else:
        assert type(found) is type(expected), (where, found)


def test_results_json_keeps_its_contract(experiment):
    result, *_ = experiment
    on_disk = json.loads((result.folder / "results.json").read_text())
    assert on_disk == result.to_dict()
    assert load_result(result.folder).to_dict() == on_disk
    arm = {
        "id": "char-decoder-s0",
        "tokenizer": "char",
        "model": "decoder",
        "seed": 0,
        "vocab_size": 65,
        "vocab_seen": 65,
        "block_size": 0,
        "batch_size": 0,
        "steps": 0,
        "params": {"embedding": 0, "body": 0, "head": 0, "total": 0},
        "train": {"bytes": 0, "tokens": 0, "flops": 0.0, "seconds": 0.0},
        "val": {
            "bytes": 0,
            "chars": 0,
            "tokens": 0,
            "nats_per_token": 0.0,
            "nats_per_char": 0.0,
            "bits_per_byte": 0.0,
        },
        "best_step": 0,
        "last": {"step": 0, "bits_per_byte": 0.0},
        "curve": [{"step": 0, "train_bytes": 0, "seconds": 0.0, "val_bits_per_byte": 0.0}],
        "samples": [{"prompt": "", "text": ""}],
    }
    contract = {
        "gptkit": "0.1.0",
        "corpus": {
            "name": "...",
            "sha256": "...",
            "train_bytes": 0,
            "val_bytes": 0,
            "train_chars": 0,
            "val_chars": 0,
        },
        "match": {"by": "bytes", "equal": ["train_bytes"], "unequal": ["train_tokens"]},
        "seconds": 0.0,
        "arms": [arm],
        "verdict": [{"a": "", "b": "", "delta_bits_per_byte": 0.0, "ci95": None, "says": ""}],
    }
    same_shape(contract, on_disk)
    assert [a["id"] for a in on_disk["arms"]] == [
        f"{t}-{m}-s{s}" for t in ("char", "gpt2") for m in ("bigram", "decoder") for s in (0, 1)
    ]


def test_arms_are_matched_by_bytes(experiment):
    result, *_ = experiment
    arms = result.arms
    assert {a["steps"] for a in arms} == {20}
    longest_window = 2 * 32
    for arm in arms:
        assert abs(arm["train"]["bytes"] - 20 * 256) <= longest_window
        assert arm["val"]["bytes"] == result.data["corpus"]["val_bytes"]
        assert arm["val"]["chars"] == result.data["corpus"]["val_chars"]
    assert len({a["params"]["body"] for a in arms if a["model"] == "decoder"}) == 1
    by_id = {a["id"]: a for a in arms}
    assert by_id["gpt2-decoder-s0"]["block_size"] < by_id["char-decoder-s0"]["block_size"] // 2


def test_every_arm_learns_and_says_so_as_it_goes(experiment):
    _, events, _ = experiment
    for arm_id in {arm.id for arm, _ in events}:
        mine = [e for arm, e in events if arm.id == arm_id]
        steps = [e for e in mine if isinstance(e, StepDone)]
        assert [e.step for e in steps] == list(range(1, 21))
        assert steps[-1].loss < steps[0].loss
        assert [e.step for e in mine if isinstance(e, Evaluated)] == [5, 10, 15, 20]


def test_samples_are_matched_by_bytes_and_share_the_prompt(experiment):
    result, *_ = experiment
    for arm in result.arms:
        (sample,) = arm["samples"]
        assert sample["prompt"] == "\n"
        assert len(sample["text"].encode()) <= 40 or "\ufffd" in sample["text"]
        assert len(sample["text"].encode()) > 36 or "\ufffd" in sample["text"]


def test_the_same_experiment_again_has_the_same_numbers_in_a_folder_of_its_own(experiment):
    result, _, folder = experiment
    again = gptkit.compare(
        data=str(folder / "text.txt"), out=folder / "runs", models=["decoder"], **SMALL
    )
    assert again.folder == result.folder.with_name("char-vs-gpt2-2")
    first = {a["id"]: a["val"]["bits_per_byte"] for a in result.arms}
    assert all(a["val"]["bits_per_byte"] == first[a["id"]] for a in again.arms)


def test_a_run_is_loaded_from_its_folder(experiment):
    result, *_ = experiment
    run = gptkit.load_run(result.folder / "char-decoder-s1")
    assert run.config.train.seed == 1
    assert run.model.num_params() == result.arms[3]["params"]
    assert run.tokenizer.decode(run.tokenizer.encode("naïve 🦆")) == "naïve 🦆"
    assert len([m for m in run.metrics if m["event"] == "step"]) == 20


def test_the_plan_is_complete_arms(text_file):
    arms = Experiment(data=str(text_file), seeds=2, **SMALL).plan()
    assert len(arms) == 2 * 2 * 2
    assert {a.train.seed for a in arms} == {0, 1}
    assert {a.model.architecture for a in arms} == {"bigram", "decoder"}


def test_contexts_and_strides_are_matched_in_bytes(text_file):
    arms = Experiment(data=str(text_file), models=["decoder"], stride_bytes=16, **SMALL).plan()
    char, gpt2 = arms
    assert (char.model.block_size, char.train.eval_stride) == (30, 15)  # 1.06 bytes per character
    assert 0 < gpt2.train.eval_stride <= gpt2.model.block_size / 2 + 1


def test_a_lossy_plug_in_is_stopped_before_training(text_file, monkeypatch):
    from gptkit_tokenizers.byte import ByteTokenizer

    monkeypatch.setattr(
        ByteTokenizer, "encode_array", lambda self, text: np.frombuffer(text.upper().encode(), "u1")
    )
    with pytest.raises(TokenizerError, match="byte fails the audit"):
        Experiment(tokenizers=["byte"], data=str(text_file)).plan()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"tokenizers": []}, ConfigError, "tokenizers is empty"),
        ({"tokenizers": ["char", "char"]}, ConfigError, "names one twice"),
        ({"models": ["decodr"]}, ConfigError, r"Did you mean decoder\?"),
        ({"seeds": 0}, ConfigError, "seeds is 0"),
        ({"temperature": -1.0}, ConfigError, "must be positive"),
        ({"name": "../elsewhere"}, ConfigError, "not a folder's name"),
        ({"budget": "lots"}, ConfigError, "Give bytes of training text"),
        ({"budget": "1B"}, ConfigError, "less than one step"),
        ({"context_bytes": 2048}, ConfigError, "less than twice context_bytes 2048"),
        ({"context_bytes": 99_000, "bytes_per_step": 198_000}, CorpusError, "too short"),
        ({"prompt": ""}, ConfigError, "prompt is empty"),
        ({"temperature": math.inf}, ConfigError, "positive and finite"),
        ({"stride_bytes": 0}, ConfigError, "stride_bytes is 0"),
        ({"stride_bytes": 161}, ConfigError, "would go unscored"),
    ],
)
def test_what_cannot_be_done_is_refused(text_file, options, error, says):
    with pytest.raises(error, match=says):
        Experiment(**{"data": str(text_file), "tokenizers": ["byte"], **options}).plan()


def test_a_text_without_line_breaks_is_prompted_by_its_first_character(tmp_path):
    (tmp_path / "t.txt").write_text("on and on " * 100)
    result = gptkit.compare(
        data=str(tmp_path / "t.txt"), models=["bigram"], out=tmp_path / "runs", **SMALL
    )
    assert {a["samples"][0]["prompt"] for a in result.arms} == {"o"}


def test_a_prompt_that_cannot_be_encoded_fails_before_training(text_file, tmp_path):
    with pytest.raises(TokenizerError, match="char cannot encode 'Q'"):
        gptkit.compare(
            data=str(text_file), tokenizers=["char"], prompt="Quiet", out=tmp_path / "r", **SMALL
        )
    assert not (tmp_path / "r").exists()


def test_an_experiment_that_finishes_no_arm_leaves_its_name_free(text_file, tmp_path):
    def interrupt(arm, event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gptkit.compare(data=str(text_file), out=tmp_path, on_event=interrupt, **SMALL)
    assert not (tmp_path / "char-vs-gpt2").exists()


def test_a_context_that_is_not_level_is_not_called_equal(text_file, tmp_path):
    options = {**SMALL, "context_bytes": 4, "models": ["bigram"], "data": str(text_file)}
    match = gptkit.compare(out=tmp_path, **options).data["match"]
    assert "context_bytes" in match["unequal"]
    match = gptkit.compare(out=tmp_path, **{**options, "tokenizers": ["gpt2"]}).data["match"]
    assert "context_bytes" in match["equal"]


def test_a_name_that_is_taken_is_refused(text_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("x")
    with pytest.raises(ConfigError, match="is there already"):
        gptkit.compare(data=str(text_file), name="mine", out=tmp_path, **SMALL)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["precious"]


def test_an_unknown_device_is_refused(text_file, tmp_path):
    with pytest.raises(ConfigError, match="device 'toaster' cannot be used here"):
        gptkit.compare(data=str(text_file), device="toaster", out=tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("budget", "steps"), [("600KB", 600), ("1.5MB", 1500), ("2 gb", 2_000_000), ("7steps", 7)]
)
def test_budgets(budget, steps):
    assert steps_of(budget, bytes_per_step=1000) == steps


@pytest.mark.parametrize("budget", ["", "5", "MB", "-3MB", "1.5steps", "3 miles"])
def test_budgets_that_are_none(budget):
    with pytest.raises(ConfigError, match="is not an amount"):
        steps_of(budget, bytes_per_step=1000)


def entry(tokenizer, seed, loss):
    return {
        "tokenizer": tokenizer,
        "model": "decoder",
        "seed": seed,
        "val": {"bits_per_byte": loss},
    }


def test_one_seed_claims_no_interval():
    (only,) = verdict([entry("char", 0, 2.5), entry("gpt2", 0, 2.25)])
    assert (only["a"], only["b"]) == ("gpt2-decoder", "char-decoder")
    assert only["delta_bits_per_byte"] == 0.25
    assert only["ci95"] is None
    assert only["says"] == (
        "gpt2 is better than char by 0.250 bits per byte under decoder "
        "(one seed: no interval across seeds)"
    )


def test_a_tie_has_no_winner():
    (only,) = verdict([entry("r50k_base", 0, 2.5), entry("gpt2", 0, 2.5004)])
    assert only["says"].startswith("r50k_base and gpt2 differ by less than 0.001 bits per byte")


def test_several_seeds_are_paired():
    entries = [entry("char", s, 2.5 + s) for s in (0, 1)] + [
        entry("gpt2", s, 2.25 + s * 1.5) for s in (0, 1)
    ]
    (only,) = verdict(entries)
    assert only["delta_bits_per_byte"] == 0.0
    assert "2 seeds, from -0.250 to 0.250" in only["doubt"]


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readme_example_runs(tmp_path, monkeypatch, text_file):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    real = Experiment.__post_init__

    def small(self):
        for name, value in {**SMALL, "data": str(text_file)}.items():
            object.__setattr__(self, name, value)
        real(self)

    monkeypatch.setattr(Experiment, "__post_init__", small)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.corpus
def test_a_tenth_of_it_learns_most_of_it(shakespeare_folder, tmp_path):
    # At 59 steps of 586 the character decoder has passed the best any bigram can do on this
    # text with characters, 3.54 bits per byte (2.45 nats, the entropy of its counts).
    result = gptkit.compare(
        data="tinyshakespeare", tokenizers=["char"], models=["decoder"], budget="60KB", out=tmp_path
    )
    assert result.arms[0]["val"]["bits_per_byte"] < 3.54
