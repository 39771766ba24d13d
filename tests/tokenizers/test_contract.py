"""The contract suite: every kind of tokenizer, plug-ins included, through the same checks."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gptkit_tokenizers import (
    Tokenizer,
    TokenizerError,
    audit,
    get_tokenizer,
    id_dtype,
    token_lengths,
    tokenizer_from_dict,
)
from gptkit_tokenizers.byte import ByteTokenizer
from gptkit_tokenizers.testing import CHECKS, TEXTS, BrokenContract, check_contract

TOTAL = [
    *("char+bytes", "byte", "gpt2", "bpe:400", "unigram:400", "wordpiece:400"),
    *("bpe:400:split=none", "bpe:400:case=factored", "bpe:400:superwords=330"),
    "bpe:400:split=gpt4:digits=2:case=factored:superwords=330",
    *("json", "model", "tiktoken", "plug-in"),
]
ALPHABET = "to be or not to be, that is the question:\n"


@pytest.fixture(params=["char", *TOTAL])
def tokenizer(request, kinds) -> Tokenizer:
    return kinds[request.param]


@pytest.fixture(params=TOTAL)
def total_tokenizer(request, kinds) -> Tokenizer:
    return kinds[request.param]


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check, tokenizer):
    for text in (*TEXTS, "not to be"):
        check(tokenizer, text)


def test_a_total_tokenizer_spells_every_text(total_tokenizer):
    for text in TEXTS:
        array = total_tokenizer.encode_array(text)
        assert array.dtype == id_dtype(total_tokenizer.vocab_size)
        assert audit(total_tokenizer, text, array) == len(text.encode())


@settings(max_examples=100, deadline=None)
@given(text=st.text())
@pytest.mark.parametrize("kind", TOTAL)
def test_any_text_at_all(kind, text, kinds):
    assume(kind != "model" or "▁" not in text)  # SentencePiece writes a space as U+2581
    tokenizer = kinds[kind]
    ids = tokenizer.encode(text)
    assert tokenizer.encode_array(text).tolist() == ids
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text.encode())


@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet=ALPHABET))
def test_char_gives_back_text_of_its_alphabet(text, kinds):
    ids = kinds["char"].encode_array(text)
    assert audit(kinds["char"], text, ids) == len(text)


@pytest.mark.parametrize("letter", [" ", "a", "🦆"])
def test_a_hundred_thousand_letters_without_a_border(letter, total_tokenizer):
    text = letter * 100_000
    ids = total_tokenizer.encode_array(text)
    assert audit(total_tokenizer, text, ids) == len(text.encode())


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
    if tokenizer.name == "template":
        pytest.skip("rebuilt by its entry point, which the template has not")
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
    text = "not to be"
    assert again.encode(text) == tokenizer.encode(text)
    assert np.array_equal(token_lengths(again), token_lengths(tokenizer))


def test_the_name_is_the_spec_that_rebuilds_it(tokenizer, prose):
    if tokenizer.name == "template":
        pytest.skip("as above")
    text = ALPHABET if tokenizer.name.startswith("char") else prose
    assert get_tokenizer(tokenizer.name, text=text).encode("be") == tokenizer.encode("be")


def test_broken_utf8_decodes_to_replacement_characters(kinds):
    for kind in ("char+bytes", "byte", "gpt2"):
        assert kinds[kind].decode(kinds[kind].encode("🦆")[:1]) == "\ufffd"


class OtherArray(ByteTokenizer):
    def encode_array(self, text):
        return super().encode_array(text)[::-1]


class NoBytes(ByteTokenizer):
    def token_bytes(self, token):
        super().token_bytes(token)
        return b"?"


class Endless(ByteTokenizer):
    def decode_bytes(self, ids):
        return bytes(i % 256 for i in ids)


class Forgetful(ByteTokenizer):
    def to_dict(self):
        return {"name": "another"}


class Outside(ByteTokenizer):
    def encode(self, text):
        return [256, *super().encode(text)]


class Crashing(ByteTokenizer):
    def decode(self, ids):
        raise RuntimeError("out of paint")


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (OtherArray, "arrays"),
        (NoBytes, "bytewise"),
        (Endless, "bounded"),
        (Forgetful, "rebuilt"),
        (Outside, "inside"),
        (Crashing, "bytewise.*out of paint"),
    ],
)
def test_a_broken_contract_is_named_with_its_check(broken, check):
    with pytest.raises(BrokenContract, match=f"the check '{check}"):
        check_contract(broken())


def test_the_exact_check_finds_what_the_others_do_not():
    class Lowering(ByteTokenizer):
        def encode(self, text):
            return super().encode(text.lower())

        def encode_array(self, text):
            return super().encode_array(text.lower())

    check_contract(Lowering())
    exact = next(check for check in CHECKS if check.__name__ == "exact")
    with pytest.raises(BrokenContract, match="'Å' comes back as"):
        exact(Lowering(), "Å")
