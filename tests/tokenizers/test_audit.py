import numpy as np
import pytest

from gptkit_tokenizers import TokenizerError, audit
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
    with pytest.raises(TokenizerError, match="differs from the text at byte 13") as error:
        audit(Lowering(), text, Lowering().encode_array(text))
    assert "the text:   'o spoke the King of noth'" in str(error.value)
    assert "decoded to: 'o spoke the king of noth'" in str(error.value)


def test_missing_bytes_at_the_end_are_found():
    with pytest.raises(TokenizerError, match="at byte 3"):
        audit(ByteTokenizer(), "abcd", ByteTokenizer().encode_array("abc"))


def test_token_bytes_must_add_up():
    with pytest.raises(TokenizerError, match="add up to 0, the text has 3"):
        audit(Forgetful(), "abc", Forgetful().encode_array("abc"))


def test_ids_outside_the_vocabulary_are_named():
    with pytest.raises(TokenizerError, match="token 1 of the text is id 300"):
        audit(ByteTokenizer(), "ab", np.array([97, 300]))
