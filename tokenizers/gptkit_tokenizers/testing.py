"""The contract suite: what every tokenizer must do, as checks for its author's own tests.

    import pytest
    from gptkit_tokenizers.testing import CHECKS, TEXTS

    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize("check", CHECKS)
    def test_contract(check, text):
        check(MyTokenizer(), text)

`exact` is one of CHECKS: leave it out for a tokenizer that is meant to lose bytes. A text that the
tokenizer cannot spell, and says so with a TokenizerError, passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from gptkit_tokenizers.base import Tokenizer, TokenizerError

TEXTS = (
    "",
    " ",
    "to be\n\nor not",
    "naïve 🦆",
    "<|endoftext|>",
    "<s>[CLS]<unk>",
    "\u0301\u0300",  # combining marks, with nothing to combine with
    "\0\0a\0",
    "日本語 и русский, العربية",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "a\r\nb\rc\u2028d\x85e",
    "'LL 's 12345 x²½",
    "  two  spaces\t\ttabs ",
    "ﬁ Å Ⅷ",  # that NFKC would change
    "\U0010ffff\ue000\ufeff",
)


class BrokenContract(TokenizerError):
    """A tokenizer does not do what `gptkit_tokenizers.Tokenizer` says."""


def complete(tokenizer: Tokenizer, text: str) -> None:
    """It is a `Tokenizer` with a name and a whole number of ids."""
    _check(isinstance(tokenizer, Tokenizer), "it is not a gptkit_tokenizers.Tokenizer")
    _check(isinstance(tokenizer.name, str), f"its name is {tokenizer.name!r}, not a string")
    size = tokenizer.vocab_size
    _check(isinstance(size, int) and size > 0, f"its vocab_size is {size!r}, not a positive number")


def inside(tokenizer: Tokenizer, text: str) -> None:
    """`encode` gives a list of whole numbers in [0, vocab_size)."""
    ids = _ids(tokenizer, text)
    if ids is None:
        return
    _check(
        isinstance(ids, list) and all(type(i) is int for i in ids),
        f"encode({_short(text)}) gives {_short(ids)}, not a list of int",
    )
    outside = [i for i in ids if not 0 <= i < tokenizer.vocab_size]
    _check(not outside, f"encode({_short(text)}) gives id {outside[:1]}, outside the vocabulary")


def arrays(tokenizer: Tokenizer, text: str) -> None:
    """`encode_array` gives the ids of `encode`, as a NumPy array (N,) of whole numbers."""
    import numpy as np

    ids = _ids(tokenizer, text)
    if ids is None:
        return
    array = tokenizer.encode_array(text)
    whole = isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "ui"
    got = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
    _check(whole, f"encode_array gives {got}, not an array (N,) of whole numbers")
    differ = (i for i, (a, b) in enumerate(zip(array.tolist(), ids, strict=False)) if a != b)
    at = next(differ, min(len(array), len(ids)))
    _check(
        array.tolist() == ids,
        f"encode_array gives other ids than encode for {_short(text)}, from index {at} on: "
        f"{array[at : at + 3].tolist()}, not {ids[at : at + 3]}",
    )
    _check(
        tokenizer.decode_bytes(array) == tokenizer.decode_bytes(ids),
        f"decode_bytes spells an array of ids otherwise than a list, for {_short(text)}",
    )


def bytewise(tokenizer: Tokenizer, text: str) -> None:
    """The bytes of ids are those of each id, one after the other; `decode` is those as text.

    Where an id's bytes depend on the ids around it, there are as many of them.
    """
    ids = _ids(tokenizer, text)
    if ids is None:
        return
    spelled = tokenizer.decode_bytes(ids)
    _check(isinstance(spelled, bytes), f"decode_bytes gives {type(spelled).__name__}, not bytes")
    joined = b"".join(tokenizer.token_bytes(i) for i in ids)
    _check(
        joined == spelled if tokenizer.context_free else len(joined) == len(spelled),
        f"token_bytes and decode_bytes disagree on the ids of {_short(text)}",
    )
    _check(
        tokenizer.decode(ids) == spelled.decode("utf-8", errors="replace"),
        f"decode is not decode_bytes as UTF-8, for {_short(text)}",
    )


def exact(tokenizer: Tokenizer, text: str) -> None:
    """Encoding and decoding give every byte back."""
    ids = _ids(tokenizer, text)
    if ids is None:
        return
    spelled = tokenizer.decode_bytes(ids)
    _check(spelled == text.encode(), f"{_short(text)} comes back as {_short(spelled)}")


def rebuilt(tokenizer: Tokenizer, text: str) -> None:
    """What `to_dict` gives is JSON, from which `from_dict` makes the same tokenizer."""
    data = tokenizer.to_dict()
    try:
        copy = json.loads(json.dumps(data))
    except (TypeError, ValueError) as error:
        raise BrokenContract(f"to_dict is not JSON: {error}") from error
    _check(copy.get("name") == tokenizer.name, 'to_dict has not the tokenizer\'s name as "name"')
    again = type(tokenizer).from_dict(copy)
    same = (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
    _check(
        same and _ids(again, text) == _ids(tokenizer, text),
        f"from_dict does not rebuild what to_dict describes: {_short(text)} has other ids",
    )


def bounded(tokenizer: Tokenizer, text: str) -> None:
    """`decode_bytes` refuses an id outside the vocabulary, `encode` a lone surrogate.

    Both raise a ValueError, as TokenizerError and UnicodeEncodeError are.
    """
    for wrong in (tokenizer.vocab_size, -1):
        refused = _refuses(tokenizer.decode_bytes, [wrong])
        _check(refused, f"decode_bytes([{wrong}]) raises no ValueError")
    for encode in (tokenizer.encode, tokenizer.encode_array):
        refused = _refuses(encode, f"{text}\ud800")
        _check(refused, f"{encode.__name__} of a lone surrogate raises no ValueError")


CHECKS: tuple[Callable[[Tokenizer, str], None], ...] = (
    *(complete, inside, arrays, bytewise, exact, rebuilt, bounded),
)


def check_contract(tokenizer: Tokenizer, texts: Iterable[str] = TEXTS) -> None:
    """All checks but `exact`, which the audit makes on the whole corpus.

    Raises:
        BrokenContract: with the check that failed, and what was wrong; whatever the tokenizer
            raises on the way is reported so as well.
    """
    for text in texts:
        for check in CHECKS:
            if check is exact:
                continue
            try:
                check(tokenizer, text)
            except BrokenContract as error:
                raise BrokenContract(f"the check {check.__name__!r}: {error}") from error
            except Exception as error:
                raise BrokenContract(f"the check {check.__name__!r}: {error!r}") from error


def _ids(tokenizer: Tokenizer, text: str) -> list[int] | None:
    """The text's ids; None where the tokenizer says that it cannot spell it."""
    try:
        return tokenizer.encode(text)
    except TokenizerError:
        return None


def _short(thing: object) -> str:
    shown = repr(thing)
    return shown if len(shown) <= 40 else f"{shown[:39]}…"


def _refuses(method: Callable[..., object], argument: object) -> bool:
    try:
        method(argument)
    except ValueError:
        return True
    return False


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenContract(otherwise)
