"""A run on disk: whole or not there, and everything comes back."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import make_arm

from gptkit.config import Arm, Schedule
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.engines.run_folder import RunConfig, Sampling, load_run, write_run
from gptkit.errors import RunError
from gptkit.events import Evaluated, StepDone
from gptkit.experiment import Experiment
from gptkit.models import build_model
from gptkit.plan.recipes import RECIPES
from gptkit.results.byte_losses import read_losses, to_byte_losses

METRICS = [
    StepDone(step=1, loss=2.5, seconds=0.5, train_bytes=10, train_tokens=5),
    Evaluated(step=1, seconds=0.5, train_bytes=10, loss=make_arm().val, best=True),
]


@pytest.fixture(params=["bigram", "decoder", "lecture"])
def written(request, text_file, tmp_path):
    """A run on disk, and what it was written from."""
    corpus = load_corpus(str(text_file))
    encoded = encode_corpus(corpus, "gpt2")
    recipe = RECIPES[request.param]()
    arm = Arm(
        tokenizer="gpt2",
        recipe=request.param,
        model=replace(recipe.model, n_embd=8, n_head=2, n_layer=1),
        optim=recipe.optim,
        schedule=Schedule(block_size=8, steps=1),
    )
    model = build_model(
        arm.model,
        block_size=8,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=0,
    )
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p))
    sampling = Sampling(prompt="x", n_bytes=1, temperature=1.0, top_k=None)
    what = {
        "config": RunConfig(arm=arm, corpus=corpus.facts(), sampling=sampling),
        "tokenizer": encoded.tokenizer,
        "model": model,
        "metrics": METRICS,
        "losses": to_byte_losses(np.array([1.5, 2.0]), np.array([3, 4]), b"none"),
        "result": make_arm("gpt2", request.param, vocab_size=50_257),
    }
    folder = tmp_path / "runs" / arm.id
    write_run(folder, **what)
    return folder, what


def test_a_run_gives_everything_back(written):
    folder, what = written
    run, model = load_run(folder), what["model"]
    assert run.config == what["config"].arm
    assert run.record == what["config"]
    assert run.result == what["result"]
    assert run.metrics == METRICS
    assert run.tokenizer.encode("the king") == what["tokenizer"].encode("the king")
    ids = torch.randint(0, 50_257, (2, 8))
    assert torch.equal(run.model.nll(ids, ids), model.eval().nll(ids, ids))
    assert torch.equal(run.model.next_log_probs(ids), model.next_log_probs(ids))


def test_the_losses_by_byte_come_back_as_float32(written):
    folder, *_ = written
    losses = read_losses(folder, 4)
    assert losses.nats.dtype == np.float32
    assert losses.nats.tolist() == [0.5, 0.5, 0.5, 2.0]
    assert losses.borders.tolist() == [3, 4]
    assert losses.text.tobytes() == b"none"


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_losses_that_cannot_be_read_are_refused(written, content):
    folder, *_ = written
    (folder / "nats.npz").unlink()
    if content is not None:
        (folder / "nats.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"nats\.npz does not hold a run's losses by byte"):
        read_losses(folder, 4)


def test_the_folder_holds_what_it_says_and_nothing_else(written):
    folder, *_ = written
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "nats.npz",
        "result.json",
        "tokenizer.json",
        "weights.safetensors",
    ]
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_failure_while_writing_leaves_nothing(written, monkeypatch):
    folder, what = written

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="No space left"):
        write_run(folder.with_name("second"), **what)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_folder_of_runs_names_them(written):
    folder, *_ = written
    with pytest.raises(RunError, match=f"holds several runs. Give one of: .*{folder.name}"):
        load_run(folder.parent)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"has no config\.json"):
        load_run(tmp_path)


def test_damaged_weights_are_named(written):
    folder, *_ = written
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    run = load_run(folder)
    with pytest.raises(RunError, match="does not hold this run's weights"):
        run.model.eval()


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("tokenizer.json", '{"name": "char"}', "does not describe a tokenizer"),
        ("tokenizer.json", "[]", "is not a JSON object"),
        ("tokenizer.json", '{"name": "byte"}', "another tokenizer than the run's: it has 256 ids"),
        ("result.json", "{}", "is not a run's result"),
        ("config.json", "{}", "is not a run's config"),
        ("config.json", "{", "is not a run's config"),
        ("result.json", None, "cannot be read"),
        ("metrics.jsonl", "{", "cannot be read"),
        ("metrics.jsonl", None, "cannot be read"),
    ],
)
def test_a_damaged_record_is_named(written, file, content, says):
    folder, *_ = written
    if content is None:
        (folder / file).unlink()
        (folder / file).mkdir()  # it is there, and cannot be read
    else:
        (folder / file).write_text(content)
    with pytest.raises(RunError, match=says):
        _ = load_run(folder).tokenizer, load_run(folder).metrics


def test_a_config_of_another_version_is_refused(written):
    folder, *_ = written
    config = json.loads((folder / "config.json").read_text())
    config["arm"]["model"]["flavour"] = "mint"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"is not a run's config: .*flavour"):
        load_run(folder)


def test_a_large_tokenizer_is_kept_once_and_read_from_every_arm(tmp_path, text_file, monkeypatch):
    monkeypatch.setattr("gptkit.engines.run_folder.MAX_INLINE_BYTES", 1000)
    result = Experiment(
        tokenizers=("bpe:300",),
        models=("bigram",),
        data=str(text_file),
        seeds=3,
        out=tmp_path,
        budget="8steps",
        bytes_per_step=256,
        context_bytes=32,
        sample_bytes=30,
    ).run()
    (shared,) = (result.folder / "tokenizers").iterdir()
    own = [arm / "tokenizer.json" for arm in result.folder.glob("bpe_300-*")]
    assert len(own) == 3
    assert all(path.stat().st_size < 200 for path in own)
    ids = [load_run(path.parent).tokenizer.encode("to be") for path in own]
    assert ids[0] == ids[1] == ids[2]
    shared.write_bytes(shared.read_bytes().replace(b"bpe:300", b"bpe:301"))
    with pytest.raises(RunError, match="was changed: it is not the tokenizer"):
        _ = load_run(own[0].parent).tokenizer
    shared.unlink()
    with pytest.raises(RunError, match="Copy the experiment's folder as a whole"):
        _ = load_run(own[0].parent).tokenizer


def test_a_reference_stays_in_the_experiments_folder(tmp_path, text_file):
    result = Experiment(
        tokenizers=("byte",),
        models=("bigram",),
        data=str(text_file),
        out=tmp_path,
        budget="8steps",
        bytes_per_step=256,
        context_bytes=32,
        sample_bytes=30,
    ).run()
    own = result.folder / "byte-bigram-s0" / "tokenizer.json"
    own.write_text('{"shared_sha256": "../../../etc/passwd"}')
    with pytest.raises(RunError, match="does not describe a tokenizer"):
        _ = load_run(own.parent).tokenizer
