"""Bits per byte recomputed from a saved run's files, by a forward pass written again in NumPy."""

import json
import math
import resource
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import gptkit


def independent_bits_per_byte(folder: Path, text: bytes) -> float:
    """Bits per byte from a decoder's files alone: NumPy in float64, none of gptkit's model code."""
    arm = json.loads((folder / "config.json").read_text())["arm"]
    config, T = arm["model"], arm["schedule"]["block_size"]
    w = {k: v.astype(np.float64) for k, v in load_file(folder / "weights.safetensors").items()}
    tokenizer = gptkit.load_run(folder).tokenizer
    cut = len(text.decode()) * 9 // 10
    before = tokenizer.encode(text.decode()[:cut])
    ids = tokenizer.encode(text.decode()[cut:])
    used = w["support"].astype(int).tolist()
    unused = [i for i in range(tokenizer.vocab_size) if i not in set(used)]
    embedding = dict(zip(used, w["embedding.weight"], strict=True))
    embedding |= dict(zip(unused, w["embedding.unused_rows"], strict=True))
    C, H = config["n_embd"], config["n_head"]
    D, eps = C // H, np.finfo(np.float32).eps

    def norm(x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)

    def turn(x):  # (H, t, D)
        half = D // 2
        angle = np.arange(x.shape[1])[:, None] * 10_000.0 ** (-np.arange(half) * 2 / D)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate(
            [a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1
        )

    table = w.get("ngrams.weight")  # of `fast` alone

    def row_of(ngram, rows):
        """The n-gram's row, in Python's whole numbers, cut to 64 bits with a sign."""

        def signed(number):
            return (number + 2**63) % 2**64 - 2**63

        golden, key = -7046029254386353131, int(ngram[0])
        for n, token in enumerate(ngram[1:], start=2):
            key = signed(signed(key * golden) + int(token) + n)
        return (signed(key * golden) >> 33) % rows

    def window_nats(context, targets):
        t = len(context)
        x = np.stack([embedding[i] for i in context])
        for end in range(t if table is not None else 0):
            for n in (2, 3, 4):
                if end + 1 >= n:
                    x[end] = x[end] + table[row_of(context[end + 1 - n : end + 1], len(table))]
        x = norm(x)
        if config["token_shift"]:
            half = C // 2
            x = np.concatenate([x[:, :half], np.vstack([np.zeros((1, half)), x[:-1, half:]])], -1)
        for layer in range(config["n_layer"]):
            p = f"blocks.{layer}."
            qkv = norm(x) @ w[p + "attention.qkv.weight"].T
            q, k, v = qkv.reshape(t, 3, H, D).transpose(1, 2, 0, 3)
            scores = turn(norm(q)) @ turn(norm(k)).transpose(0, 2, 1) / math.sqrt(D)
            scores[:, np.triu(np.ones((t, t), bool), 1)] = -np.inf
            attention = np.exp(scores - scores.max(-1, keepdims=True))
            attention /= attention.sum(-1, keepdims=True)
            x = (
                x
                + (attention @ v).transpose(1, 0, 2).reshape(t, C)
                @ w[p + "attention.proj.weight"].T
            )
            hidden = np.maximum(norm(x) @ w[p + "mlp.fc.weight"].T, 0) ** 2
            x = x + hidden @ w[p + "mlp.proj.weight"].T
        logits = norm(x) @ w["head.weight"].T  # (t, k [+ 1])
        full = np.repeat(logits[:, -1:], tokenizer.vocab_size, axis=1)
        full[:, used] = logits[:, : len(used)]
        log_z = np.log(np.exp(full).sum(-1))
        return sum(log_z[i] - full[i, target] for i, target in enumerate(targets))

    stream = [before[-1], *ids]
    nats, spelled = 0.0, 0
    for first in range(0, len(ids), T):
        targets = stream[first + 1 : first + T + 1]
        nats += window_nats(stream[first : first + len(targets)], targets)
        spelled += len(b"".join(tokenizer.token_bytes(i) for i in targets))
    assert spelled == len(text.decode()[cut:].encode())
    return nats / math.log(2) / spelled


@pytest.mark.parametrize("model", ["decoder", "fast"])
@pytest.mark.parametrize("tokenizer", ["char", "gpt2"])
def test_bits_per_byte_can_be_recomputed_from_the_saved_run(text_file, tmp_path, tokenizer, model):
    result = gptkit.compare(
        tokenizers=[tokenizer],
        models=[model],
        data=str(text_file),
        out=tmp_path,
        budget="20steps",
        bytes_per_step=256,
        context_bytes=32,
    )
    (arm,) = result.arms
    found = independent_bits_per_byte(result.folder / arm.id, text_file.read_bytes())
    # 1e-3 is what is promised; the model computes in float32.
    assert found == pytest.approx(arm.val.bits_per_byte, abs=1e-3)


@pytest.mark.corpus
@pytest.mark.slow
def test_the_default_reaches_its_loss_on_tiny_shakespeare(shakespeare_folder, tmp_path):
    result = gptkit.compare(data="tinyshakespeare", out=tmp_path)
    losses = {arm.id: arm.val.bits_per_byte for arm in result.arms}
    assert losses["char-decoder-s0"] <= 2.55  # what the kit promises
    assert losses["gpt2-decoder-s0"] < losses["gpt2-bigram-s0"] - 0.5
    text = (shakespeare_folder / "tinyshakespeare.txt").read_bytes()
    for arm_id in ("char-decoder-s0", "gpt2-decoder-s0"):
        found = independent_bits_per_byte(result.folder / arm_id, text)
        assert found == pytest.approx(losses[arm_id], abs=1e-3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 3e9
