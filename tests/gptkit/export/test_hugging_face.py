"""Exports: loaded as anybody would load them, they give the run's ids, losses and texts."""

import json
import math
import shutil
from itertools import islice

import msgspec
import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from small_runs import RECIPE_NAMES, TOKENIZERS
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptkit.config import slug
from gptkit.data.corpus import reload_corpus
from gptkit.engines.run_folder import load_run
from gptkit.errors import ConfigError, CorpusError, RunError
from gptkit.eval.sampling import generate
from gptkit.export import hugging_face
from gptkit.export.hugging_face import ExportRecord, export_hugging_face
from gptkit_tokenizers.testing import TEXTS

FILES = {
    *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"),
    *("tokenizer_config.json", "README.md", "lm_eval_task.yaml", "val.jsonl", "gptkit.json"),
}


def run_of(runs, tokenizer, recipe):
    return load_run(runs / f"{slug(tokenizer)}-{recipe}-s0")


def bits_by_transformers(folder, text, prefix_id, block_size):
    """Bits per byte of a text, by transformers alone, in windows that do not overlap."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([prefix_id, *tokenizer(text)["input_ids"]])
    nats = 0.0
    with torch.no_grad():
        for at in range(0, len(ids) - 1, block_size):
            window = ids[at : at + block_size + 1]
            log_probs = model(window[None, :-1]).logits[0].double().log_softmax(-1)
            nats -= log_probs[torch.arange(len(window) - 1), window[1:]].sum().item()
    return nats / math.log(2) / len(text.encode())


@pytest.mark.parametrize(
    ("tokenizer", "recipe"),
    [
        pytest.param(tokenizer, recipe, marks=[pytest.mark.slow] if slow else [])
        for tokenizer in TOKENIZERS
        for recipe in RECIPE_NAMES
        for slow in [tokenizer == "gpt2" and recipe not in ("decoder", "qwen3")]
    ],
)
def test_an_export_is_the_run(tokenizer, recipe, runs, tmp_path):
    run = run_of(runs, tokenizer, recipe)
    done = export_hugging_face(run, tmp_path / "hf")
    assert {path.name for path in done.folder.iterdir()} == FILES
    assert len({path.stat().st_mode for path in done.folder.iterdir()}) == 1
    text = json.loads((done.folder / "val.jsonl").read_text("utf-8"))["text"]
    record = msgspec.json.decode((done.folder / "gptkit.json").read_bytes(), type=ExportRecord)
    found = bits_by_transformers(done.folder, text, record.prefix_id, record.block_size)
    assert found == pytest.approx(run.result.val.bits_per_byte, abs=1e-4)
    assert done.bits_per_byte == pytest.approx(found, abs=1e-4)

    theirs = AutoTokenizer.from_pretrained(done.folder)
    hostile = [t for t in TEXTS if tokenizer != "char" or set(t) <= set(run.tokenizer.alphabet)]
    for other in (text, "<|endoftext|>" if tokenizer != "char" else "", *hostile):
        assert theirs(other)["input_ids"] == run.tokenizer.encode(other)
        assert theirs.decode(theirs(other)["input_ids"]) == other


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_the_greedy_continuation_is_the_runs(recipe, runs, tmp_path):
    run = run_of(runs, "char", recipe)
    done = export_hugging_face(run, tmp_path / "hf")
    model = AutoModelForCausalLM.from_pretrained(done.folder)
    block_size = run.config.schedule.block_size
    prompt = run.tokenizer.encode("the king ")
    mine = list(islice(generate(run.model, prompt, top_k=1), 100))
    # gptkit goes on from the last half of a full window; transformers has no such rule.
    window, theirs = list(prompt), []
    for _ in range(100):
        with torch.no_grad():
            token = int(model(torch.tensor([window])).logits[0, -1].argmax())
        theirs.append(token)
        window.append(token)
        if len(window) > block_size:
            window = window[-max(1, block_size // 2) :]
    assert mine == theirs
    few = block_size - len(prompt)
    out = model.generate(torch.tensor([prompt]), max_length=block_size, do_sample=False)
    assert out[0, len(prompt) :].tolist() == mine[:few]


def test_generation_draws_as_gptkit_does(runs, tmp_path):
    done = export_hugging_face(run_of(runs, "byte", "decoder"), tmp_path / "hf")
    config = json.loads((done.folder / "generation_config.json").read_text())
    assert (config["do_sample"], config["top_k"], config["top_p"]) == (True, 0, 1.0)


def test_the_card_and_the_task_say_what_was_measured(runs, tmp_path):
    run = run_of(runs, "bpe:300", "qwen3")
    done = export_hugging_face(run, tmp_path / "hf")
    _, front, card = (done.folder / "README.md").read_text("utf-8").split("---\n", 2)
    (entry,) = yaml.safe_load(front)["model-index"]
    (metric,) = entry["results"][0]["metrics"]
    assert metric["value"] == pytest.approx(run.result.val.bits_per_byte, abs=1e-6)
    assert f"**{run.result.val.bits_per_byte:.4f} bits per byte**" in card
    assert f"prefix_token_id={done.record.prefix_id}" in card
    task = yaml.safe_load((done.folder / "lm_eval_task.yaml").read_text())
    assert (task["task"], task["output_type"]) == ("gptkit_val", "loglikelihood_rolling")
    assert task["dataset_kwargs"]["data_files"]["validation"] == "val.jsonl"
    text = json.loads((done.folder / "val.jsonl").read_text("utf-8"))["text"]
    assert text == reload_corpus(run.record.corpus).val


@pytest.mark.parametrize("recipe", ["bigram", "fast"])
def test_what_transformers_has_not_is_refused(recipe, runs, tmp_path):
    with pytest.raises(ConfigError, match="Train decoder"):
        export_hugging_face(run_of(runs, "byte", recipe), tmp_path / "hf")
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_exists_is_kept(runs, tmp_path):
    with pytest.raises(ConfigError, match="exists already"):
        export_hugging_face(run_of(runs, "byte", "decoder"), tmp_path)


def test_a_text_that_moved_is_asked_for_and_one_that_changed_is_refused(runs, tmp_path):
    copy = tmp_path / "all"
    shutil.copytree(runs, copy)
    config = json.loads((copy / "byte-decoder-s0/config.json").read_text())
    text = (runs.parent / "text.txt").read_text("utf-8")
    config["corpus"]["name"] = str(tmp_path / "gone.txt")
    (copy / "byte-decoder-s0/config.json").write_text(json.dumps(config))
    run = load_run(copy / "byte-decoder-s0")
    with pytest.raises(CorpusError, match=r"gone\.txt"):
        export_hugging_face(run, tmp_path / "hf")
    (tmp_path / "new.txt").write_text(text[:-1] + "?", encoding="utf-8")
    with pytest.raises(CorpusError, match="is not the text of the run"):
        export_hugging_face(run, tmp_path / "hf", data=str(tmp_path / "new.txt"))
    assert not (tmp_path / "hf").exists()
    (tmp_path / "new.txt").write_text(text, encoding="utf-8")
    export_hugging_face(run, tmp_path / "hf", data=str(tmp_path / "new.txt"))


def test_an_export_that_differs_is_not_written(runs, tmp_path, monkeypatch):
    run = run_of(runs, "byte", "gpt2")
    run.model.head.weight.data[0] += 1.0  # the result is of other weights
    with pytest.raises(RunError, match="bits per byte on val, the run"):
        export_hugging_face(run, tmp_path / "hf")
    run = run_of(runs, "bpe:300", "gpt2")
    other = run.tokenizer.to_tokenizer_json().replace(b'"ignore_merges":true', b'"merges":[]')
    saved = json.loads(other)
    saved["model"].update(merges=[], ignore_merges=False)
    monkeypatch.setattr(
        type(run.tokenizer), "to_tokenizer_json", lambda self: json.dumps(saved).encode()
    )
    with pytest.raises(RunError, match="other ids than the run's"):
        export_hugging_face(run, tmp_path / "hf")
    assert not [*tmp_path.iterdir()]


def test_the_state_of_the_process_is_left_alone(runs, tmp_path):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    export_hugging_face(run_of(runs, "byte", "decoder"), tmp_path / "hf")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_ids_that_training_never_saw_share_their_row(runs, tmp_path):
    run = run_of(runs, "gpt2", "decoder")
    export_hugging_face(run, tmp_path / "hf")
    weights = safetensors.torch.load_file(tmp_path / "hf" / "model.safetensors")
    unused = np.setdiff1d(np.arange(50257), run.model.support.numpy())
    rows = weights["lm_head.weight"][unused]
    assert (rows == rows[:1]).all()
    assert hugging_face.TOLERANCE == 1e-4
