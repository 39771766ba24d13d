"""Words that were met before are looked up: the same ids, with less work for the library."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptkit_tokenizers.word_cache as word_cache
from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.bpe import TiktokenTokenizer, shipped_ranks
from gptkit_tokenizers.cuts import next_word
from gptkit_tokenizers.word_cache import WordCache
from gptkit_tokenizers.word_patterns import PATTERNS

WORDS = "a be to To BE ab'd 's 'LL 1 12345 x1 1x ! ?! (be) e.g. implementations Donaudampfschiff"
OTHERS = ("naïve", "привет", "日本", "\u0301", "▁", "\0", "\0\0", "Straßenbahnhaltestelle")
BLANKS = (" ", "  ", "\n", "\n\n", "\n ", " \n", "\r\n", "\t", "\u3000", "\xa0", "")
texts = st.lists(st.sampled_from([*WORDS.split(" "), *OTHERS, *BLANKS * 3]), max_size=60)


def cache_of(tokenizer, asked=None, **options):
    def encode(text):
        if asked is not None:
            asked.append(text)
        return tokenizer._encode_piece(text)

    return WordCache(tokenizer, encode, **{"line_breaks": True, **options})


@contextmanager
def few_slots():
    """Let most words find their slots taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_cache, "SLOT_BITS", 4)
        patch.setattr(word_cache, "MOST_IDS", 20)
        yield


@pytest.fixture(scope="module", params=dict.fromkeys(PATTERNS.values()))
def cached(request):
    tokenizer = TiktokenTokenizer("x", shipped_ranks(), pattern=request.param)
    with few_slots():
        return tokenizer, cache_of(tokenizer)


@settings(max_examples=300, deadline=None)
@given(words=texts)
def test_the_ids_are_those_of_the_library(cached, words):
    tokenizer, cache = cached
    text = "".join(words)
    with few_slots():
        assert cache.encode(text).tolist() == tokenizer.encode(text)
    assert cache._works


@pytest.mark.parametrize(
    ("line_breaks", "words"),
    [
        (True, ["be", " be 1  b\n\n a,", " b\n", "be\xa0 be▁ be\n é"]),
        (False, ["be", " be 1  b\n\n a,", " b\nbe\xa0 be▁ be\n é"]),
    ],
)
def test_a_word_is_between_two_cuts(line_breaks, words):
    data = "".join(words).encode()
    starts = word_cache._find_starts(data, line_breaks=line_breaks).tolist()
    stops = [*starts[1:], len(data)]
    assert [data[i:j].decode() for i, j in zip(starts, stops, strict=True)] == words


def test_a_word_is_encoded_once():
    gpt2, asked = get_tokenizer("gpt2"), []
    cache = cache_of(gpt2, asked)
    for text in ("to be or not", "to be or not to be\nto be", "be\nto be to or"):
        assert cache.encode(text).tolist() == gpt2.encode(text)
        assert cache.encode(text).dtype == np.uint16
    assert asked == ["to be or not", " to be\n", "be\n"]


def test_words_from_different_places_are_kept_apart():
    gpt2, asked = get_tokenizer("gpt2"), []
    cache = cache_of(gpt2, asked)
    for text in ("x be\nto", "a one\nto two", "u go be\nnot"):
        assert cache.encode(text).tolist() == gpt2.encode(text)
    assert asked[1:] == ["a one\na two", "u go a\nnot"]  # "to" and " be" are known


def test_words_that_are_too_long_are_never_in_the_table():
    gpt2 = get_tokenizer("gpt2")
    text = "\0" * 16 + " to be"  # its first bytes are those of an empty slot
    assert cache_of(gpt2).encode(text).tolist() == gpt2.encode(text)


def test_a_word_in_the_table_stays():
    gpt2, asked = get_tokenizer("gpt2"), []
    text = "to be or not that is the question"
    with few_slots():
        cache = cache_of(gpt2, asked)
        for each in (text, text, " ".join("abcdefghijklmnopqrstuvwxyz"), text):
            cache.encode(each)
    assert 0 < len(asked[1]) < len(text)
    assert asked[3] == asked[1]


def test_a_text_with_few_words_is_left_to_the_library():
    gpt2, asked = get_tokenizer("gpt2"), []
    text = "生存还是毁灭" * 20
    assert cache_of(gpt2, asked).encode(text).tolist() == gpt2.encode(text)
    assert asked == [text]


class Dropping(TiktokenTokenizer):
    """Does not spell the letter e."""

    def token_bytes(self, token):
        return super().token_bytes(token).replace(b"e", b"")


class Empty(TiktokenTokenizer):
    """Has an id that spells nothing, at the end of each text."""

    def token_bytes(self, token):
        return b"" if token == 0 else super().token_bytes(token)

    def _encode_piece(self, text):
        return np.append(super()._encode_piece(text), np.uint16(0))


@pytest.mark.parametrize("kind", [Dropping, Empty])
def test_it_is_off_where_ids_do_not_spell_the_text(kind):
    tokenizer = kind("gpt2")
    asked = []
    cache = cache_of(tokenizer, asked)
    texts = "to be or not to be", "that is the question"
    for text in texts:
        assert cache.encode(text).tolist() == tokenizer._encode_piece(text).tolist()
    assert asked[-2:] == list(texts)


def test_threads_share_it(prose):
    gpt2 = get_tokenizer("gpt2")
    lines = prose.splitlines(keepends=True)
    mixed = ["".join(random.Random(i).sample(lines, 60)) for i in range(200)]
    cache = cache_of(gpt2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(cache.encode, mixed))
    assert all(ids.tolist() == gpt2.encode(text) for ids, text in zip(found, mixed, strict=True))


@pytest.mark.parametrize("spec", ["gpt2", "unigram:400", "wordpiece:400"])
def test_a_large_text_is_encoded_by_words(spec, prose, monkeypatch):
    tokenizer = get_tokenizer(spec, text=prose)
    pieces = tokenizer._pieces
    monkeypatch.setattr(pieces, "_chunk", 3000)
    seen, real = [], pieces._encode
    monkeypatch.setattr(pieces, "_encode", lambda text: seen.append(text) or real(text))
    assert tokenizer.encode_array(prose).tolist() == tokenizer.encode(prose)
    assert pieces.next_cut is next_word
    assert sum(map(len, seen)) < 0.7 * len(prose)
