"""Use a SentencePiece `.model`. Needs the extra `sentencepiece`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from gptkit_tokenizers.base import (
    JsonObject,
    Tokenizer,
    TokenizerError,
    id_dtype,
    unknown_id,
    utf8,
)
from gptkit_tokenizers.chunking import NextCut, PieceEncoder
from gptkit_tokenizers.guard import encoding_errors

if TYPE_CHECKING:
    import numpy as np

PIECE_CHARS = 250_000
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

    def encode_array(self, text: str) -> np.ndarray:
        return self._pieces.encode(text)

    @cached_property
    def _pieces(self) -> PieceEncoder:
        from gptkit_tokenizers.fast import load_sentencepiece

        return PieceEncoder(
            self,
            self._encode_piece,
            find_cuts=self._find_cuts,
            load_fast=lambda: load_sentencepiece(self.name, self._model),
            chunk=PIECE_CHARS,
        )

    def _find_cuts(self) -> NextCut | None:
        from gptkit_tokenizers.cuts import token_cuts

        if not keeps_text(self._model):
            return None
        return token_cuts(self._processor.id_to_piece(range(self.vocab_size)))

    def _encode_piece(self, text: str) -> np.ndarray:
        import numpy as np

        with encoding_errors(self.name):
            return np.array(self._processor.encode(text), dtype=id_dtype(self.vocab_size))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self.all_token_bytes[token]

    @cached_property
    def all_token_bytes(self) -> list[bytes]:
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

    def to_tokenizer_json(self) -> bytes:
        """A byte-pair model whose normaliser changes spaces alone can be written."""
        if not keeps_text(self._model):
            return super().to_tokenizer_json()
        from tokenizers import Tokenizer, decoders, models, normalizers

        from gptkit_tokenizers.merges import find_merges

        model, ids = self._processor, range(self.vocab_size)
        pieces = model.id_to_piece([*ids])
        found = [i for i in ids if not (model.is_control(i) or model.is_unknown(i))]
        by_score = sorted(
            (i for i in found if not model.is_byte(i)), key=lambda i: -model.get_score(i)
        )
        merges = find_merges({pieces[i]: rank for rank, i in enumerate(by_score)})
        written = Tokenizer(
            models.BPE(
                {piece: i for i, piece in enumerate(pieces)},
                merges,
                unk_token=pieces[model.unk_id()],
                fuse_unk=True,
                byte_fallback=any(map(model.is_byte, ids)),
            )
        )
        written.normalizer = normalizers.Replace(" ", SPACE)
        to_space = decoders.Replace(SPACE, " ")
        written.decoder = decoders.Sequence([to_space, decoders.ByteFallback(), decoders.Fuse()])
        return written.to_str().encode()

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "sentencepiece": b64encode(self._model).decode()}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        return cls(data["name"], b64decode(data["sentencepiece"]))


def keeps_text(model: bytes) -> bool:
    """Return whether a ModelProto is a byte-pair model whose normaliser changes spaces alone.

    Field numbers are those of sentencepiece_model.proto.
    """
    trainer, normalizer = _fields(_fields(model).get(2, b"")), _fields(_fields(model).get(3, b""))
    return (
        trainer.get(3) == 2  # model_type: BPE
        and not trainer.get(24)  # treat_whitespace_as_suffix
        and not normalizer.get(2)  # precompiled_charsmap
        and normalizer.get(4) == 0  # remove_extra_whitespaces
        and normalizer.get(5, 1) == 1  # escape_whitespaces
    )


def _fields(message: bytes) -> dict[int, Any]:
    """Return the last value of each field of a message of protocol buffers."""
    found: dict[int, Any] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(message):
        field, kind = divmod(varint(), 8)
        if kind == 0:
            found[field] = varint()
        else:
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            found[field], at = message[at : at + size], at + size
    return found


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
