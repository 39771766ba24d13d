"""Build a tokenizer from its spec or from its record, by one table of kinds.

A kind says which specs belong to it, how to build such a tokenizer, and how to rebuild it from what
`to_dict` returned. A plug-in is an entry point in the group `gptkit.tokenizers`: a class or a
function. It is called with `text=` (the training text) if it has that parameter, else without
arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptkit_tokenizers.base import (
    MAX_VOCAB_SIZE,
    JsonObject,
    NeedsText,
    Tokenizer,
    TokenizerError,
)
from gptkit_tokenizers.guard import is_library_error
from gptkit_tokenizers.spec import Spec, exists, parse_spec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "gptkit.tokenizers"
FILE_KINDS = "a file or a folder; hf:OWNER/NAME"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of tokenizer.

    Attributes:
        names: fixed specs, each with a description.
        owns: returns whether a spec's base is of this kind.
        load: builds the tokenizer from the spec and the training text (or None); None for a kind
            that has no specs of its own.
        describes: returns whether a record of `to_dict` is of this kind.
        home: the module and class with `from_dict`, imported at first use; None if another kind's
            class rebuilds it.
    """

    names: dict[str, str] = field(default_factory=dict)
    owns: Callable[[str], bool] = lambda base: False
    load: Callable[[Spec, str | None], Tokenizer] | None = None
    describes: Callable[[JsonObject], bool] = lambda data: False
    home: str | None = None

    def rebuild(self, data: JsonObject) -> Tokenizer:
        assert self.home is not None
        return _class(self.home).from_dict(data)


def available() -> dict[str, str]:
    """Return every spec that `get_tokenizer` knows by name, each with a description."""
    import tiktoken

    specs = {name: about for kind in KINDS for name, about in kind.names.items()}
    specs |= dict.fromkeys(sorted(tiktoken.list_encoding_names()), "tiktoken's encoding")
    specs |= {e.name: f"plug-in {e.value}" for e in _plug_ins().values() if e.name not in specs}
    return specs


def get_tokenizer(spec: Any, text: str | None = None, *, pattern: str | None = None) -> Tokenizer:
    """Build the tokenizer that a spec names, or adapt an object.

    Args:
        spec: `char`, `char+bytes`, `byte`, `gpt2`, any tiktoken encoding or model name; `bpe:N`,
            `unigram:N`, `wordpiece:N`; a file or a folder; `hf:OWNER/NAME` or
            `hf:OWNER/NAME@REVISION`; a plug-in's name. `NAME=SPEC` gives it another name. An
            object of another library is adapted, see `adapt`.
        text: the text for a tokenizer that is built from text: `char` takes its alphabet from it,
            `bpe:N` learns from it.
        pattern: the regular expression for words, for a table of ranks.

    Raises:
        TokenizerError: the spec is unknown, the text is missing, the file holds something else,
            or the plug-in fails.

    >>> get_tokenizer("byte").vocab_size
    256
    >>> get_tokenizer("char", text="to be or not to be").vocab_size
    7
    """
    if not isinstance(spec, str):
        from gptkit_tokenizers.adapters import adapt

        return adapt(spec)
    parsed = parse_spec(spec)
    if pattern is not None:
        parsed = replace(parsed, options={**parsed.options, "pattern": pattern})
    for kind in KINDS:
        if kind.load is not None and kind.owns(parsed.base):
            return _bounded(kind.load(parsed, text))
    parsed.refuse_options()
    return _build(_plug_in(parsed.base), text)


def tokenizer_from_dict(data: JsonObject) -> Tokenizer:
    """Rebuild the tokenizer that `to_dict` described.

    Raises:
        TokenizerError: the record is not one of a tokenizer, or its plug-in fails.

    >>> tokenizer_from_dict({"name": "char", "alphabet": "abc"}).encode("cab")
    [2, 0, 1]
    """
    try:
        return _bounded(_rebuild(data))
    except (TokenizerError, MemoryError):
        raise
    except BaseException as error:
        if not is_library_error(error):
            raise
        raise TokenizerError(f"the record cannot be rebuilt: {error!r}.") from error


def _bounded(tokenizer: Tokenizer) -> Tokenizer:
    """Refuse a vocabulary whose tables would take the machine's memory."""
    if not 0 < tokenizer.vocab_size <= MAX_VOCAB_SIZE:
        raise TokenizerError(
            f"{tokenizer.name} has {tokenizer.vocab_size:,} ids; there may be 1 to "
            f"{MAX_VOCAB_SIZE:,}.\nGive its tokens ids without large gaps."
        )
    return tokenizer


def _rebuild(data: JsonObject) -> Tokenizer:
    for kind in KINDS:
        if kind.home is not None and kind.describes(data):
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


def _load_char(spec: Spec, text: str | None) -> Tokenizer:
    spec.refuse_options()
    tokenizer = _class("char:CharTokenizer").from_text(
        _needed(text, spec.base), byte_fallback=spec.base == "char+bytes"
    )
    tokenizer.name = spec.name
    return tokenizer


def _load_byte(spec: Spec, text: str | None) -> Tokenizer:
    spec.refuse_options()
    tokenizer = _class("byte:ByteTokenizer")()
    tokenizer.name = spec.name
    return tokenizer


def _load_learned(spec: Spec, text: str | None) -> Tokenizer:
    from gptkit_tokenizers.trained import OPTIONS, parse, train_tokenizer

    spec.refuse_options(*OPTIONS)
    parse(spec.base)
    tokenizer = train_tokenizer(spec.base, _needed(text, spec.base), **spec.options)
    tokenizer.name = spec.name
    return tokenizer


def _load_tiktoken(spec: Spec, text: str | None) -> Tokenizer:
    spec.refuse_options()
    return _class("bpe:TiktokenTokenizer")(spec.name, encoding=_tiktoken_encoding(spec.base))


def _tiktoken_encoding(name: str) -> str | None:
    """Return the name of tiktoken's encoding for an encoding's or a model's name, or None."""
    import tiktoken

    if name in tiktoken.list_encoding_names():
        return name
    try:
        return tiktoken.encoding_name_for_model(name)
    except KeyError:
        return None


def _load_path(spec: Spec, text: str | None) -> Tokenizer:
    from gptkit_tokenizers.tokenizer_files import read_tokenizer

    if not exists(spec.base):
        raise TokenizerError(f"there is no file or folder {spec.base}.\nName one that exists.")
    return read_tokenizer(spec)


def _looks_like_a_path(base: str) -> bool:
    return exists(base) or base.endswith((".json", ".model", ".tiktoken"))


def _load_hub(spec: Spec, text: str | None) -> Tokenizer:
    spec.refuse_options()
    return _class("huggingface:HuggingFaceTokenizer").from_hub(
        spec.name, spec.base.removeprefix("hf:")
    )


KINDS = (
    Kind(
        names={
            "char": "one id per character of the corpus's alphabet",
            "char+bytes": "char, with one id per byte for all other characters",
        },
        owns=lambda base: base in ("char", "char+bytes"),
        load=_load_char,
        describes=lambda data: "alphabet" in data or data["name"] in ("char", "char+bytes"),
        home="char:CharTokenizer",
    ),
    Kind(
        names={"byte": "one id per UTF-8 byte"},
        owns=lambda base: base == "byte",
        load=_load_byte,
        describes=lambda data: "n_bytes" in data or data["name"] == "byte",
        home="byte:ByteTokenizer",
    ),
    Kind(
        names={
            "bpe:N": "byte-pair encoding of N ids, learned from the training text",
            "unigram:N": "unigram language model of N ids, learned from the training text",
            "wordpiece:N": "WordPiece of N ids, learned from the training text",
        },
        owns=lambda base: base.partition(":")[0] in ("bpe", "unigram", "wordpiece"),
        load=_load_learned,
    ),
    Kind(
        describes=lambda data: "superwords_of" in data,
        home="superwords:SuperwordTokenizer",
    ),
    Kind(
        describes=lambda data: "case_factored" in data,
        home="case_factoring:CaseFactoredTokenizer",
    ),
    Kind(
        owns=lambda base: base.startswith("hf:"),
        load=_load_hub,
        describes=lambda data: "huggingface" in data,
        home="huggingface:HuggingFaceTokenizer",
    ),
    Kind(
        owns=lambda base: _tiktoken_encoding(base) is not None,
        load=_load_tiktoken,
        describes=lambda data: "ranks" in data or "tiktoken" in data,
        home="bpe:TiktokenTokenizer",
    ),
    Kind(
        owns=_looks_like_a_path,
        load=_load_path,
        describes=lambda data: "sentencepiece" in data,
        home="sentencepiece_model:SentencePieceTokenizer",
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
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _plug_in(spec: str) -> EntryPoint:
    entry = _plug_ins().get(spec)
    if entry is None:
        import difflib

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
    import inspect

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
