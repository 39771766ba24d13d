"""Byte accounting, the hard gate before any training.

A loss per byte is only as good as the bytes: a tokenizer that loses, adds or changes some would
be scored on another text than the rest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gptkit_tokenizers.base import Tokenizer, TokenizerError, utf8
from gptkit_tokenizers.registry import tokenizer_from_dict

if TYPE_CHECKING:
    import numpy as np


class LossyTokenizer(TokenizerError):
    """A tokenizer does not give a text's bytes back: `data` are the text's, `spelled` its own."""

    def __init__(self, message: str, data: bytes, spelled: bytes) -> None:
        super().__init__(message)
        self.data = data
        self.spelled = spelled


def audit(tokenizer: Tokenizer, text: str, ids: np.ndarray) -> int:
    """Check that `ids` spell `text` exactly, and return its UTF-8 bytes.

    Three checks: every id inside the vocabulary; the bytes of the single tokens add up to those
    of all together; these are the text's.

    Raises:
        LossyTokenizer: the third alone fails; with the first offending span.
        TokenizerError: one of the others does.
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
            f"{tokenizer.name} fails the audit: its tokens' bytes add up to {total:,}, what it "
            f"decodes has {len(spelled):,}.\ntoken_bytes and decode_bytes must agree."
        )
    if spelled != data:
        raise LossyTokenizer(_round_trip_failure(tokenizer, data, spelled), data, spelled)
    return len(data)


def check_repeats(tokenizer: Tokenizer, text: str) -> None:
    """Check that two calls give a text the same ids.

    Raises:
        TokenizerError: they differ.
    """
    if tokenizer.encode(text) != tokenizer.encode(text):
        raise TokenizerError(
            f"{tokenizer.name} fails the audit: two calls give a text different ids.\n"
            "Switch off what is random in it, such as BPE dropout."
        )


def check_rebuild(tokenizer: Tokenizer, text: str) -> None:
    """Check that what `to_dict` says, as JSON, rebuilds a tokenizer with the same ids for a text.

    A run is only as good as its record: one that cannot be loaded again is found here, before
    it is trained. Whatever a plug-in raises on the way is reported as its failure.

    Raises:
        TokenizerError: with what failed.
    """
    if not tokenizer.rebuilds:
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
            f"{tokenizer.name} fails the audit: from_dict does not rebuild what to_dict describes."
        )


def _round_trip_failure(tokenizer: Tokenizer, data: bytes, spelled: bytes) -> str:
    import numpy as np

    n = min(len(data), len(spelled))
    differ = np.frombuffer(data[:n], np.uint8) != np.frombuffer(spelled[:n], np.uint8)
    at = int(differ.argmax()) if differ.any() else n
    span = slice(max(0, at - 12), at + 12)
    return (
        f"{tokenizer.name} fails the audit: what it decodes differs from the text at byte {at:,}.\n"
        f"the text:   {data[span].decode(errors='replace')!r}\n"
        f"decoded to: {spelled[span].decode(errors='replace')!r}\n"
        "Only a tokenizer that gives every byte back can be compared by bits per byte. With "
        "lossy_ok=True\nthis one can too; its loss then includes what it loses."
    )
