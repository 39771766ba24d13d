"""GGUF files, read back by the library gguf."""

import json

import gguf
import numpy as np
import pytest

from gptkit.config import slug
from gptkit.engines.run_folder import load_run
from gptkit.errors import ConfigError, RunError
from gptkit.export import gguf_file
from gptkit.export.gguf_file import export_gguf
from gptkit.export.layouts import find_layout


def run_of(runs, tokenizer, recipe):
    return load_run(runs / f"{slug(tokenizer)}-{recipe}-s0")


@pytest.mark.parametrize(
    ("tokenizer", "recipe"),
    [
        *(("byte", "gpt2"), ("bpe:300", "gpt2"), ("byte", "qwen3")),
        pytest.param("gpt2", "qwen3", marks=pytest.mark.slow),  # the reader is slow
    ],
)
def test_tensors_tokens_and_config_read_back(tokenizer, recipe, runs, tmp_path):
    run = run_of(runs, tokenizer, recipe)
    reader = gguf.GGUFReader(export_gguf(run, tmp_path / "model.gguf"))
    fields = {
        name: field.contents()
        for name, field in reader.fields.items()
        if name.removeprefix("tokenizer.ggml.") not in ("tokens", "token_type", "merges")
    }
    c = run.config.model
    assert fields["general.architecture"] == recipe
    assert fields[f"{recipe}.context_length"] == run.config.schedule.block_size
    assert fields[f"{recipe}.embedding_length"] == c.n_embd
    assert fields[f"{recipe}.attention.head_count"] == c.n_head
    assert fields[f"{recipe}.block_count"] == c.n_layer
    assert fields[f"{recipe}.feed_forward_length"] == c.mlp_width
    field = reader.fields["tokenizer.ggml.tokens"]  # contents() takes ten seconds
    tokens = [bytes(field.parts[i]).decode() for i in field.data]
    vocab = json.loads(run.tokenizer.to_tokenizer_json())["model"]["vocab"]
    assert len(tokens) == run.tokenizer.vocab_size
    assert all(tokens[i] == token for token, i in vocab.items())
    assert fields["tokenizer.ggml.pre"] == "gpt-2"
    field = reader.fields["tokenizer.ggml.merges"]
    for merge in (bytes(field.parts[i]).decode() for i in field.data):
        if tokenizer != "byte":  # there, a merge that spells no token
            assert merge.replace(" ", "") in vocab

    weights = find_layout(run.model, recipe).weights
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert len(found) == len(weights)
    name = {"gpt2": "transformer.h.0.attn.c_attn", "qwen3": "model.layers.0.self_attn.o_proj"}
    theirs = {"gpt2": "blk.0.attn_qkv.weight", "qwen3": "blk.0.attn_output.weight"}
    mine = weights[f"{name[recipe]}.weight"].numpy()
    expected = mine.T if recipe == "gpt2" else mine
    np.testing.assert_array_equal(found[theirs[recipe]].data, expected)
    # llama.cpp's dimensions are the other way round: (in, out)
    assert list(found[theirs[recipe]].shape) == list(expected.shape[::-1])


@pytest.mark.parametrize("recipe", ["decoder", "lecture", "norm", "bigram"])
def test_another_model_is_refused(recipe, runs, tmp_path):
    with pytest.raises(ConfigError, match="cannot be"):
        export_gguf(run_of(runs, "byte", recipe), tmp_path / "model.gguf")
    assert not [*tmp_path.iterdir()]


def test_another_tokenizer_is_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="byte-pair tokenizers over bytes"):
        export_gguf(run_of(runs, "char", "gpt2"), tmp_path / "model.gguf")
    assert not [*tmp_path.iterdir()]


def test_a_file_that_does_not_read_back_is_not_kept(runs, tmp_path, monkeypatch):
    run = run_of(runs, "byte", "gpt2")
    target = tmp_path / "model.gguf"
    target.write_bytes(b"")
    with pytest.raises(ConfigError, match="exists already"):
        export_gguf(run, target)
    target.unlink()
    monkeypatch.setattr(gguf_file.np, "array_equal", lambda a, b: False)
    with pytest.raises(RunError, match="does not read back"):
        export_gguf(run, target)
    assert not [*tmp_path.iterdir()]
