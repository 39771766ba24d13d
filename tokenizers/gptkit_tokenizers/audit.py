"""Check a tokenizer's bytes before any training.

A tokenizer that loses, adds or changes bytes would be scored on another text than the others. So
its loss per byte could not be compared.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gptkit_tokenizers.base import Tokenizer, TokenizerError, utf8
from gptkit_tokenizers.registry import tokenizer_from_dict

if TYPE_CHECKING:
    import numpy as np


class LossyTokenizer(TokenizerError):
    """A tokenizer does not give a text's bytes back: it gives `spelled` instead of `data`."""

    def __init__(self, message: str, data: bytes, spelled: bytes) -> None:
        super().__init__(message)
        self.data = data
        self.spelled = spelled


def audit(tokenizer: Tokenizer, text: str, ids: np.ndarray) -> int:
    """Check that `ids` spell `text` exactly, and return its UTF-8 bytes.

    There are three checks. Every id is inside the vocabulary. The bytes of the single tokens add up
    to the bytes that decode_bytes gives. These bytes are the text's.

    Raises:
        LossyTokenizer: only the third check fails. The message shows the first difference.
        TokenizerError: another check fails.
    """
    import numpy as np

    data = utf8(text)
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "ui":
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: encode_array gives {type(ids).__name__}, "
            "not a one-dimensional NumPy array of whole numbers."
        )
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < tokenizer.vocab_size:
        at = int(np.flatnonzero((ids < 0) | (ids >= tokenizer.vocab_size))[0])
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: token {at} of the text is id {int(ids[at])}, "
            f"outside its vocabulary of {tokenizer.vocab_size} ids."
        )
    spelled = tokenizer.decode_bytes(ids)
    counts = np.bincount(ids).tolist()
    total = sum(len(tokenizer.token_bytes(i)) * n for i, n in enumerate(counts) if n)
    if total != len(spelled):
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: token_bytes gives {total:,} bytes in all, and "
            f"decode_bytes gives {len(spelled):,}.\nThe two must agree."
        )
    if spelled != data:
        raise LossyTokenizer(_round_trip_failure(tokenizer, data, spelled), data, spelled)
    return len(data)


def check_repeats(tokenizer: Tokenizer, text: str) -> None:
    """Check that two calls give the same ids for a text.

    Raises:
        TokenizerError: the ids differ.
    """
    if tokenizer.encode(text) != tokenizer.encode(text):
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: two calls give different ids for one text.\n"
            "Switch off everything random in it, such as BPE dropout."
        )


def check_rebuild(tokenizer: Tokenizer, text: str) -> None:
    """Check that the JSON of `to_dict` rebuilds a tokenizer that gives the same ids for a text.

    This finds a tokenizer that cannot be loaded again before anything is trained with it.

    Raises:
        TokenizerError: the rebuilt tokenizer differs, or the plug-in raised an error.
    """
    own = type(tokenizer).__module__.startswith("gptkit_tokenizers.")  # its tests check that
    if own or not tokenizer.rebuilds:
        return
    try:
        ids = tokenizer.encode(text)
        again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
        same = (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
        rebuilt = same and again.encode(text) == ids
    except TokenizerError:
        raise
    except Exception as error:
        raise TokenizerError(f"{tokenizer.name} fails the audit: {error!r}.") from error
    if not rebuilt:
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: from_dict does not rebuild the tokenizer "
            "that to_dict describes."
        )


def _round_trip_failure(tokenizer: Tokenizer, data: bytes, spelled: bytes) -> str:
    import numpy as np

    n = min(len(data), len(spelled))
    differ = np.frombuffer(data[:n], np.uint8) != np.frombuffer(spelled[:n], np.uint8)
    at = int(differ.argmax()) if differ.any() else n
    span = slice(max(0, at - 12), at + 12)
    return (
        f"{tokenizer.name} fails the audit: its ids decode to another text, from byte {at:,} on.\n"
        f"the text:   {data[span].decode(errors='replace')!r}\n"
        f"decoded to: {spelled[span].decode(errors='replace')!r}\n"
        "A comparison by bits per byte needs a tokenizer that gives every byte back.\n"
        "With lossy_ok=True, compare takes it and adds the cost of the lost bytes to its loss."
    )
