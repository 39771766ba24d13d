"""Spec string -> tokenizer: the built-in kinds, the learned, tiktoken's names, files, the hub,
and plug-ins.

A plug-in is an entry point in the group `gptkit.tokenizers`: a class or a function, called with
no argument, or with `text=` the training text if it takes one.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from gptkit_tokenizers.base import NeedsText, Tokenizer, TokenizerError
from gptkit_tokenizers.testing import TEXTS, BrokenContract, check_contract

GROUP = "gptkit.tokenizers"
BUILT_IN = {
    "char": "one id per character of the corpus's alphabet",
    "char+bytes": "char, with one id per byte for all other characters",
    "byte": "one id per UTF-8 byte",
    "bpe:N": "byte-pair encoding of N ids, learned from the training text",
    "unigram:N": "unigram language model of N ids, learned from the training text",
    "wordpiece:N": "WordPiece of N ids, learned from the training text",
}
FILES = {
    ".json": "HuggingFace's tokenizer.json",
    ".model": "SentencePiece's model",
    ".tiktoken": "tiktoken's ranks",
}


def available() -> dict[str, str]:
    """Every spec that `get_tokenizer` knows by name, with a line on each."""
    import tiktoken

    specs = dict(BUILT_IN)
    specs |= dict.fromkeys(sorted(tiktoken.list_encoding_names()), "tiktoken's encoding")
    specs |= {e.name: f"plug-in {e.value}" for e in _plug_ins().values() if e.name not in specs}
    return specs


def get_tokenizer(spec: str, text: str | None = None) -> Tokenizer:
    """Build the tokenizer that a spec names.

    Args:
        spec: `char`, `char+bytes`, `byte`, `gpt2`, any tiktoken encoding; `bpe:N`, `unigram:N`,
            `wordpiece:N`; a file that ends in .json, .model or .tiktoken; `hf:OWNER/NAME`, whose
            tokenizer.json is on the Hugging Face hub; or a plug-in's name.
        text: what a tokenizer is built from, if it is built from text: `char` takes its alphabet
            from it, `bpe:N` learns from it.

    Raises:
        TokenizerError: an unknown spec (with the nearest name), text missing, a file that is not
            what its name says, a plug-in's failure.

    >>> get_tokenizer("byte").vocab_size
    256
    >>> get_tokenizer("char", text="to be or not to be").vocab_size
    7
    """
    if spec in ("char", "char+bytes"):
        from gptkit_tokenizers.char import CharTokenizer

        return CharTokenizer.from_text(_needed(text, spec), byte_fallback=spec == "char+bytes")
    if spec.partition(":")[0] in ("bpe", "unigram", "wordpiece"):
        from gptkit_tokenizers.trained import parse, train_tokenizer

        parse(spec)
        return train_tokenizer(spec, _needed(text, spec))
    known = _from_file(spec) or _by_name(spec)
    return _build(_plug_in(spec), text) if known is None else known


def tokenizer_from_dict(data: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict` described.

    >>> tokenizer_from_dict({"name": "char", "alphabet": "abc"}).encode("cab")
    [2, 0, 1]
    """
    spec = data["name"]
    if spec in ("char", "char+bytes"):
        from gptkit_tokenizers.char import CharTokenizer

        return CharTokenizer.from_dict(data)
    if "ranks" in data:
        from gptkit_tokenizers.bpe import TiktokenTokenizer

        return TiktokenTokenizer.from_dict(data)
    if "huggingface" in data:
        from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

        return HuggingFaceTokenizer.from_dict(data)
    if "sentencepiece" in data:
        from gptkit_tokenizers.sentencepiece_model import SentencePieceTokenizer

        return SentencePieceTokenizer.from_dict(data)
    known = _by_name(spec)
    if known is not None:
        return known
    plug_in = _plug_in(spec)
    builder = _load(plug_in)
    from_dict = getattr(builder, "from_dict", None) or type(_build(plug_in, None)).from_dict
    return from_dict(data)


def _from_file(spec: str) -> Tokenizer | None:
    """What a file or a repository on the hub describes; None for a spec that names neither."""
    if spec.startswith("hf:"):
        from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

        return HuggingFaceTokenizer.from_hub(spec)
    path = Path(spec)
    if path.suffix not in FILES:
        return None
    if not path.is_file():
        raise TokenizerError(
            f"there is no file {spec}.\nName one that exists: {_described(FILES)}."
        )
    if path.suffix == ".json":
        from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

        return HuggingFaceTokenizer.from_file(spec, path)
    if path.suffix == ".model":
        from gptkit_tokenizers.sentencepiece_model import SentencePieceTokenizer

        return SentencePieceTokenizer.from_file(spec, path)
    from gptkit_tokenizers.bpe import TiktokenTokenizer

    return TiktokenTokenizer.from_file(spec, path)


def _described(kinds: dict[str, str]) -> str:
    return ", ".join(f"{kind} ({what})" for kind, what in kinds.items())


def _by_name(spec: str) -> Tokenizer | None:
    if spec == "byte":
        from gptkit_tokenizers.byte import ByteTokenizer

        return ByteTokenizer()
    if _is_tiktoken(spec):
        from gptkit_tokenizers.bpe import TiktokenTokenizer

        return TiktokenTokenizer(spec)
    return None


def _is_tiktoken(spec: str) -> bool:
    import tiktoken

    return spec in tiktoken.list_encoding_names()


def _needed(text: str | None, spec: str) -> str:
    if text is None:
        raise NeedsText(
            f"{spec} is built from text, and none was given.\n"
            f"Pass it: get_tokenizer({spec!r}, text=...)."
        )
    return text


def _plug_ins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _plug_in(spec: str) -> EntryPoint:
    entry = _plug_ins().get(spec)
    if entry is None:
        names = available()
        near = difflib.get_close_matches(spec, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise TokenizerError(
            f"there is no tokenizer {spec!r}.{hint}\nThere are: {', '.join(names)}; "
            "a file ending in .json, .model or .tiktoken; hf:OWNER/NAME."
        )
    return entry


def _load(entry: EntryPoint) -> Callable[..., Any]:
    try:
        return entry.load()
    except Exception as error:  # a plug-in can fail in any way; the user must learn which one did
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) cannot be imported: {error!r}.\n"
            "Mend or uninstall the package that brings it."
        ) from error


def _build(entry: EntryPoint, text: str | None) -> Tokenizer:
    builder = _load(entry)
    takes_text = "text" in inspect.signature(builder).parameters
    arguments = {"text": _needed(text, entry.name)} if takes_text else {}
    try:
        tokenizer = builder(**arguments)
    except TokenizerError:
        raise
    except Exception as error:  # as above
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) cannot be built: {error!r}."
        ) from error
    try:
        check_contract(tokenizer, TEXTS if text is None else (text[:1000], *TEXTS))
    except BrokenContract as error:
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) breaks the contract, {error}.\n"
            "gptkit_tokenizers.Tokenizer says what it must do; gptkit_tokenizers.testing has the "
            "checks."
        ) from error
    if tokenizer.name != entry.name:
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) calls itself "
            f"{tokenizer.name!r}.\nIts name must be the entry point's, which rebuilds it."
        )
    return tokenizer
