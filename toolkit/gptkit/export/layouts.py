"""Where a decoder's weights are in the models of Hugging Face's transformers.

Three architectures have the shape of a standard recipe. A layout is the config of such a model, as
in config.json, and its weights by their names there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gptkit.errors import ConfigError
from gptkit.models import Model
from gptkit.models.decoder import Decoder

RMS_EPS = float(torch.finfo(torch.float32).eps)
LAYER_NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A model of transformers.

    Attributes:
        model_type: the name of the architecture, as in config.json.
        config: the other fields of config.json.
        weights: every parameter by its name.
    """

    model_type: str
    config: dict[str, Any]
    weights: dict[str, Tensor]


def find_layout(model: Model, recipe: str) -> Layout:
    """Return a model's layout.

    Raises:
        ConfigError: transformers has no such model; the message names recipes that it has.
    """
    if isinstance(model, Decoder):
        for shape, make in LAYOUTS:
            if all(getattr(model.config, name) in allowed for name, allowed in shape.items()):
                return make(model)
    raise ConfigError(
        f"{recipe} cannot be exported: transformers has no model of this shape.\n"
        "Train decoder, large, gpt2, qwen3, lecture, or the ladder's norm, scaled or today."
    )


def embedding_rows(model: Decoder) -> Tensor:
    """Return the embedding of every id: (V, C)."""
    table = model.embedding
    return torch.cat([table.weight.detach(), table.unused_rows])[table.row]


def head_rows(model: Decoder) -> Tensor:
    """Return the head's column of every id (V, C); the unused ids share one."""
    return model.head.weight.detach()[model.head.column]


def _halves_swapped(weight: Tensor, n_head: int) -> Tensor:
    """Put the second half of each head's rows first: nanochat rotates the other way round."""
    heads = weight.view(n_head, 2, -1, weight.shape[1])
    return heads.flip(1).reshape(weight.shape)


def _blocks(model: Decoder) -> Iterator[tuple[int, dict[str, Tensor]]]:
    for i, block in enumerate(model.blocks):
        yield i, {name: p.detach() for name, p in block.named_parameters()}


def _shared_config(model: Decoder) -> dict[str, Any]:
    """No id is special: the nulls are written, because the defaults are other ids."""
    return {
        "vocab_size": model.vocab_size,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


def _rotary_config(model: Decoder) -> dict[str, Any]:
    c = model.config
    return _shared_config(model) | {
        "hidden_size": c.n_embd,
        "intermediate_size": c.mlp_width,
        "num_hidden_layers": c.n_layer,
        "num_attention_heads": c.n_head,
        "num_key_value_heads": c.n_head,
        "head_dim": c.head_dim,
        "max_position_embeddings": model.block_size,
        "rms_norm_eps": RMS_EPS,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROTARY_BASE},
    }


def nanochat(model: Decoder) -> Layout:
    """RMSNorm without a gain, also after the embedding; ReLU²."""
    n_head = model.config.n_head
    weights = {
        "model.embed_tokens.weight": embedding_rows(model),
        "lm_head.weight": head_rows(model),
    }
    for i, block in _blocks(model):
        layer = f"model.layers.{i}"
        q, k, v = block["attention.qkv.weight"].chunk(3)
        weights |= {
            f"{layer}.self_attn.q_proj.weight": _halves_swapped(q, n_head),
            f"{layer}.self_attn.k_proj.weight": _halves_swapped(k, n_head),
            f"{layer}.self_attn.v_proj.weight": v,
            f"{layer}.self_attn.o_proj.weight": block["attention.proj.weight"],
            f"{layer}.mlp.fc1.weight": block["mlp.fc.weight"],
            f"{layer}.mlp.fc2.weight": block["mlp.proj.weight"],
        }
    config = _rotary_config(model) | {"hidden_act": "relu2", "final_logit_softcapping": None}
    return Layout(model_type="nanochat", config=config, weights=weights)


def qwen3(model: Decoder) -> Layout:
    """RMSNorm with a gain; SwiGLU, whose two matrices have names of their own."""
    norm: Any = model.norm
    weights = {
        "model.embed_tokens.weight": embedding_rows(model),
        "lm_head.weight": head_rows(model),
        "model.norm.weight": norm.weight.detach(),
    }
    for i, block in _blocks(model):
        layer = f"model.layers.{i}"
        q, k, v = block["attention.qkv.weight"].chunk(3)
        gate, up = block["mlp.fc.weight"].chunk(2)
        weights |= {
            f"{layer}.input_layernorm.weight": block["attention_norm.weight"],
            f"{layer}.post_attention_layernorm.weight": block["mlp_norm.weight"],
            f"{layer}.self_attn.q_proj.weight": q,
            f"{layer}.self_attn.k_proj.weight": k,
            f"{layer}.self_attn.v_proj.weight": v,
            f"{layer}.self_attn.q_norm.weight": block["attention.q_gain"],
            f"{layer}.self_attn.k_norm.weight": block["attention.k_gain"],
            f"{layer}.self_attn.o_proj.weight": block["attention.proj.weight"],
            f"{layer}.mlp.gate_proj.weight": gate,
            f"{layer}.mlp.up_proj.weight": up,
            f"{layer}.mlp.down_proj.weight": block["mlp.proj.weight"],
        }
    config = _rotary_config(model) | {"hidden_act": "silu"}
    return Layout(model_type="qwen3", config=config, weights=weights)


def gpt2(model: Decoder) -> Layout:
    """LayerNorm and learned positions; a linear layer's weight is (in, out) there."""
    c, norm = model.config, model.norm
    assert model.position is not None
    assert isinstance(norm, nn.LayerNorm)
    weights = {
        "transformer.wte.weight": embedding_rows(model),
        "transformer.wpe.weight": model.position.weight.detach(),
        "transformer.ln_f.weight": norm.weight.detach(),
        "transformer.ln_f.bias": norm.bias.detach(),
        "lm_head.weight": head_rows(model),
    }
    names = {
        "attention_norm": "ln_1",
        "attention.qkv": "attn.c_attn",
        "attention.proj": "attn.c_proj",
        "mlp_norm": "ln_2",
        "mlp.fc": "mlp.c_fc",
        "mlp.proj": "mlp.c_proj",
    }
    for i, block in _blocks(model):
        for mine, theirs in names.items():
            weight = block[f"{mine}.weight"]
            weights[f"transformer.h.{i}.{theirs}.weight"] = weight.T if weight.ndim == 2 else weight
            weights[f"transformer.h.{i}.{theirs}.bias"] = block[f"{mine}.bias"]
    dropout = c.dropout or 0.0
    config = _shared_config(model) | {
        "n_positions": model.block_size,
        "n_embd": c.n_embd,
        "n_layer": c.n_layer,
        "n_head": c.n_head,
        "n_inner": c.mlp_width,
        "activation_function": {"gelu": "gelu_new", "relu": "relu"}[c.activation],
        "layer_norm_epsilon": LAYER_NORM_EPS,
        "resid_pdrop": dropout,
        "embd_pdrop": dropout,
        "attn_pdrop": dropout,
    }
    return Layout(model_type="gpt2", config=config, weights=weights)


def _shape(**allowed: Any) -> dict[str, tuple[Any, ...]]:
    common = {
        "attention": "softmax",
        "mlp": True,
        "residual": True,
        "token_shift": False,
        "ngram_rows": None,
    }
    return {
        name: value if isinstance(value, tuple) else (value,)
        for name, value in (common | allowed).items()
    }


LAYOUTS: list[tuple[dict[str, tuple[Any, ...]], Callable[[Decoder], Layout]]] = [
    (
        _shape(
            norm="rms",
            positions="rotary",
            qk_norm=True,
            embedding_norm=True,
            activation="relu2",
            bias=False,
        ),
        nanochat,
    ),
    (
        _shape(
            norm="rms_gain",
            positions="rotary",
            qk_norm=True,
            embedding_norm=False,
            activation="swiglu",
            bias=False,
        ),
        qwen3,
    ),
    (
        _shape(
            norm="layer",
            positions="learned",
            qk_norm=False,
            embedding_norm=False,
            activation=("gelu", "relu"),
            bias=True,
        ),
        gpt2,
    ),
]  # by the values of ModelConfig that a layout needs
