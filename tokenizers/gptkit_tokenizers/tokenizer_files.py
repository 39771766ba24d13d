"""Read a tokenizer from a file or a folder; the content says what it is, not the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gptkit_tokenizers.base import Tokenizer, TokenizerError
from gptkit_tokenizers.rank_tables import (
    RankTable,
    choose_pattern,
    is_tiktoken,
    pattern_advice,
    read_js_tiktoken,
    read_tekken,
    read_tiktoken,
)
from gptkit_tokenizers.spec import Spec

T = TypeVar("T")

FOLDER_NAMES = ("tokenizer.json", "tekken.json", "tokenizer.model", "vocab.json", "vocab.txt")
FOLDER_PATTERNS = ("*.model", "*.model.v*", "*.tiktoken")
MAX_FILE_BYTES = 1_000_000_000
MAGIC = {
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"GGUF": "a GGUF model: give the tokenizer.json of its original",
    b"\x80\x04": "a Python pickle, which can run code: save the tokenizer in another form",
    b"\x80\x05": "a Python pickle, which can run code: save the tokenizer in another form",
    b"minbpe v1": "a model of minbpe: give its tokenizer as an object from Python",
    b"version https://git-lfs": "a Git LFS pointer, not the file: run git lfs pull",
}


def read_tokenizer(spec: Spec) -> Tokenizer:
    """Read the tokenizer of a spec whose base is a path.

    Raises:
        TokenizerError: the file is missing, or it is not a tokenizer; the message says what it is.
    """
    path = Path(spec.base)
    if path.is_dir():
        return _read_folder(spec, path)
    return _read_file(spec, path)


def _read_folder(spec: Spec, folder: Path) -> Tokenizer:
    found = [folder / name for name in FOLDER_NAMES if (folder / name).is_file()]
    for pattern in FOLDER_PATTERNS:
        found += [path for path in sorted(folder.glob(pattern)) if path not in found]
    if not found:
        names = ", ".join([*FOLDER_NAMES, *FOLDER_PATTERNS])
        raise TokenizerError(f"the folder {folder} has no tokenizer. It has none of {names}.")
    return _read_file(spec, found[0])


def _read_file(spec: Spec, path: Path) -> Tokenizer:
    data = _read_bytes(path)
    for magic, what in MAGIC.items():
        if data.startswith(magic):
            raise TokenizerError(f"{path} is {what}.")
    if path.name == "vocab.txt":
        raise TokenizerError(
            f"{path} is a list of tokens, which does not say how text is normalised and cut.\n"
            "Give the tokenizer.json of the same model."
        )
    text_start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if text_start in (b"{", b"["):
        return _read_json(spec, path, data)
    if is_tiktoken(data):
        return _from_ranks(spec, path, read_tiktoken(path, data))
    if data.startswith(b"#version") or path.name == "merges.txt":
        return _read_pair(spec, path.with_name(path.name.replace("merges.txt", "vocab.json")), path)
    if data.startswith(b"\n"):  # the tag of a ModelProto's first field
        from gptkit_tokenizers.sentencepiece_model import SentencePieceTokenizer

        spec.refuse_options()
        return SentencePieceTokenizer(spec.name, data)
    raise TokenizerError(
        f"{path} is not a tokenizer that gptkit knows: it begins with {data[:20]!r}.\nIt reads "
        "tokenizer.json, tekken.json, SentencePiece models, tables of tiktoken ranks, and "
        "vocab.json with merges.txt."
    )


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise TokenizerError(f"{path} is not a regular file.")
        if size > MAX_FILE_BYTES:
            raise TokenizerError(f"{path} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read.")
        data = path.read_bytes()
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read: {error.strerror}.") from error
    if not data.strip():
        raise TokenizerError(f"{path} is empty.")
    return data


def _read_json(spec: Spec, path: Path, data: bytes) -> Tokenizer:
    raw = _parse_json(path, data, dict[str, msgspec.Raw])
    if bytes(raw.get("model", b""))[:1] == b"{":
        from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

        spec.refuse_options()
        return HuggingFaceTokenizer(spec.name, data)
    content = _parse_json(path, data, dict[str, Any])
    if isinstance(content.get("config"), dict) and "vocab" in content:
        return _from_ranks(spec, path, read_tekken(path, content))
    if "bpe_ranks" in content and "pat_str" in content:
        return _from_ranks(spec, path, read_js_tiktoken(path, content))
    beside = path.with_name("tokenizer.json")
    if path.name != "tokenizer.json" and beside.is_file():
        return _read_file(spec, beside)
    if content and all(isinstance(value, int) for value in content.values()):
        return _read_pair(spec, path, path.with_name(path.name.replace("vocab.json", "merges.txt")))
    raise TokenizerError(
        f"{path} is JSON, but not a tokenizer: it has no model, and it is no tekken.json.\n"
        "Give tokenizer.json, which Tokenizer.save and save_pretrained write."
    )


def _parse_json(path: Path, data: bytes, kind: type[T]) -> T:
    if data.lstrip().startswith(b"["):
        raise TokenizerError(f"{path} is not a tokenizer: it is a JSON list, not an object.")
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} cannot be read as JSON: {error}.") from error


def _read_pair(spec: Spec, vocab: Path, merges: Path) -> Tokenizer:
    from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

    for needed in (vocab, merges):
        if not needed.is_file():
            raise TokenizerError(
                f"{vocab.name} and {merges.name} belong together, and {needed} does not exist."
            )
    spec.refuse_options()
    return HuggingFaceTokenizer.from_pair(spec.name, vocab, merges)


def _from_ranks(spec: Spec, path: Path, table: RankTable) -> Tokenizer:
    from gptkit_tokenizers.bpe import TiktokenTokenizer, UnknownWordsTokenizer

    spec.refuse_options("split", "pattern")
    pattern = choose_pattern(path, table, spec.options)
    if pattern is None:
        return UnknownWordsTokenizer(
            spec.name, table.ranks, vocab_size=table.vocab_size, advice=pattern_advice(path)
        )
    return TiktokenTokenizer(spec.name, table.ranks, pattern=pattern, vocab_size=table.vocab_size)
