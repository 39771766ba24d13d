"""The contract suite: every kind of tokenizer, plug-ins included, through the same checks."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit_tokenizers import (
    TokenizerError,
    audit,
    get_tokenizer,
    id_dtype,
    token_lengths,
    tokenizer_from_dict,
)

ALPHABET = "to be or not to be, that is the question:\n"
TOTAL = ["char+bytes", "byte", "gpt2"]
HARD = [
    "",
    " ",
    "to be\n\nor not",
    "naïve 🦆",
    "<|endoftext|>",
    "\u0301\u0300",  # lone combining marks
    "\0\0a\0",
    "日本語 и русский, العربية",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "a\r\nb\rc\u2028d\x85e",
    "'LL 's 12345 x²½",
    "\U0010ffff\ue000\ufeff",
]


@pytest.fixture(scope="module", params=["char", *TOTAL])
def tokenizer(request):
    return get_tokenizer(request.param, text=ALPHABET)


@pytest.fixture(scope="module", params=TOTAL)
def total_tokenizer(request):
    return get_tokenizer(request.param, text=ALPHABET)


def check(tokenizer, text):
    ids = tokenizer.encode(text)
    array = tokenizer.encode_array(text)
    assert array.tolist() == ids
    assert array.dtype == id_dtype(tokenizer.vocab_size)
    assert all(0 <= i < tokenizer.vocab_size for i in ids)
    assert tokenizer.decode_bytes(ids) == tokenizer.decode_bytes(array) == text.encode()
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert tokenizer.decode(ids) == text
    assert audit(tokenizer, text, array) == len(text.encode())


@pytest.mark.parametrize("text", HARD)
def test_every_total_tokenizer_gives_back_the_bytes(total_tokenizer, text):
    check(total_tokenizer, text)


@settings(max_examples=200, deadline=None)
@given(text=st.text())
@pytest.mark.parametrize("spec", TOTAL)
def test_any_text_at_all(spec, text):
    check(get_tokenizer(spec, text=ALPHABET), text)


@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet=ALPHABET))
def test_char_gives_back_text_of_its_alphabet(text):
    check(get_tokenizer("char", text=ALPHABET), text)


def test_a_million_spaces(total_tokenizer):
    text = " " * 1_000_000
    ids = total_tokenizer.encode_array(text)
    assert audit(total_tokenizer, text, ids) == 1_000_000


def test_a_million_letters_without_a_border(total_tokenizer):
    text = "a" * 1_000_000
    assert audit(total_tokenizer, text, total_tokenizer.encode_array(text)) == 1_000_000


@pytest.mark.parametrize("method", ["encode", "encode_array"])
def test_a_lone_surrogate_is_a_clear_error(tokenizer, method):
    with pytest.raises(TokenizerError, match=r"lone surrogate, U\+D800, at index 2"):
        getattr(tokenizer, method)("to\ud800be")


def test_ids_outside_the_vocabulary_are_named(tokenizer):
    top = tokenizer.vocab_size
    for wrong in (top, -1, 2**40):
        says = f"id {wrong} is outside .* {top} ids"
        with pytest.raises(TokenizerError, match=says):
            tokenizer.decode_bytes([0, wrong])
        with pytest.raises(TokenizerError, match=says):
            tokenizer.token_bytes(wrong)


def test_json_rebuilds_it(tokenizer):
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
    text = "not to be"
    assert again.encode(text) == tokenizer.encode(text)
    assert np.array_equal(token_lengths(again), token_lengths(tokenizer))


def test_the_name_is_the_spec_that_rebuilds_it(tokenizer):
    assert get_tokenizer(tokenizer.name, text=ALPHABET).encode("be") == tokenizer.encode("be")


def test_broken_utf8_decodes_to_replacement_characters():
    for spec in TOTAL:
        t = get_tokenizer(spec, text=ALPHABET)
        assert t.decode(t.encode("🦆")[:1]) == "\ufffd"
