"""Generate text from a model, with a cache, up to a number of bytes."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from gptkit.errors import ConfigError
from gptkit.models import Model
from gptkit_tokenizers import Tokenizer

MAX_TOKENS_PER_BYTE = 4
SPELLED_AFTER = 64  # ids before a token, where its bytes depend on them


def draw(
    log_probs: Tensor, *, temperature: float, top_k: int | None, generator: torch.Generator
) -> int:
    """Draw one id from log-probabilities (V,)."""
    scores = log_probs.cpu().double()
    scores = (scores - scores.max()) / temperature  # the best stays 0, however small the divisor
    if top_k is not None and top_k < len(scores):
        lowest = scores.topk(top_k).values[-1]
        above, equal = scores > lowest, scores == lowest
        equal &= equal.cumsum(0) <= top_k - int(above.sum())  # of equals, the first ids
        scores = scores.masked_fill(~(above | equal), -torch.inf)
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
    """Yield ids that follow the prompt, without end.

    The decoder keeps the keys and values of the ids it has read. When its window is full, it
    starts again from the last half of the window. So an id always has at least half a window of
    context, if so many ids precede it.

    Args:
        prompt: at least one id; the last block_size ids count.
        temperature: positive; below 1 sharpens the distribution.
        top_k: draw only from the k most likely ids; None for all.
        seed: the seed for drawing. Torch's own random state does not change.
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


def _spell(tokenizer: Tokenizer, token: int, before: list[int]) -> bytes:
    """Return the bytes of a token that follows the ids before it."""
    if tokenizer.context_free:
        return tokenizer.token_bytes(token)
    return tokenizer.decode_bytes([*before, token])[len(tokenizer.decode_bytes(before)) :]


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
    """Yield the text that follows the prompt in pieces, at most `max_bytes` UTF-8 bytes.

    Ends early after `MAX_TOKENS_PER_BYTE` tokens for a byte, if most of them spell nothing. A
    piece never ends inside a character. Bytes that are not UTF-8 become U+FFFD. A character
    that the limit cuts is dropped.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    left = max_bytes
    prompt_ids = tokenizer.encode(prompt)
    before = prompt_ids[-SPELLED_AFTER:]
    most = MAX_TOKENS_PER_BYTE * max_bytes + model.block_size
    drawn = generate(model, prompt_ids, temperature=temperature, top_k=top_k, seed=seed)
    for token in islice(drawn, most):
        spelled = _spell(tokenizer, token, before)[:left]
        before = [*before, token][-SPELLED_AFTER:]
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
    """Return the whole text that `stream_text` yields."""
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
