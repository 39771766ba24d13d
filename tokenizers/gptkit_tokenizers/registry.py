"""Build a tokenizer from its spec or from its record, by one table of kinds.

A kind says which specs belong to it, how to build such a tokenizer, and how to rebuild it from what
`to_dict` returned. A plug-in is an entry point in the group `gptkit.tokenizers`: a class or a
function. It is called with `text=` (the training text) if it has that parameter, else without
arguments.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from gptkit_tokenizers.base import JsonObject, NeedsText, Tokenizer, TokenizerError

ENTRY_POINT_GROUP = "gptkit.tokenizers"
FILE_KINDS = "a file ending in .json, .model or .tiktoken; hf:OWNER/NAME"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of tokenizer.

    Attributes:
        names: fixed specs, each with a description.
        owns: returns whether a spec is of this kind.
        load: builds the tokenizer from the spec and the training text (or None).
        describes: returns whether a record of `to_dict` is of this kind.
        home: the module and class with `from_dict`, imported at first use.
    """

    names: dict[str, str]
    owns: Callable[[str], bool]
    load: Callable[[str, str | None], Tokenizer]
    describes: Callable[[JsonObject], bool]
    home: str

    def rebuild(self, data: JsonObject) -> Tokenizer:
        return _class(self.home).from_dict(data)


def available() -> dict[str, str]:
    """Return every spec that `get_tokenizer` knows by name, each with a description."""
    import tiktoken

    specs = {name: about for kind in KINDS for name, about in kind.names.items()}
    specs |= dict.fromkeys(sorted(tiktoken.list_encoding_names()), "tiktoken's encoding")
    specs |= {e.name: f"plug-in {e.value}" for e in _plug_ins().values() if e.name not in specs}
    return specs


def get_tokenizer(spec: str, text: str | None = None) -> Tokenizer:
    """Build the tokenizer that a spec names.

    Args:
        spec: `char`, `char+bytes`, `byte`, `gpt2`, any tiktoken encoding; `bpe:N`, `unigram:N`,
            `wordpiece:N`; a file that ends in .json, .model or .tiktoken; `hf:OWNER/NAME`, whose
            tokenizer.json is on the Hugging Face hub; or a plug-in's name.
        text: text for a tokenizer that is built from text: `char` takes its alphabet from it,
            `bpe:N` learns from it.

    Raises:
        TokenizerError: the spec is unknown, the text is missing, the file holds something else,
            or the plug-in fails.

    >>> get_tokenizer("byte").vocab_size
    256
    >>> get_tokenizer("char", text="to be or not to be").vocab_size
    7
    """
    for kind in KINDS:
        if kind.owns(spec):
            return kind.load(spec, text)
    return _build(_plug_in(spec), text)


def tokenizer_from_dict(data: JsonObject) -> Tokenizer:
    """Rebuild the tokenizer that `to_dict` described.

    >>> tokenizer_from_dict({"name": "char", "alphabet": "abc"}).encode("cab")
    [2, 0, 1]
    """
    for kind in KINDS:
        if kind.describes(data):
            return kind.rebuild(data)
    if "object" in data:
        raise TokenizerError(
            f"the tokenizer {data['name']!r} was given as an object, {data['object']}, which "
            "cannot be rebuilt from its record.\nPass it again: load_run(path, tokenizer=...)."
        )
    plug_in = _plug_in(data["name"])
    builder = _load(plug_in)
    from_dict = getattr(builder, "from_dict", None) or type(_build(plug_in, None)).from_dict
    return from_dict(data)


def _class(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(f"gptkit_tokenizers.{module}"), name)


def _load_char(spec: str, text: str | None) -> Tokenizer:
    return _class("char:CharTokenizer").from_text(
        _needed(text, spec), byte_fallback=spec == "char+bytes"
    )


def _load_learned(spec: str, text: str | None) -> Tokenizer:
    from gptkit_tokenizers.trained import parse, train_tokenizer

    parse(spec)
    return train_tokenizer(spec, _needed(text, spec))


def _is_tiktoken(spec: str) -> bool:
    import tiktoken

    return spec in tiktoken.list_encoding_names()


def _is_file(suffix: str) -> Callable[[str], bool]:
    return lambda spec: Path(spec).suffix == suffix and not spec.startswith("hf:")


def _load_file(home: str) -> Callable[[str, str | None], Tokenizer]:
    def load(spec: str, text: str | None) -> Tokenizer:
        if not Path(spec).is_file():
            raise TokenizerError(f"there is no file {spec}.\nName one that exists: {FILE_KINDS}.")
        return _class(home).from_file(spec, Path(spec))

    return load


KINDS = (
    Kind(
        names={
            "char": "one id per character of the corpus's alphabet",
            "char+bytes": "char, with one id per byte for all other characters",
        },
        owns=lambda spec: spec in ("char", "char+bytes"),
        load=_load_char,
        describes=lambda data: data["name"] in ("char", "char+bytes"),
        home="char:CharTokenizer",
    ),
    Kind(
        names={"byte": "one id per UTF-8 byte"},
        owns=lambda spec: spec == "byte",
        load=lambda spec, text: _class("byte:ByteTokenizer")(),
        describes=lambda data: data["name"] == "byte",
        home="byte:ByteTokenizer",
    ),
    Kind(
        names={
            "bpe:N": "byte-pair encoding of N ids, learned from the training text",
            "unigram:N": "unigram language model of N ids, learned from the training text",
            "wordpiece:N": "WordPiece of N ids, learned from the training text",
        },
        owns=lambda spec: spec.partition(":")[0] in ("bpe", "unigram", "wordpiece"),
        load=_load_learned,
        describes=lambda data: False,  # a record is of ranks or of a tokenizer.json
        home="trained:train_tokenizer",
    ),
    Kind(
        names={},
        owns=lambda spec: spec.startswith("hf:"),
        load=lambda spec, text: _class("huggingface:HuggingFaceTokenizer").from_hub(spec),
        describes=lambda data: "huggingface" in data,
        home="huggingface:HuggingFaceTokenizer",
    ),
    Kind(
        names={},
        owns=_is_file(".json"),
        load=_load_file("huggingface:HuggingFaceTokenizer"),
        describes=lambda data: False,  # as above
        home="huggingface:HuggingFaceTokenizer",
    ),
    Kind(
        names={},
        owns=_is_file(".model"),
        load=_load_file("sentencepiece_model:SentencePieceTokenizer"),
        describes=lambda data: "sentencepiece" in data,
        home="sentencepiece_model:SentencePieceTokenizer",
    ),
    Kind(
        names={},
        owns=_is_file(".tiktoken"),
        load=_load_file("bpe:TiktokenTokenizer"),
        describes=lambda data: "ranks" in data,
        home="bpe:TiktokenTokenizer",
    ),
    Kind(
        names={},
        owns=_is_tiktoken,
        load=lambda spec, text: _class("bpe:TiktokenTokenizer")(spec),
        describes=lambda data: _is_tiktoken(data["name"]),
        home="bpe:TiktokenTokenizer",
    ),
)


def _needed(text: str | None, spec: str) -> str:
    if text is None:
        raise NeedsText(
            f"{spec} is built from text, and none was given.\n"
            f"Pass it: get_tokenizer({spec!r}, text=...)."
        )
    return text


def _plug_ins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _plug_in(spec: str) -> EntryPoint:
    entry = _plug_ins().get(spec)
    if entry is None:
        names = available()
        near = difflib.get_close_matches(spec, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise TokenizerError(
            f"there is no tokenizer {spec!r}.{hint}\nThere are: {', '.join(names)}; {FILE_KINDS}."
        )
    return entry


def _load(entry: EntryPoint) -> Callable[..., Any]:
    try:
        return entry.load()
    except Exception as error:  # a plug-in can fail in any way; the user must learn which one did
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) cannot be imported: {error!r}.\n"
            "Repair or uninstall the package that brings it."
        ) from error


def _build(entry: EntryPoint, text: str | None) -> Tokenizer:
    from gptkit_tokenizers.adapters import adapt

    builder = _load(entry)
    takes_text = "text" in inspect.signature(builder).parameters
    arguments = {"text": _needed(text, entry.name)} if takes_text else {}
    try:
        built = builder(**arguments)
    except TokenizerError:
        raise
    except Exception as error:  # as above
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) cannot be built: {error!r}."
        ) from error
    try:
        tokenizer = adapt(built, entry.name)
    except TokenizerError as error:
        raise TokenizerError(f"the plug-in {entry.name!r} ({entry.value}): {error}") from error
    if tokenizer.name != entry.name:
        raise TokenizerError(
            f"the plug-in tokenizer {entry.name!r} ({entry.value}) calls itself "
            f"{tokenizer.name!r}.\nIts name must be the entry point's, which rebuilds it."
        )
    return tokenizer
