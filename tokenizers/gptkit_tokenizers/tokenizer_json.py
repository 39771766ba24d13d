"""The content of a `tokenizer.json`: checked, and without what is not for ordinary text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import msgspec

from gptkit_tokenizers.base import JsonObject, TokenizerError, TokenizerWarning

LARGE_PARTS = ("vocab", "merges")  # of a model; they are handed to the library as they are
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_BYTE_LEVEL_DECODER = {
    "type": "ByteLevel",
    "add_prefix_space": True,
    "trim_offsets": True,
    "use_regex": True,
}
FLAGS = ("lstrip", "rstrip", "single_word")  # of added tokens; they take blanks along


def parse_json(name: str, content: bytes) -> tuple[JsonObject, dict[str, msgspec.Raw]]:
    """Return the content without what is large in its model, and that as raw JSON."""
    try:
        parts = msgspec.json.decode(
            content.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw]
        )
        model = msgspec.json.decode(parts.pop("model", b"{}"), type=dict[str, msgspec.Raw])
        large = {key: model.pop(key) for key in LARGE_PARTS if key in model}
        saved = {key: msgspec.json.decode(value) for key, value in parts.items()}
        saved["model"] = {key: msgspec.json.decode(value) for key, value in model.items()}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TokenizerError(f"{name} cannot be read as a tokenizer.json: {error}.") from error
    return saved, large


def without_additions(name: str, content: bytes) -> bytes:
    """Return the content for ordinary text alone, after a check that its parts are objects.

    Files of some years ago do not say the model's type.
    """
    saved, large = parse_json(name, content)
    if not large and not saved["model"]:
        raise TokenizerError(
            f"{name} is not a tokenizer.json: it has no model.\n"
            "Give the file that Tokenizer.save writes."
        )
    for key in PARTS:
        _check_part(name, key, saved.get(key))
    added = saved.get("added_tokens") or []
    if not isinstance(added, list) or not all(
        isinstance(e, dict) and isinstance(e.get("id"), int) and isinstance(e.get("content"), str)
        for e in added
    ):
        raise TokenizerError(
            f"{name} is not a tokenizer.json: added_tokens is not a list of tokens."
        )
    plain = _plain(name, saved)
    model = {"type": _model_type(plain["model"], large)} | plain["model"] | large
    return msgspec.json.encode(plain | {"model": model})


def _check_part(name: str, key: str, part: Any) -> None:
    """Raise a TokenizerError for a part that is not null or an object with a type."""
    if part is None:
        return
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise TokenizerError(f"{name} is not a tokenizer.json: {key} is not an object with a type.")
    if part["type"] == "Sequence":
        inner = [
            part[k] for k in ("normalizers", "pretokenizers", "processors", "decoders") if k in part
        ]
        if len(inner) != 1 or not isinstance(inner[0], list):
            raise TokenizerError(f"{name} is not a tokenizer.json: {key} is a Sequence of nothing.")
        for one in inner[0]:
            if one is None:
                raise TokenizerError(f"{name} is not a tokenizer.json: {key} has an empty part.")
            _check_part(name, key, one)
    if part["type"] == "Replace" and not {"pattern", "content"} <= part.keys():
        raise TokenizerError(
            f"{name} is not a tokenizer.json: {key} has a Replace without a pattern."
        )


def _model_type(model: JsonObject, large: dict[str, msgspec.Raw]) -> str:
    if "merges" in large:
        return "BPE"
    if "vocab" in large and bytes(large["vocab"])[:1] == b"[":
        return "Unigram"
    return "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"


def _plain(name: str, saved: JsonObject) -> JsonObject:
    """Return the same tokenizer without what adds to a text, truncates it, or is random."""
    plain = saved | {"truncation": None, "padding": None, "post_processor": None}
    if plain["model"].get("dropout"):
        warnings.warn(
            f"{name} drops merges at random (BPE dropout {plain['model']['dropout']}). This is "
            "switched off, so that a text always has the same ids.",
            TokenizerWarning,
            stacklevel=2,
        )
        plain["model"] = plain["model"] | {"dropout": None}
    if plain.get("added_tokens"):
        off = dict.fromkeys(FLAGS, False)
        plain["added_tokens"] = [entry | off for entry in plain["added_tokens"]]
    normalizer = plain.get("normalizer")
    if normalizer is not None and normalizer["type"] == "Sequence":
        kept = [part for part in normalizer["normalizers"] if part["type"] != "Prepend"]
        plain["normalizer"] = normalizer | {"normalizers": kept} if kept else None
    elif normalizer is not None and normalizer["type"] == "Prepend":
        plain["normalizer"] = None
    if plain.get("pre_tokenizer") is not None:
        plain["pre_tokenizer"] = _without_space_in_front(plain["pre_tokenizer"])
    return plain


def _without_space_in_front(part: JsonObject) -> JsonObject:
    if part["type"] == "Sequence":
        return part | {"pretokenizers": [*map(_without_space_in_front, part["pretokenizers"])]}
    if part["type"] == "ByteLevel":
        return part | {"add_prefix_space": False}
    if part["type"] == "Metaspace":
        return {k: v for k, v in part.items() if k != "add_prefix_space"} | {
            "prepend_scheme": "never"
        }
    return part


def for_plain_text(name: str, content: bytes, *, byte_level: bool) -> bytes:
    """Return the content of a tokenizer for which special tokens are ordinary text.

    A byte-pair model keeps them as tokens that no text gives. In another model, their ids are left
    out. A byte-level tokenizer has a decoder.
    """
    saved, large = parse_json(name, content)
    added = saved.get("added_tokens") or []
    model = {**saved["model"], **large}
    if saved["model"]["type"] == "BPE":
        vocab = msgspec.json.decode(large["vocab"])
        never_found = {one["content"]: one["id"] for one in added if one.get("special")}
        model["vocab"] = {**never_found, **vocab}
    kept = [one for one in added if not one.get("special")]
    decoder = saved.get("decoder") or (_BYTE_LEVEL_DECODER if byte_level else None)
    return msgspec.json.encode(saved | {"added_tokens": kept, "decoder": decoder, "model": model})


def parts_of(saved: JsonObject) -> Iterator[JsonObject]:
    """Yield every normaliser, pre-tokeniser and decoder, also those inside sequences."""
    waiting = [saved.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while waiting:
        part = waiting.pop(0)
        if part is None:
            continue
        yield part
        for inside in ("normalizers", "pretokenizers", "decoders"):
            waiting += part.get(inside, [])
