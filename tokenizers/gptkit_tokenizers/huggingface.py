"""Use a Hugging Face `tokenizer.json` from a file, the hub, or our own training."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gptkit_tokenizers.base import (
    JsonObject,
    Tokenizer,
    TokenizerError,
    id_dtype,
    unknown_id,
    utf8,
)
from gptkit_tokenizers.bytelevel import BYTE_OF, spell
from gptkit_tokenizers.chunking import PieceEncoder
from gptkit_tokenizers.guard import encoding_errors, is_library_error
from gptkit_tokenizers.tokenizer_json import for_plain_text, parse_json, parts_of, without_additions

if TYPE_CHECKING:
    import numpy as np
    import tokenizers

PIECE_CHARS = 250_000  # a piece's Encoding takes some 100 bytes of memory for a character
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # SentencePiece's way to write a byte


class HuggingFaceTokenizer(Tokenizer):
    """The tokenizer that a `tokenizer.json` describes, applied to ordinary text.

    Special tokens are ordinary text. Nothing is added to a text (no [CLS], no space in front), and
    nothing is truncated or padded. An added token takes no blanks along, and merges are never
    dropped at random. The normaliser and the unknown token still work as the file says; the audit
    finds what they change.

    Args:
        name: the name of the tokenizer.
        content: of the file.

    Raises:
        TokenizerError: the content is not a tokenizer.json, or the library cannot read it.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._json = without_additions(name, content)
        self.vocab_size = 1 + max(self._vocab.values(), default=-1)

    @cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        tokenizer = _build(self.name, self._json)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def _vocab(self) -> dict[str, int]:
        return self._tokenizer.get_vocab()

    @cached_property
    def _saved(self) -> JsonObject:
        """The content without the model's vocabulary and merges."""
        return parse_json(self.name, self._json)[0]

    def encode(self, text: str) -> list[int]:
        utf8(text)
        with encoding_errors(self.name):
            return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_array(self, text: str) -> np.ndarray:
        return self._pieces.encode(text)

    @cached_property
    def _pieces(self) -> PieceEncoder:
        from gptkit_tokenizers.cuts import json_cuts
        from gptkit_tokenizers.fast import load_json

        return PieceEncoder(
            self,
            self._encode_piece,
            find_cuts=lambda: json_cuts(self._saved, lambda: self._vocab),
            load_fast=lambda: load_json(self._json),
            chunk=PIECE_CHARS,
        )

    def _encode_piece(self, text: str) -> np.ndarray:
        import numpy as np

        with encoding_errors(self.name):
            (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return np.array(encoding.ids, dtype=id_dtype(self.vocab_size))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self.all_token_bytes[token]

    @cached_property
    def all_token_bytes(self) -> list[bytes]:
        spelled = [b""] * self.vocab_size
        spell_token = self._speller()
        for token, i in self._vocab.items():
            spelled[i] = spell_token(token)
        for token in self._matched_as_they_are():
            at = self._tokenizer.token_to_id(token)
            if at is not None:
                spelled[at] = token.encode()
        model = self._saved["model"]
        unknown = model.get("unk_token")
        at = None if unknown is None else self._tokenizer.token_to_id(unknown)
        if at is not None:
            spelled[at] = b""
        if model["type"] == "Unigram" and model.get("unk_id") is not None:
            spelled[model["unk_id"]] = b""
        return spelled

    def _matched_as_they_are(self) -> list[str]:
        """Return the added tokens that stand for their own text.

        The others have the sign for a space, and the model makes them of spaces, too. They are
        spaces, as the library decodes them.
        """
        model = self._tokenizer.model
        added = [entry["content"] for entry in self._saved.get("added_tokens") or []]
        if self._space is None:
            return added
        return [t for t in added if self._space not in t or model.token_to_id(t) is None]

    def _speller(self) -> Callable[[str], bytes]:
        """Return a function that spells a token. It is called for each token of the vocabulary."""
        model = self._saved["model"]
        prefix = model.get("continuing_subword_prefix") or ""
        suffix = model.get("end_of_word_suffix") or ""
        byte_piece = _BYTE_PIECE.fullmatch if model.get("byte_fallback") else lambda token: None
        space = " " if self._space is None else self._space

        def spell_byte_level(token: str) -> bytes:
            token = token.removeprefix(prefix).removesuffix(suffix)
            return spell(token) if BYTE_OF.keys() >= set(token) else token.encode()

        def spell_plain(token: str) -> bytes:
            token = token.removeprefix(prefix).removesuffix(suffix)
            if found := byte_piece(token):
                return bytes([int(found[1], 16)])
            return token.replace(space, " ").encode()

        return spell_byte_level if self._byte_level else spell_plain

    @cached_property
    def _byte_level(self) -> bool:
        return any(part["type"] == "ByteLevel" for part in parts_of(self._saved))

    @cached_property
    def _space(self) -> str | None:
        """The character that stands for a space, or None."""
        for part in parts_of(self._saved):
            if part["type"] == "Metaspace":
                return part.get("replacement", "▁")
            if part["type"] == "Replace" and part["pattern"] == {"String": " "} and part["content"]:
                return part["content"]
        return None

    def special_ids(self) -> frozenset[int]:
        added = self._saved.get("added_tokens") or []
        ids = (self._tokenizer.token_to_id(one["content"]) for one in added if one.get("special"))
        return frozenset(i for i in ids if i is not None)

    def to_tokenizer_json(self) -> bytes:
        return for_plain_text(self.name, self._json, byte_level=self._byte_level)

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "vocab_size": self.vocab_size,
            "huggingface": self._json.decode(),
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        """Rebuild the tokenizer that `to_dict` described; the library loads it at first use."""
        tokenizer = cls.__new__(cls)
        tokenizer.name, tokenizer.vocab_size = data["name"], data["vocab_size"]
        tokenizer._json = data["huggingface"].encode()
        return tokenizer

    @classmethod
    def from_pair(cls, name: str, vocab: Path, merges: Path) -> Self:
        """Read a byte-level BPE from vocab.json and merges.txt, with GPT-2's words.

        Raises:
            TokenizerError: the files are not a byte-level BPE.
        """
        from tokenizers import Tokenizer, models, pre_tokenizers

        try:
            model = models.BPE.from_file(str(vocab), str(merges))
        except Exception as error:  # the library raises bare Exception
            raise TokenizerError(f"{vocab} and {merges} cannot be read: {error}.") from error
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        if missing := sorted(set(BYTE_OF) - tokenizer.get_vocab().keys()):
            raise TokenizerError(
                f"{vocab} is not a byte-level vocabulary: it has no token {missing[0]!r}. Only "
                "such a vocabulary can be used\nwithout its tokenizer.json, which says how text is "
                "normalised and cut into words."
            )
        return cls(name, tokenizer.to_str().encode())

    @classmethod
    def from_hub(cls, name: str, repository: str) -> Self:
        """Load the `tokenizer.json` of OWNER/NAME or OWNER/NAME@REVISION from the hub or its cache.

        Raises:
            TokenizerError: it is not available.
        """
        from huggingface_hub import constants, hf_hub_download

        from gptkit_tokenizers.reachability import reachable

        offline = constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT)
        owner_name, _, revision = repository.partition("@")
        try:
            path = hf_hub_download(
                owner_name, "tokenizer.json", revision=revision or None, local_files_only=offline
            )
        except Exception as error:  # of the network, the hub, the name or the cache
            reason = (str(error) or repr(error)).splitlines()[0]
            if offline:
                reason = "it cannot be reached, and its cache does not have the file."
            raise TokenizerError(
                f"hf:{repository} is not available from the Hugging Face hub: {reason}\n"
                "Connect to the network once; or fetch the model's tokenizer.json and name that "
                "file."
            ) from error
        try:
            return cls(name, Path(path).read_bytes())
        except OSError as error:
            raise TokenizerError(f"{path} cannot be read: {error}.") from error


def _build(name: str, content: bytes) -> tokenizers.Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_buffer(content)
    except BaseException as error:  # the library raises bare Exception, and may panic
        if not is_library_error(error):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise TokenizerError(
            f"{name} cannot be read by tokenizers {version('tokenizers')}, which is installed: "
            f"{reason}.\n"
            "The file is damaged, or it is from a newer version: pip install -U tokenizers."
        ) from None
