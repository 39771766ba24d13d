"""Tokenizers written as a tokenizer.json give every text the same ids."""

import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit_tokenizers import TokenizerError, get_tokenizer
from gptkit_tokenizers.bpe import TiktokenTokenizer, shipped_ranks
from gptkit_tokenizers.huggingface import HuggingFaceTokenizer
from gptkit_tokenizers.merges import find_merges
from gptkit_tokenizers.testing import TEXTS
from gptkit_tokenizers.word_patterns import PATTERNS

WRITTEN = [
    *("char", "char+bytes", "byte", "gpt2", "bpe:400", "bpe:400:split=none"),
    *("unigram:400", "wordpiece:400", "json", "tiktoken", "model"),
]
HOSTILE = (
    *TEXTS,
    "<|endoftext|> <s> a\u00a0b\u2028c\u3000\r\n\r\n  \t x  \n\n  ",
    "  two  spaces   and 1234567 digits, don't DON'T I'LL\n \n",
    "e\u0301 nai\u0308ve 日本語 한국어 नमस्ते 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👩‍👩‍👧‍👦 \x00\x01\x7f\ufeff",
)


@pytest.fixture(scope="module")
def written(kinds):
    return {kind: HuggingFaceTokenizer(kind, kinds[kind].to_tokenizer_json()) for kind in WRITTEN}


def same_ids(mine, theirs, text):
    text = text.replace("▁", "")  # SentencePiece writes a space so
    try:
        ids = mine.encode(text)
    except TokenizerError:  # a character that char does not know
        with pytest.raises(TokenizerError):
            theirs.encode(text)
        return
    assert theirs.encode(text) == ids
    assert theirs.decode_bytes(ids) == mine.decode_bytes(ids)


@pytest.mark.parametrize("kind", WRITTEN)
def test_ids_are_equal_on_hostile_texts(kind, kinds, written, prose):
    for text in (*HOSTILE, "not to be", prose):
        same_ids(kinds[kind], written[kind], text)


@settings(max_examples=60, deadline=None)
@given(text=st.text())
@pytest.mark.parametrize("kind", WRITTEN)
def test_ids_are_equal_on_any_text(kind, text, kinds, written):
    same_ids(kinds[kind], written[kind], text)


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_the_words_of_every_known_pattern_are_kept(name):
    mine = TiktokenTokenizer("mine", shipped_ranks(), pattern=PATTERNS[name])
    theirs = HuggingFaceTokenizer("theirs", mine.to_tokenizer_json())
    for text in HOSTILE:
        same_ids(mine, theirs, text)


@pytest.mark.parametrize("kind", [k for k in WRITTEN if k not in ("char", "char+bytes")])
def test_the_library_decodes_what_it_encodes(kind, kinds):
    library = tokenizers.Tokenizer.from_str(kinds[kind].to_tokenizer_json().decode())
    for text in (*HOSTILE, "not to be"):
        ids = library.encode(text, add_special_tokens=False).ids
        assert library.decode(ids, skip_special_tokens=False) == text


def test_merges_are_those_that_the_tokenizer_was_trained_with():
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=60, show_progress=False)
    made.train_from_iterator(["to be or not to be, that is the question " * 3], trainer)
    vocab = {token.encode(): i for token, i in made.get_vocab().items() if token.isascii()}
    trained = [tuple(pair) for pair in json.loads(made.to_str())["model"]["merges"]]
    expected = [(a.encode(), b.encode()) for a, b in trained if (a + b).isascii()]
    assert find_merges(vocab) == expected


def test_a_token_that_no_merge_gives_is_found_as_a_word_alone():
    ranks = {bytes([b]): b for b in range(256)} | {b"abc": 256}
    assert find_merges(ranks) == []
    mine = TiktokenTokenizer("mine", ranks)
    theirs = HuggingFaceTokenizer("theirs", mine.to_tokenizer_json())
    for text in ("abc", "abc abc", "xabc"):
        assert theirs.encode(text) == mine.encode(text)
    assert theirs.encode("abc") == [256]


@pytest.mark.parametrize("spec", ["bpe:400:case=factored", "bpe:400:superwords=330", "plug-in"])
def test_what_the_library_has_not_is_refused(spec, kinds):
    with pytest.raises(TokenizerError, match=r"cannot be written as a tokenizer\.json"):
        kinds[spec].to_tokenizer_json()


def test_special_tokens_keep_their_ids_and_no_text_gives_them(kinds):
    library = tokenizers.Tokenizer.from_str(get_tokenizer("gpt2").to_tokenizer_json().decode())
    assert library.token_to_id("<|endoftext|>") == 50256
    assert 50256 not in library.encode("<|endoftext|>").ids


def test_special_ids_are_those_that_no_text_gives(kinds):
    assert kinds["gpt2"].special_ids() == {50256}
    assert kinds["json"].special_ids() == {0, 1}  # <s> and <|endoftext|>
    assert kinds["byte"].special_ids() == frozenset()
    for kind in ("gpt2", "json"):
        found = kinds[kind].encode("<s> a <|endoftext|>")
        assert not kinds[kind].special_ids() & set(found)


def test_a_sentencepiece_model_that_changes_text_is_refused(tmp_path, prose, make_model):
    path = make_model(tmp_path / "nfkc.model", prose, byte_fallback=True)  # NFKC
    with pytest.raises(TokenizerError, match=r"cannot be written as a tokenizer\.json"):
        get_tokenizer(str(path)).to_tokenizer_json()
