"""Scores of other people's models: random weights in the shapes that people use."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
import transformers
from small_runs import TOKENIZERS

from gptkit.config import slug
from gptkit.data.corpus import reload_corpus
from gptkit.engines.run_folder import load_run
from gptkit.errors import ConfigError
from gptkit.export.causal_lm import load_causal_lm, nats_of
from gptkit.export.hugging_face import export_hugging_face
from gptkit.export.score import score_models, sweep_from_start
from gptkit.results.statistics import paired_difference, text_p_value
from gptkit_tokenizers import TokenizerError, get_tokenizer

V, T = 300, 32
SMALL = {
    "vocab_size": V,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": T,
}
CONFIGS = {
    "gpt2": transformers.GPT2Config(
        vocab_size=V, n_positions=T, n_embd=16, n_layer=2, n_head=2, bos_token_id=7, eos_token_id=8
    ),
    "llama": transformers.LlamaConfig(**SMALL, bos_token_id=5, eos_token_id=[6, 7]),
    "qwen3": transformers.Qwen3Config(**SMALL, head_dim=8, bos_token_id=None, eos_token_id=9),
    "nanochat": transformers.NanoChatConfig(**SMALL, bos_token_id=3, eos_token_id=1),
}
PREFIX = {"gpt2": 7, "llama": 5, "qwen3": 9, "nanochat": 3}


@pytest.fixture(scope="module")
def text(english):
    return english[:5000] + "THE King naïve 🦆 <|endoftext|>\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory, english):
    """Folders of models, by architecture, with one tokenizer."""
    content = get_tokenizer(f"bpe:{V}", english).to_tokenizer_json()
    folders = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(1)
        folders[name] = tmp_path_factory.mktemp(name)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folders[name])
        (folders[name] / "tokenizer.json").write_bytes(content)
    return folders


@pytest.mark.parametrize("name", CONFIGS)
def test_every_byte_is_scored_once(name, models, text):
    """Against a plain loop over windows, in double precision."""
    model = transformers.AutoModelForCausalLM.from_pretrained(models[name]).double()
    tokenizer = get_tokenizer(str(models[name]))
    ids = torch.tensor([PREFIX[name], *tokenizer.encode(text)])
    nats = 0.0
    with torch.no_grad():
        for at in range(0, len(ids) - 1, T):
            window = ids[at : at + T + 1]
            log_probs = model(window[None, :-1]).logits[0].log_softmax(-1)
            nats -= log_probs[torch.arange(len(window) - 1), window[1:]].sum().item()
    n_bytes = len(text.encode())
    (score,) = score_models({name: str(models[name])}, text, text_name="text").models
    assert score.loss.bits_per_byte == pytest.approx(nats / math.log(2) / n_bytes, abs=1e-5)
    assert (score.loss.bytes, score.loss.tokens) == (n_bytes, len(ids) - 1)
    assert (score.prefix_id, score.context, score.vocab_size) == (PREFIX[name], T, V)
    assert score.parameters == model.num_parameters()
    low, high = score.ci95
    assert low < score.loss.bits_per_byte < high


def test_windows_that_overlap_give_every_target_its_context(models, text):
    model = load_causal_lm(str(models["llama"]))
    ids = np.array(get_tokenizer(str(models["llama"])).encode(text))[:150]
    found = sweep_from_start(model, ids, prefix=5, stride=10)
    everything = torch.tensor([5, *ids])
    with torch.no_grad():
        for i in (0, 20, T - 1, T, T + 9, T + 10, 77, 149):
            start = 0 if i < T else (i - T) // 10 * 10 + 10  # of the window that scores it
            context = everything[start : i + 1][None]
            logits = model.model(context).logits[0, -1].double()
            expected = -logits.log_softmax(-1)[ids[i]].item()
            assert found[i] == pytest.approx(expected, abs=1e-4), i


def test_the_nats_are_those_of_cross_entropy():
    torch.manual_seed(0)
    logits, targets = torch.randn(50, 70_000) * 5, torch.randint(0, 70_000, (50,))
    expected = torch.nn.functional.cross_entropy(logits.double(), targets, reduction="none")
    torch.testing.assert_close(nats_of(logits, targets).double(), expected, rtol=1e-5, atol=1e-4)
    logits[3, targets[3]] = -500.0
    expected = torch.nn.functional.cross_entropy(logits.double(), targets, reduction="none")
    torch.testing.assert_close(nats_of(logits, targets).double(), expected, rtol=1e-5, atol=1e-4)
    assert expected[3] > 500


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_an_export_has_the_loss_of_its_run(tokenizer, runs, tmp_path):
    run = load_run(runs / f"{slug(tokenizer)}-qwen3-s0")
    folder = export_hugging_face(run, tmp_path / "hf").folder
    val = reload_corpus(run.record.corpus).val
    (score,) = score_models({"x": str(folder)}, val, text_name="val").models
    assert score.loss.bits_per_byte == pytest.approx(run.result.val.bits_per_byte, abs=1e-4)
    assert score.context == run.config.schedule.block_size


def test_a_run_is_scored_beside_its_export(runs, tmp_path, english):
    run = runs / "byte-decoder-s0"
    folder = export_hugging_face(load_run(run), tmp_path / "hf").folder
    found = score_models({"run": str(run), "hf": str(folder)}, english[:3000], text_name="t")
    one, other = found.models
    assert one.loss.bits_per_byte == pytest.approx(other.loss.bits_per_byte, abs=2e-3)
    assert one.parameters == other.parameters
    assert not found.verdicts[0].significant


def test_the_better_model_is_found_and_worded(runs, text):
    folders = {r: str(runs / f"byte-{r}-s0") for r in ("decoder", "bigram", "gpt2")}
    found = score_models(folders, text * 10, text_name="text")
    bits = [score.loss.bits_per_byte for score in found.models]
    assert bits == sorted(bits)
    assert len(found.verdicts) == 3
    for verdict in found.verdicts:
        a, b = (
            next(s.loss.bits_per_byte for s in found.models if s.name == name)
            for name in (verdict.a, verdict.b)
        )
        assert verdict.delta_bits_per_byte == pytest.approx(b - a, abs=1e-6)
        low, high = verdict.ci95
        assert low < b - a < high
        assert verdict.significant == (verdict.p_holm < 0.05)
        assert ("is better than" in verdict.message) == verdict.significant
    assert found.verdicts[1].significant  # the best and the worst


def test_a_p_value_by_the_text_agrees_with_its_interval():
    rng = np.random.default_rng(0)
    bits, sizes = rng.normal(3.0, 10.0, 60), np.full(60, 100)
    found = paired_difference(bits[None], sizes)
    p = text_p_value(found, n_blocks=60)
    assert (p < 0.05) == (abs(found.mean) > found.text)
    edge = paired_difference(bits[None] - found.mean * 100 + found.text * 100, sizes)
    assert text_p_value(edge, n_blocks=60) == pytest.approx(0.05, abs=1e-6)
    assert text_p_value(paired_difference(bits[None, :1], sizes[:1]), n_blocks=1) is None


def test_a_tokenizer_that_loses_bytes_is_refused_or_charged(models, text, tmp_path):
    folder = tmp_path / "lossy"
    shutil.copytree(models["llama"], folder)
    saved = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    saved["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    with pytest.raises(TokenizerError, match="lossy_ok=True"):
        score_models({"x": str(folder)}, text, text_name="text")
    (score,) = score_models({"x": str(folder)}, text, text_name="text", lossy_ok=True).models
    assert score.loss.lost_bytes == sum(c.isupper() for c in text)
    (whole,) = score_models({"x": str(models["llama"])}, text, text_name="text").models
    assert score.loss.bits_per_byte > whole.loss.bits_per_byte


def broken(kind, folder):
    if kind == "no config":
        (folder / "config.json").unlink()
    elif kind == "no weights":
        (folder / "model.safetensors").unlink()
    elif kind == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    elif kind == "own code":
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "mine.Mine"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "mine.py").write_text("raise SystemExit('this code was run')")
    elif kind == "other tokenizer":
        (folder / "tokenizer.json").write_bytes(get_tokenizer("gpt2").to_tokenizer_json())
    elif kind == "damaged":
        (folder / "model.safetensors").write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no config", "config.json is missing"),
        ("no weights", "no .safetensors file"),
        ("pickle", "pytorch_model.bin, a pickle"),
        ("own code", "cannot be loaded as a causal language model"),
        ("other tokenizer", r"has 50,257 ids, and its model only 300"),
        ("damaged", "cannot be loaded as a causal language model"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(kind, message, models, text, tmp_path):
    shutil.copytree(models["gpt2"], tmp_path / "m")
    broken(kind, tmp_path / "m")
    with pytest.raises(ConfigError, match=message):
        score_models({"x": str(tmp_path / "m")}, text, text_name="text")


def test_a_text_shorter_than_a_window_is_refused_and_context_is_an_upper_limit(models, text):
    place = {"x": str(models["llama"])}
    with pytest.raises(ConfigError, match=r"has \d+ tokens under x, fewer than its context of 32"):
        score_models(place, "to be", text_name="text")
    (score,) = score_models(place, text, text_name="text", context=64).models
    assert score.context == 32
    (score,) = score_models(place, text, text_name="text", context=8).models
    assert score.context == 8
