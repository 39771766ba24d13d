"""Use a SentencePiece `.model`. Needs the extra `sentencepiece`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import cached_property
from typing import Any, Self

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, unknown_id, utf8
from gptkit_tokenizers.guard import encoding_errors

SPACE = "▁"
# A serialised ModelProto in which only normalizer_spec.add_dummy_prefix is set, to false. Protocol
# buffers merge appended messages: the last value of a field counts.
NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"


class SentencePieceTokenizer(Tokenizer):
    """The tokenizer that a `.model` file describes, without a space in front of the text.

    The normaliser works as the file says. Most normalisers change characters (NFKC) and drop
    spaces; the audit finds that.

    Args:
        name: the spec.
        model: the content of the file.
    """

    def __init__(self, name: str, model: bytes) -> None:
        self.name = name
        self._model = model
        self._processor = _processor(name, model)
        self.vocab_size = self._processor.vocab_size()

    def encode(self, text: str) -> list[int]:
        utf8(text)
        with encoding_errors(self.name):
            return self._processor.encode(text)

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self._spelled[token]

    @cached_property
    def _spelled(self) -> list[bytes]:
        model = self._processor
        spelled = []
        for i in range(self.vocab_size):
            if model.is_unknown(i) or model.is_control(i):
                spelled.append(b"")
            elif model.is_byte(i):
                spelled.append(bytes([int(model.id_to_piece(i)[3:-1], 16)]))  # as in <0x0A>
            else:
                spelled.append(_piece_bytes(model, i).replace(SPACE.encode(), b" "))
        return spelled

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "sentencepiece": b64encode(self._model).decode()}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        return cls(data["name"], b64decode(data["sentencepiece"]))


def _piece_bytes(model: Any, i: int) -> bytes:
    try:
        return model.id_to_piece(i).encode()
    except UnicodeDecodeError as error:  # a piece of a damaged model
        return error.object


def _processor(name: str, model: bytes) -> Any:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise TokenizerError(
            f"{name} needs the library sentencepiece.\nInstall it: pip install sentencepiece"
        ) from None
    try:
        return SentencePieceProcessor(model_proto=model + NO_DUMMY_PREFIX)
    except Exception as error:  # the library raises bare RuntimeError
        reason = str(error).strip().splitlines() or ["it is damaged"]
        raise TokenizerError(
            f"{name} cannot be read as a SentencePiece model: {reason[-1]}"
        ) from error
