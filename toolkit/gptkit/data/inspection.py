"""Tokenizers on a corpus, side by side, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import build_tokenizer, encode_text
from gptkit_tokenizers import LossyTokenizer, Tokenizer, audit
from gptkit_tokenizers.measures import measures

INSPECTED = 64_000_000  # characters of the training text, at most
STRETCH = 40  # characters of the text that are shown cut


def inspect_tokenizers(
    corpus: Corpus,
    specs: Sequence[str],
    *,
    on_tokenizer: Callable[[str], None] = lambda spec: None,
) -> dict[str, Any]:
    """What `gptkit inspect --json` prints.

    Args:
        on_tokenizer: hears of each before it is looked at.

    Returns:
        The `corpus`; the `stretch` of its training text that is shown; and `tokenizers`, in order:
        what `measures` gives for the training text, or its start; `val_bytes_per_token`, of text
        that nothing learned from; `lost_bytes`, of the training text; `audit`, "passes" or what
        it says; and `cut`, the stretch's tokens, as text.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that cannot encode the text.
    """
    text = corpus.train[:INSPECTED]
    stretch = _stretch(text)
    rows = []
    for spec in specs:
        on_tokenizer(spec)
        tokenizer = build_tokenizer(corpus, spec)
        cut = [tokenizer.token_bytes(i).decode(errors="replace") for i in tokenizer.encode(stretch)]
        rows.append({"tokenizer": spec, **_inspected(tokenizer, text, corpus.val), "cut": cut})
    return {"corpus": corpus.to_dict(), "stretch": stretch, "tokenizers": rows}


def _inspected(tokenizer: Tokenizer, text: str, held_out: str) -> dict[str, Any]:
    train = encode_text(tokenizer, text, lossy_ok=True)
    val = encode_text(tokenizer, held_out, lossy_ok=True)
    says = "passes"
    if train.lost_bytes:
        try:
            audit(tokenizer, text, train.ids)
        except LossyTokenizer as error:
            says = str(error)
    return {
        **measures(tokenizer, text, train.ids),
        "val_bytes_per_token": val.bytes_per_token,
        "train_bytes": train.n_bytes,
        "lost_bytes": train.lost_bytes,
        "audit": says,
    }


def _stretch(text: str) -> str:
    """About a line from the text's middle, from the start of a word."""
    middle = len(text) // 2
    start = text.find(" ", middle) + 1 or middle
    return text[start : start + STRETCH]
