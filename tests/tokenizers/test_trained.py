"""Vocabularies learned from text: the same everywhere, from training text alone, exact."""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

import gptkit_tokenizers.trained as trained
from gptkit_tokenizers import (
    NeedsText,
    TokenizerError,
    audit,
    get_tokenizer,
    tokenizer_from_dict,
)
from gptkit_tokenizers.bytelevel import BYTE_OF, CHAR_OF
from gptkit_tokenizers.trained import train_tokenizer

KINDS = ["bpe", "unigram", "wordpiece"]


def test_the_byte_alphabet_is_the_librarys():
    assert sorted(CHAR_OF.values()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert {BYTE_OF[c] for c in "ĠĊA"} == {0x20, 0x0A, 0x41}


def test_bpe_by_hand():
    # ab is there four times; then abc is three times, cab twice. A space begins a word.
    bpe = train_tokenizer("bpe:258", "abcabcabc ab")
    assert [bpe.token_bytes(i) for i in (256, 257)] == [b"ab", b"abc"]
    assert bpe.decode_bytes(bpe.encode("abcab")) == b"abcab"
    assert bpe.encode("abcab") == [257, 256]


@pytest.fixture(scope="module")
def both(kinds):
    """The learned ranks in tiktoken, and as the library's own BPE with the merges they came by."""
    ours = kinds["bpe:400"]
    spelled = ["".join(CHAR_OF[b] for b in ours.token_bytes(i)) for i in range(400)]
    vocab = {token: i for i, token in enumerate(spelled)}
    merges = []
    for i in range(256, 400):
        parts = _parts(ours.token_bytes(i), {ours.token_bytes(j): j for j in range(i)})
        merges.append(tuple("".join(CHAR_OF[b] for b in part) for part in parts))
    theirs = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return ours, theirs


def _parts(token, ranks):
    """The two tokens that the merges before leave of it."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, 10**9) for a, b in itertools.pairwise(parts)]
        at = pairs.index(min(pairs))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.text(alphabet="theking ofand\n'so."))
def test_both_libraries_give_the_same_ids(both, text):
    ours, theirs = both
    assert ours.encode(text) == theirs.encode(text).ids


def test_both_libraries_give_the_same_ids_for_what_was_learned_from(both, prose):
    ours, theirs = both
    assert ours.encode(prose) == theirs.encode(prose).ids


CODE = """
import json, sys
from gptkit_tokenizers import get_tokenizer
text = open(sys.argv[1], encoding="utf-8").read()
print(json.dumps(get_tokenizer(sys.argv[2], text=text).to_dict(), sort_keys=True))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_the_same(kind, prose, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(prose, encoding="utf-8")
    found = []
    for i in range(2):
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / str(i))}
        done = subprocess.run(
            [sys.executable, "-c", CODE, text, f"{kind}:420"],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        )
        found.append(done.stdout)
    assert found[0] == found[1]
    assert len(json.loads(found[0])) > 1


def cached_files():
    return list((Path(os.environ["XDG_CACHE_HOME"]) / "gptkit" / "vocabularies").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learned_is_kept_and_a_broken_cache_is_not_believed(kind, prose, monkeypatch):
    first = train_tokenizer(f"{kind}:300", prose)
    (cached,) = cached_files()
    whole = cached.read_bytes()
    cached.write_bytes(whole[:100])
    again = train_tokenizer(f"{kind}:300", prose)
    assert again.encode(prose) == first.encode(prose)
    assert cached.read_bytes() == whole

    def never(*args):
        raise AssertionError("it was learned again")

    monkeypatch.setattr(trained, "_train", never)
    assert train_tokenizer(f"{kind}:300", prose).to_dict() == first.to_dict()
    with pytest.raises(AssertionError, match="learned again"):
        train_tokenizer(f"{kind}:300", prose + "!")


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_the_text_can_fill_says_how_many_there_were(kind):
    with pytest.raises(TokenizerError, match=rf"{kind}:5000 cannot be filled: the text has \d+"):
        train_tokenizer(f"{kind}:5000", "to be or not to be, that is the question")


def test_the_largest_that_is_offered_can_be_filled():
    with pytest.raises(TokenizerError) as error:
        train_tokenizer("bpe:5000", "to be or not to be")
    offered = str(error.value).split("Give ")[1].split()[0]
    assert train_tokenizer(offered, "to be or not to be").vocab_size == int(offered[4:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "says"),
    [("255", "too small"), ("many", "not a vocabulary size"), ("", "not a"), ("0512", "not a")],
)
def test_a_size_that_is_none(kind, size, says):
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(f"{kind}:{size}", text="to be")


def test_without_text_it_says_so():
    with pytest.raises(NeedsText, match="bpe:512 is built from text"):
        get_tokenizer("bpe:512")


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_is_the_bytes(kind):
    tokenizer = train_tokenizer(f"{kind}:256", "to be or not to be")
    assert tokenizer.vocab_size == 256
    assert len(tokenizer.encode("naïve")) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_only_training_text_is_learned_from(kind, tmp_path):
    from gptkit.data.corpus import load_corpus
    from gptkit.data.encoding import build_tokenizer

    file = tmp_path / "text.txt"
    file.write_text("ab" * 5000 + "\n" + "xy" * 400)
    tokenizer = build_tokenizer(load_corpus(str(file)), f"{kind}:258")
    learned = {tokenizer.token_bytes(i) for i in range(258)}
    assert any(b"ab" in token for token in learned)
    assert not any(b"xy" in token for token in learned)


SPLITS = [f"{k}:300:split={s}" for k in KINDS for s in ("gpt2", "gpt4", "o200k", "whitespace")]


@pytest.mark.parametrize("spec", [*SPLITS, "bpe:300:digits=1", "bpe:300:split=gpt4:digits=2"])
def test_words_are_an_option_and_every_byte_comes_back(spec, prose):
    tokenizer = get_tokenizer(spec, text=prose + " 12345" * 50)
    text = prose[:500] + "\n\n DON'T 12345 naïve 🦆"
    assert audit(tokenizer, text, tokenizer.encode_array(text)) == len(text.encode())
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again.encode(text) == tokenizer.encode(text)
    assert tokenizer.name == spec


def test_digits_limit_a_token(prose):
    text = prose + " 12345" * 500
    for spec, most in (("bpe:400", 5), ("bpe:400:digits=1", 1), ("bpe:400:split=gpt4:digits=2", 2)):
        tokenizer = get_tokenizer(spec, text=text)
        tokens = {tokenizer.token_bytes(i).strip() for i in tokenizer.encode(" 12345")}
        assert max(map(len, tokens)) == most


def test_gpt2s_words_by_name_are_the_default(prose):
    default, named = (get_tokenizer(s, text=prose) for s in ("bpe:400", "bpe:400:split=gpt2"))
    assert default.encode(prose) == named.encode(prose)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("bpe:300:split=x", "no split 'x'"),
        ("bpe:300:digits=0", "digits is '0'; it must be a number from 1 to 9"),
        ("bpe:300:split=whitespace:digits=2", "digits needs a split that separates digits"),
    ],
)
def test_a_wrong_way_to_split_is_named(spec, says, prose):
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(spec, text=prose)


def test_long_words_are_learned_in_linear_time():
    # 120,000 letters without a blank: two minutes before words were limited to 1,000 bytes
    letters = "".join(random.Random(0).choices("ACGT", k=120_000))
    assert get_tokenizer("bpe:512", text=letters).vocab_size == 512


@pytest.mark.parametrize("options", ["", ":split=gpt4:digits=2", ":split=none", ":case=factored"])
def test_one_training_cut_four_times_gives_what_four_trainings_give(options, prose, monkeypatch):
    sizes = (280, 310, 360, 420)
    apart = {}
    for size in sizes:
        apart[size] = get_tokenizer(f"bpe:{size}{options}", prose).to_dict()
        for path in cached_files():
            path.unlink()
    trainings = []

    def counted(*args):
        trainings.append(args)
        return train(*args)

    train = trained._train
    monkeypatch.setattr(trained, "_train", counted)
    for size in sorted(sizes, reverse=True):
        assert get_tokenizer(f"bpe:{size}{options}", prose).to_dict() == apart[size]
    assert len(trainings) == 1


def test_an_experiment_learns_the_largest_first(prose, monkeypatch):
    from gptkit.data.corpus import Corpus
    from gptkit.data.prepare import prepare

    sizes = []

    def counted(kind, n, text, pattern):
        sizes.append(n)
        return train(kind, n, text, pattern)

    train = trained._train
    monkeypatch.setattr(trained, "_train", counted)
    corpus = Corpus(name="prose", train=prose, val=prose[:500], sha256="")
    specs = ["bpe:300", "byte", "bpe:400", "a=bpe:350"]
    prepared = prepare(corpus, {spec: spec for spec in specs})
    assert sizes == [400]
    assert list(prepared.texts) == specs


def test_a_text_that_was_learned_to_the_end_is_not_learned_again(monkeypatch):
    text = "to be or not to be, that is the question"
    with pytest.raises(TokenizerError, match="cannot be filled"):
        train_tokenizer("bpe:5000", text)
    monkeypatch.setattr(trained, "_train", lambda *args: 1 / 0)
    with pytest.raises(TokenizerError, match="cannot be filled"):
        train_tokenizer("bpe:4000", text)
    assert train_tokenizer("bpe:258", text).vocab_size == 258


# --- superwords


def test_superwords_by_hand():
    # " of the" is there six times, and no pair of tokens is there more often
    text = "\n".join(["end of the day", "top of the list"] * 3 + ["a b c 1 2"])
    within = train_tokenizer("bpe:262", text)
    tokenizer = train_tokenizer("bpe:263", text, superwords="262")
    assert tokenizer.vocab_size == 263
    assert [tokenizer.token_bytes(i) for i in range(262)] == [
        within.token_bytes(i) for i in range(262)
    ]
    made = tokenizer.token_bytes(262)
    assert made == b" of the"
    assert 262 in tokenizer.encode("end of the day")


def test_superwords_stay_within_lines_and_out_of_numbers():
    rng = random.Random(0)
    words = [
        "to",
        "be",
        "or",
        "not",
        "in",
        "the",
        "end",
        "of",
        "7",
        "days",
        "12",
        "kings",
        "came\n",
    ]
    text = " ".join(rng.choices(words, k=8000))
    tokenizer = train_tokenizer("bpe:400", text, superwords="280")
    made = [tokenizer.token_bytes(i) for i in range(280, 400)]
    assert not any(b"\n" in token or any(c in token for c in b"0123456789") for token in made)
    assert sum(b" " in token.strip() for token in made) > 30
    fewer = len(tokenizer.encode(text)), len(train_tokenizer("bpe:280", text).encode(text))
    assert fewer[0] < fewer[1] * 0.9


def test_a_merge_that_gives_a_known_token_makes_no_id():
    from gptkit_tokenizers.byte import ByteTokenizer
    from gptkit_tokenizers.superwords import SuperwordTokenizer

    # "abc" from ab + c, and from a + bc
    tokenizer = SuperwordTokenizer(
        "x", ByteTokenizer(), [(97, 98), (256, 99), (98, 99), (97, 258), (257, 100)]
    )
    assert [tokenizer.token_bytes(i) for i in range(256, tokenizer.vocab_size)] == [
        *(b"ab", b"abc", b"bc", b"abcd")
    ]
    assert tokenizer.encode("abcd") == [259]


# --- case


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="aAbBßÉéİıΣσςКкǅ \n1-\ufdd0\ufdd1\u0301Ⓐ") | st.text())
def test_capitals_come_back(kinds, text):
    tokenizer = kinds["bpe:400:case=factored"]
    ids = tokenizer.encode_array(text)
    assert audit(tokenizer, text, ids) == len(text.encode())


def test_a_word_has_the_same_tokens_in_small_letters_and_capitals(prose):
    tokenizer = train_tokenizer("bpe:400", prose, case="factored")
    one, every = 398, 399
    small = tokenizer.encode("to be\n")
    assert tokenizer.encode("To be\n") == [one, *small]
    assert tokenizer.encode("TO be\n") == [every, *small]
    assert [tokenizer.token_text(i) for i in (one, every)] == ["⇧", "⇪"]
    assert tokenizer.decode([one, *tokenizer.encode("...")]) == "..."  # nothing to make a capital
    assert tokenizer.decode([one, every, *tokenizer.encode("be")]) == "BE"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("bpe:300:case=yes", "case is 'yes'; it must be factored"),
        ("unigram:300:case=factored", "only bpe:N has them"),
        ("wordpiece:300:superwords=280", "only bpe:N has them"),
        ("bpe:300:superwords=300", r"from 256 to 299"),
        ("bpe:300:superwords=255", r"from 256 to 299"),
        ("bpe:300:superwords=many", r"it must be the number of ids"),
        ("bpe:300:split=none:superwords=280", "split=none has no words"),
        ("bpe:257:case=factored", r"Give bpe:258 or more"),
        ("bpe:9000:superwords=280", r"cannot be filled: the text has [\d,]+ merges across words"),
        ("bpe:9000:superwords=900", r"Give superwords=\d\d\d or less"),
        ("bpe:300:split=none:digits=2", "digits needs a split that separates digits"),
        ("bpe:300:foo=1", r"bpe:300:foo=1 has no option 'foo=1'.\nThere are: split=…, digits=…"),
        ("bpe:300:case", "has no option 'case'"),
        ("bpe:300:split=words", "there is no split 'words'. There are: gpt2, "),
    ],
)
def test_an_option_that_cannot_be_is_refused(spec, says):
    text = "To be or not to be, that is the question: whether 'tis nobler in the mind to suffer\n"
    with pytest.raises(TokenizerError, match=says):
        get_tokenizer(spec, text * 9)
