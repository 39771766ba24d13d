"""The faster engine: the same ids, or it is switched off with one warning."""

import warnings

import numpy as np
import pytest

import gptkit_tokenizers.fast as fast
from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.base import TokenizerWarning
from gptkit_tokenizers.fast import FastEncoder, hard_cases, load_ranks

LINES = "To be, or not to be.\n", "Ob's edler im Gemüt, 12345 …  生存还是毁灭\n"
TEXT = "".join(LINES[i % 7 % 2] * (1 + i % 5) for i in range(60))


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Every text of this file is large, and is cut into many pieces."""
    for name, value in (("MIN_CHARS", 100), ("FIRST_CHARS", 200), ("SAMPLE_CHARS", 20)):
        monkeypatch.setattr(fast, name, value)
    monkeypatch.setattr("gptkit_tokenizers.chunking.CHUNK_CHARS", 300)


def encoder(tokenizer, engine, monkeypatch):
    """A tokenizer that has another engine than gigatoken."""
    pieces = tokenizer._pieces
    monkeypatch.setattr(pieces, "_chunk", 50)
    monkeypatch.setattr(fast, "find_spec", lambda name: True)
    vars(pieces)["_fast"] = FastEncoder(tokenizer, pieces._encode, engine)
    return tokenizer


def test_the_ids_are_the_engines_where_they_are_the_same(monkeypatch):
    gpt2 = get_tokenizer("gpt2")
    asked = []

    def engine(text):
        asked.append(text)
        return np.array(gpt2.encode(text), dtype=np.uint32)

    encoder(gpt2, lambda: engine, monkeypatch)
    assert gpt2.encode_array(TEXT).tolist() == gpt2.encode(TEXT)
    assert gpt2.encode_array(TEXT).dtype == np.uint16
    assert asked[0] == hard_cases()
    assert asked.count(hard_cases()) == 1  # loaded once
    assert len(asked) > 8
    assert gpt2.encode_array("to be").tolist() == gpt2.encode("to be")


LATER = {TEXT[i:] for i in range(1, len(TEXT))}  # the last piece


def at_the_start(text):
    return text == hard_cases() or TEXT.startswith(text)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda text, ids: ids[::-1] if text == hard_cases() else ids, "for hard cases"),
        (lambda text, ids: ids[:-1] if TEXT.startswith(text) else ids, "at the start of this text"),
        (lambda text, ids: ids if at_the_start(text) else ids + 1, "in this text"),
        (
            lambda text, ids: np.append(ids, 60_000) if text in LATER else ids,
            "ids outside the vocabulary",
        ),
        (lambda text, ids: 1 / 0, "division by zero"),
    ],
    ids=["hard", "first", "later", "outside", "error"],
)
def test_an_engine_that_differs_is_switched_off_with_one_warning(broken, reason, monkeypatch):
    gpt2 = get_tokenizer("gpt2")
    encode = gpt2.encode

    def engine(text):
        return broken(text, np.array(encode(text), dtype=np.uint32))

    encoder(gpt2, lambda: engine, monkeypatch)
    with pytest.warns(TokenizerWarning, match="is not used for gpt2: ") as shown:
        ids = gpt2.encode_array(TEXT)
    assert ids.tolist() == encode(TEXT)
    assert reason in str(shown[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gpt2.encode_array(TEXT).tolist() == encode(TEXT)


@pytest.mark.parametrize("rare", ["\u1acf", "\u0e38\u0d3b"])  # unassigned in Unicode 14; two marks
def test_every_character_of_a_text_is_compared(rare, monkeypatch):
    gpt2 = get_tokenizer("gpt2")
    encode = gpt2.encode

    def engine(text):
        return np.array(encode(text.replace(rare, "?")), dtype=np.uint32)

    encoder(gpt2, lambda: engine, monkeypatch)
    assert gpt2.encode_array(TEXT).tolist() == encode(TEXT)
    text = f"{TEXT} and so on and so on and so on and{rare}so on {TEXT}"
    with pytest.warns(TokenizerWarning, match="its ids differ in this text"):
        ids = gpt2.encode_array(text)
    assert ids.tolist() == encode(text)


def test_an_engine_that_does_not_load_is_not_used(monkeypatch):
    def load():
        raise ValueError("unknown part")

    gpt2 = encoder(get_tokenizer("gpt2"), load, monkeypatch)
    with pytest.warns(TokenizerWarning, match="not used for gpt2: unknown part"):
        assert gpt2.encode_array(TEXT).tolist() == gpt2.encode(TEXT)


def test_without_the_extra_nothing_is_said(monkeypatch):
    gpt2 = encoder(get_tokenizer("gpt2"), lambda: 1 / 0, monkeypatch)
    monkeypatch.setattr(fast, "find_spec", lambda name: None)
    assert gpt2.encode_array(TEXT).tolist() == gpt2.encode(TEXT)


def test_a_pattern_that_the_engine_does_not_have_is_not_tried():
    assert load_ranks({}, r"\S+|\s+") is None


@pytest.mark.parametrize("kind", ["gpt2", "bpe:400", "json", "model"])
def test_gigatoken_gives_the_same_ids(kind, kinds, monkeypatch):
    pytest.importorskip("gigatoken")
    tokenizer = kinds[kind]
    monkeypatch.setattr(tokenizer._pieces, "_chunk", 50)
    vars(tokenizer._pieces).pop("_fast", None)
    assert tokenizer.encode_array(TEXT).tolist() == tokenizer.encode(TEXT)
    assert tokenizer._pieces._fast._engine is not None
