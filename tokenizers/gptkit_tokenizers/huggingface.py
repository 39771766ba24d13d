"""Use a Hugging Face `tokenizer.json` from a file, the hub, or our own training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, id_dtype, unknown_id, utf8
from gptkit_tokenizers.bytelevel import BYTE_OF, spell
from gptkit_tokenizers.chunking import CHUNK_CHARS, encode_in_chunks, next_word

if TYPE_CHECKING:
    import numpy as np

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # SentencePiece's way to write a byte


class HuggingFaceTokenizer(Tokenizer):
    """The tokenizer that a `tokenizer.json` describes, applied to ordinary text.

    Special tokens are ordinary text. Nothing is added to a text (no [CLS], no space in front), and
    nothing is truncated or padded. The normaliser and the unknown token still work as the file
    says; the audit finds what they change.

    Args:
        name: the spec.
        saved: the parsed content of the file.
        cuts_known: whether a text may be cut between a letter and a space before a letter.
    """

    def __init__(self, name: str, saved: JsonObject, *, cuts_known: bool = False) -> None:
        from tokenizers import Tokenizer

        self.name = name
        self._saved = _plain(saved)
        self._cuts_known = cuts_known
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(self._saved))
        except Exception as error:  # the library raises bare Exception
            raise TokenizerError(f"{name} is not a tokenizer.json: {error}.") from error
        self._tokenizer.encode_special_tokens = True
        self.vocab_size = 1 + max(self._tokenizer.get_vocab().values(), default=-1)

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_array(self, text: str) -> np.ndarray:
        utf8(text)
        if self._cuts_known:
            return encode_in_chunks(
                text, self._encode_chunk, next_cut=next_word, chunk=CHUNK_CHARS // 16
            )
        return self._encode_chunk(text)

    def _encode_chunk(self, text: str) -> np.ndarray:
        import numpy as np

        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return np.array(encoding.ids, dtype=id_dtype(self.vocab_size))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self._spelled[token]

    @cached_property
    def _spelled(self) -> list[bytes]:
        spelled = [b""] * self.vocab_size
        for token, i in self._tokenizer.get_vocab().items():
            spelled[i] = self._spell(token)
        model = self._saved["model"]
        unknown = model.get("unk_token")
        at = None if unknown is None else self._tokenizer.token_to_id(unknown)
        if at is not None:
            spelled[at] = b""
        if model["type"] == "Unigram" and model.get("unk_id") is not None:
            spelled[model["unk_id"]] = b""
        return spelled

    def _spell(self, token: str) -> bytes:
        if self._byte_level:
            return spell(token) if BYTE_OF.keys() >= set(token) else token.encode()
        if self._saved["model"].get("byte_fallback") and (found := _BYTE_PIECE.fullmatch(token)):
            return bytes([int(found[1], 16)])
        if self._space is not None:
            token = token.replace(self._space, " ")
        token = token.removeprefix(self._saved["model"].get("continuing_subword_prefix") or "")
        token = token.removesuffix(self._saved["model"].get("end_of_word_suffix") or "")
        return token.encode()

    @cached_property
    def _byte_level(self) -> bool:
        return any(part["type"] == "ByteLevel" for part in _parts(self._saved))

    @cached_property
    def _space(self) -> str | None:
        """The character that stands for a space, or None."""
        for part in _parts(self._saved):
            if part["type"] == "Metaspace":
                return part.get("replacement", "▁")
            if part["type"] == "Replace" and part["pattern"] == {"String": " "}:
                return part["content"]
        return None

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "cuts_known": self._cuts_known, "huggingface": self._saved}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        return cls(data["name"], data["huggingface"], cuts_known=data["cuts_known"])

    @classmethod
    def from_file(cls, name: str, path: Path) -> Self:
        """Read a `tokenizer.json`. Raises TokenizerError for a file that is not one."""
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TokenizerError(f"{path} cannot be read as JSON: {error}.") from error
        if not isinstance(saved, dict) or not isinstance(saved.get("model"), dict):
            raise TokenizerError(
                f"{path} is not a HuggingFace tokenizer: it has no model.\n"
                "Give tokenizer.json, which Tokenizer.save writes; not tokenizer_config.json."
            )
        return cls(name, saved)

    @classmethod
    def from_hub(cls, name: str) -> Self:
        """Load the `tokenizer.json` of `hf:OWNER/NAME` from the hub or from the hub's cache."""
        from huggingface_hub import constants, hf_hub_download

        from gptkit_tokenizers.reachability import reachable

        offline = constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT)
        repository = name.removeprefix("hf:")
        try:
            path = hf_hub_download(repository, "tokenizer.json", local_files_only=offline)
        except Exception as error:  # of the network, the hub, the name or the cache
            reason = (str(error) or repr(error)).splitlines()[0]
            if offline:
                reason = "it cannot be reached, and its cache does not have the file."
            raise TokenizerError(
                f"{name} cannot be had from the Hugging Face hub: {reason}\n"
                "Connect to the network once; or fetch the model's tokenizer.json and name that "
                "file."
            ) from error
        return cls.from_file(name, Path(path))


def _plain(saved: JsonObject) -> JsonObject:
    """Return the same tokenizer without the parts that add to a text or truncate it."""
    plain = saved | {"truncation": None, "padding": None, "post_processor": None}
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


def _parts(saved: JsonObject) -> Iterator[JsonObject]:
    """Yield every normaliser, pre-tokeniser and decoder, also those inside sequences."""
    waiting = [saved.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while waiting:
        part = waiting.pop(0)
        if part is None:
            continue
        yield part
        for inside in ("normalizers", "pretokenizers", "decoders"):
            waiting += part.get(inside, [])
