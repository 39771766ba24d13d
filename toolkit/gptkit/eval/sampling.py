"""Text from a model: cached generation, matched by bytes, decoded safely as it streams."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gptkit.errors import ConfigError
from gptkit.models import Model
from gptkit_tokenizers import Tokenizer


def draw(
    log_probs: Tensor, *, temperature: float, top_k: int | None, generator: torch.Generator
) -> int:
    """One id from log-probabilities (V,)."""
    scores = log_probs.cpu().double() / temperature
    if top_k is not None and top_k < len(scores):
        lowest_kept = scores.topk(top_k).values[-1]
        scores = scores.masked_fill(scores < lowest_kept, -torch.inf)
    return int(torch.multinomial(scores.softmax(0), 1, generator=generator))


@torch.inference_mode()
def generate(
    model: Model,
    prompt: Sequence[int],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Ids that follow the prompt's, without end, each drawn from the whole vocabulary.

    The decoder keeps the keys and values of what it has read. When its window is full it starts
    again from the last half of it, so an id is conditioned on the last half window at least.

    Args:
        prompt: at least one id; the last block_size of them count.
        temperature: positive; below 1 sharpens the distribution.
        top_k: draw from the k likeliest ids alone; None for all.
        seed: of the draws. Torch's own random state is left alone.
    """
    if not 0 < temperature < math.inf:
        raise ConfigError(
            f"temperature is {temperature}; it must be positive and finite (top_k 1 is greedy)."
        )
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed is {seed}; it must be from 0 to 2^63 - 1.")
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k is {top_k}; it must be at least 1.")
    if not prompt:
        raise ConfigError("the prompt is empty; a model needs at least one token to go on from.")
    generator = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    block_size = model.block_size
    was_training = model.training
    model.eval()
    try:
        window = list(prompt)[-block_size:]
        cache, unread = model.new_cache(), window
        while True:
            log_probs = model.next_log_probs(torch.tensor([unread], device=device), cache)[0]
            token = draw(log_probs, temperature=temperature, top_k=top_k, generator=generator)
            yield token
            window.append(token)
            unread = [token]
            if len(window) > block_size:
                window = window[-max(1, block_size // 2) :]
                cache, unread = model.new_cache(), window
    finally:
        model.train(was_training)


def stream_text(
    model: Model,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_bytes: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """The text that follows the prompt, piece by piece, `max_bytes` UTF-8 bytes of it at most.

    A piece never ends within a character: bytes wait until it is whole. Bytes that are no UTF-8
    come out as U+FFFD, and a character cut by the limit is dropped.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    left = max_bytes
    prompt_ids = tokenizer.encode(prompt)
    for token in generate(model, prompt_ids, temperature=temperature, top_k=top_k, seed=seed):
        spelled = tokenizer.token_bytes(token)[:left]
        left -= len(spelled)
        if piece := decoder.decode(spelled):
            yield piece
        if not left:
            return


def sample_text(
    model: Model,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_bytes: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> str:
    """All that `stream_text` yields."""
    pieces = stream_text(
        model,
        tokenizer,
        prompt,
        max_bytes=max_bytes,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
    )
    return "".join(pieces)
