import numpy as np
import pytest

from gptkit_tokenizers import TokenizerError, audit, check_rebuild
from gptkit_tokenizers.byte import ByteTokenizer


class Lowering(ByteTokenizer):
    name = "lowering"

    def encode_array(self, text):
        return super().encode_array(text.lower())


class Forgetful(ByteTokenizer):
    name = "forgetful"

    def token_bytes(self, token):
        return b""


def test_a_changed_byte_is_shown_with_its_surroundings():
    text = "so spoke the King of nothing"
    with pytest.raises(TokenizerError, match="decode to another text, from byte 13") as error:
        audit(Lowering(), text, Lowering().encode_array(text))
    assert "the text:   'o spoke the King of noth'" in str(error.value)
    assert "decoded to: 'o spoke the king of noth'" in str(error.value)


def test_missing_bytes_at_the_end_are_found():
    with pytest.raises(TokenizerError, match="from byte 3"):
        audit(ByteTokenizer(), "abcd", ByteTokenizer().encode_array("abc"))


def test_token_bytes_must_add_up():
    with pytest.raises(
        TokenizerError, match="token_bytes gives 0 bytes in all, and decode_bytes gives 3"
    ):
        audit(Forgetful(), "abc", Forgetful().encode_array("abc"))


def test_ids_outside_the_vocabulary_are_named():
    with pytest.raises(TokenizerError, match="token 1 of the text is id 300"):
        audit(ByteTokenizer(), "ab", np.array([97, 300]))


def test_ids_must_be_an_array():
    with pytest.raises(TokenizerError, match="encode_array gives list"):
        audit(ByteTokenizer(), "ab", [97, 98])


class Failing(ByteTokenizer):
    def encode(self, text):
        raise RuntimeError("out of paint")


class Unnamed(ByteTokenizer):
    def to_dict(self):
        return {}


class Changed(ByteTokenizer):
    def encode(self, text):
        return super().encode(text)[::-1]


@pytest.mark.parametrize(
    ("tokenizer", "says"),
    [
        (Failing(), "RuntimeError.'out of paint'"),
        (Unnamed(), "KeyError.'name'"),
        (Changed(), "from_dict does not rebuild"),
    ],
)
def test_what_cannot_be_recorded_is_refused(tokenizer, says):
    with pytest.raises(TokenizerError, match=says):
        check_rebuild(tokenizer, "to be")
