"""Write a run as a GGUF file for llama.cpp. Needs the extra `gguf`.

llama.cpp has the shapes of `gpt2` and `qwen3`, and byte-level tokenizers with the words of a few
known patterns. Tensors keep their float32 values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.engines.run_folder import Run
from gptkit.errors import ConfigError, RunError
from gptkit.export.layouts import LAYER_NORM_EPS, RMS_EPS, ROTARY_BASE, Layout, find_layout
from gptkit.files import rename_patiently, temporary_name
from gptkit_tokenizers.bytelevel import BYTE_OF
from gptkit_tokenizers.word_patterns import LEARNED_PATTERNS, LLAMA3, O200K, QWEN

WORDS = {
    LEARNED_PATTERNS["gpt2"]: "gpt-2",
    LLAMA3: "llama-bpe",
    QWEN: "qwen2",
    O200K: "gpt-4o",
}  # llama.cpp's names for patterns of words
ACTIVATIONS = {"gpt2": "gelu_new", "qwen3": "silu"}  # llama.cpp computes no other one


def export_gguf(run: Run, out: Path | None = None) -> Path:
    """Write a run's model and tokenizer, read the file back, and compare every tensor and token.

    Args:
        out: the file; None for `model.gguf` in the run's folder.

    Raises:
        ConfigError: llama.cpp has no such model, or the file exists; nothing is written.
        TokenizerError: the tokenizer is not byte-level; nothing is written.
        RunError: the file does not read back as it was written; nothing is kept.
    """
    try:
        import gguf
    except ImportError as error:
        raise ConfigError(
            "this needs the library gguf, which is not installed.\nInstall the extra: "
            "pip install -e '.[gguf]' 'torch<2.14'"
        ) from error
    path = run.folder / "model.gguf" if out is None else out
    if path.exists():
        raise ConfigError(f"{path} exists already. Give another file, out='FILE', or remove it.")
    layout = find_layout(run.model, run.config.recipe)
    if layout.config.get("activation_function", layout.config.get("hidden_act")) != ACTIVATIONS.get(
        layout.model_type
    ):
        raise ConfigError(
            f"{run.config.recipe} cannot be written as GGUF: llama.cpp has no model of this shape."
            "\nTrain gpt2 or qwen3, or export with to='hf'."
        )
    tokens, merges, words = _vocabulary(run)
    tensors = _tensors(gguf, layout)
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = gguf.GGUFWriter(temporary, layout.model_type)
        _write_config(writer, layout, run.config.id)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(words)
        writer.add_token_list(tokens)
        writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
        writer.add_token_merges(merges)
        writer.add_add_bos_token(False)
        for name, tensor in tensors.items():
            writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        _check(gguf, temporary, tensors, tokens)
        rename_patiently(temporary, path)
    except OSError as error:
        raise RunError(f"{error.filename or path} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _vocabulary(run: Run) -> tuple[list[str], list[str], str]:
    """Return the tokens by id and the merges, as byte-level text, and llama.cpp's name of words."""
    saved = json.loads(run.tokenizer.to_tokenizer_json())
    model, pre = saved["model"], saved["pre_tokenizer"] or {}
    parts = pre.get("pretokenizers", [pre])
    patterns = [part["pattern"]["Regex"] for part in parts if part.get("type") == "Split"]
    pattern = patterns[0] if patterns else LEARNED_PATTERNS["gpt2"]
    byte_level = [part for part in parts if part.get("type") == "ByteLevel"]
    if model["type"] != "BPE" or not byte_level or pattern not in WORDS or len(patterns) > 1:
        raise ConfigError(
            f"{run.tokenizer.name} cannot be written as GGUF: llama.cpp has byte-pair tokenizers "
            f"over bytes, with the words of {', '.join(WORDS.values())}.\n"
            "Use byte, bpe:N or gpt2, or export with to='hf'."
        )
    vocab: dict[str, int] = model["vocab"]
    by_id = {i: token for token, i in vocab.items()}
    tokens = [by_id.get(i, f"[UNUSED{i}]") for i in range(run.tokenizer.vocab_size)]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    # llama.cpp refuses a vocabulary without merges; this one spells no token, so it is never made.
    first, second = sorted(BYTE_OF)[:2]
    return tokens, merges or [f"{first} {second}"], WORDS[pattern]


def _write_config(writer: Any, layout: Layout, name: str) -> None:
    c = layout.config
    writer.add_name(name)
    writer.add_context_length(c.get("n_positions", c.get("max_position_embeddings")))
    writer.add_embedding_length(c.get("n_embd", c.get("hidden_size")))
    writer.add_block_count(c.get("n_layer", c.get("num_hidden_layers")))
    writer.add_feed_forward_length(c.get("n_inner", c.get("intermediate_size")))
    writer.add_head_count(c.get("n_head", c.get("num_attention_heads")))
    writer.add_head_count_kv(c.get("n_head", c.get("num_key_value_heads")))
    writer.add_vocab_size(c["vocab_size"])
    writer.add_file_type(0)  # all tensors are float32
    if layout.model_type == "gpt2":
        writer.add_layer_norm_eps(LAYER_NORM_EPS)
    else:
        writer.add_layer_norm_rms_eps(RMS_EPS)
        writer.add_rope_freq_base(ROTARY_BASE)
        writer.add_key_length(c["head_dim"])
        writer.add_value_length(c["head_dim"])


def _tensors(gguf: Any, layout: Layout) -> dict[str, np.ndarray]:
    """Return the weights by llama.cpp's names; a linear layer's weight is (out, in)."""
    arch = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[layout.model_type]
    blocks = layout.config.get("n_layer", layout.config.get("num_hidden_layers"))
    names = gguf.get_tensor_name_map(arch, blocks)
    tensors = {}
    for name, weight in layout.weights.items():
        stem, _, kind = name.rpartition(".")
        if layout.model_type == "gpt2" and ".h." in name and weight.ndim == 2:
            weight = weight.T
        tensors[f"{names.get_name(stem)}.{kind}"] = weight.contiguous().numpy()
    return tensors


def _check(gguf: Any, path: Path, tensors: dict[str, np.ndarray], tokens: list[str]) -> None:
    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    field = reader.get_field("tokenizer.ggml.tokens")
    read = [bytes(field.parts[i]).decode() for i in field.data]
    same = found.keys() == tensors.keys() and all(
        np.array_equal(found[name].reshape(tensor.shape), tensor)
        for name, tensor in tensors.items()
    )
    if not same or read != tokens:
        raise RunError("the GGUF file does not read back as it was written. Please report this.")
