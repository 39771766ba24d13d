import pytest

from gptkit_tokenizers import TokenizerError
from gptkit_tokenizers.char import CharTokenizer


def test_the_error_names_character_code_point_index_and_remedies():
    with pytest.raises(TokenizerError) as error:
        CharTokenizer.from_text("caf ").encode("café")
    assert str(error.value) == (
        "char cannot encode 'é' (U+00E9) at index 3: the corpus it was built from never uses it.\n"
        "Use char+bytes or byte, which can spell any text, "
        "or build char from text that has it."
    )


def test_ids_follow_code_points():
    assert CharTokenizer.from_text("ba\né🦆").encode("\nabé🦆") == [0, 1, 2, 3, 4]


def test_an_alphabet_past_one_byte_of_ids():
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    char = CharTokenizer.from_text(alphabet)
    assert char.encode(alphabet) == list(range(300))
    full = CharTokenizer("".join(map(chr, range(256))))
    assert full.encode_array("\xff").tolist() == [255]
    with pytest.raises(TokenizerError, match=r"U\+0100"):
        full.encode("\u0100")


def test_fallback_spells_what_the_alphabet_lacks_in_bytes():
    tokenizer = CharTokenizer.from_text("ab", byte_fallback=True)
    assert tokenizer.encode("aéb") == [0, 2 + 0xC3, 2 + 0xA9, 1]
