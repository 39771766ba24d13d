"""GPT-2's BPE, from the shipped table; pieces; the other encodings' offline error."""

from functools import cache

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

import gptkit_tokenizers.bpe as bpe
from gptkit_tokenizers import TokenizerError, get_tokenizer
from gptkit_tokenizers.chunking import encode_in_chunks, next_word


def test_golden_ids():
    # OpenAI's GPT-2 encoder.py and the Hugging Face GPT2Tokenizer both give these.
    assert get_tokenizer("gpt2").encode("Hello, world!") == [15496, 11, 995, 0]
    assert get_tokenizer("gpt2").vocab_size == 50257


@pytest.mark.corpus
def test_published_token_counts(shakespeare_folder):
    # nanoGPT, data/shakespeare/readme.md and data/shakespeare_char/readme.md.
    text = (shakespeare_folder / "tinyshakespeare.txt").read_text()
    cut = int(0.9 * len(text))
    counts = {
        spec: [len(get_tokenizer(spec, text).encode_array(t)) for t in (text[:cut], text[cut:])]
        for spec in ("gpt2", "char")
    }
    assert counts == {"gpt2": [301_966, 36_059], "char": [1_003_854, 111_540]}


def test_special_tokens_are_ordinary_text():
    ids = get_tokenizer("gpt2").encode("<|endoftext|>")
    assert 50256 not in ids
    assert get_tokenizer("gpt2").token_bytes(50256) == b"<|endoftext|>"


def test_a_changed_rank_table_is_refused(monkeypatch):
    monkeypatch.setattr(bpe, "RANKS_SHA256", "0" * 64)
    with pytest.raises(TokenizerError, match="not GPT-2's rank table"):
        bpe.shipped_ranks()


def test_without_network_the_error_says_which_file_to_put_where(tmp_path):
    url = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
    with pytest.raises(TokenizerError) as error:
        get_tokenizer("cl100k_base")
    # The name is tiktoken's: the sha1 of the URL.
    assert url in str(error.value)
    assert "9b5ad71b2ce5302211f9c61530b329a4922fc6a4" in str(error.value)
    assert "TIKTOKEN_CACHE_DIR" in str(error.value)


@cache
def encodings():
    """OpenAI's patterns by encoding, over GPT-2's ranks: the others' need the network."""
    with pytest.MonkeyPatch.context() as patch:
        for loader in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
            patch.setattr(openai_public, loader, lambda *args, **kwargs: {})
        made = {name: make() for name, make in openai_public.ENCODING_CONSTRUCTORS.items()}
    ranks = bpe.shipped_ranks()
    return {
        name: tiktoken.Encoding(
            name, pat_str=parts["pat_str"], mergeable_ranks=ranks, special_tokens={}
        )
        for name, parts in made.items()
    }


SCRIPTS = ["да", "ή", "होना", "것이", "أكون", "生存。", "½", "²x"]
words = st.sampled_from(
    [
        "the",
        "a",
        "x's",
        "I'LL",
        "é",
        "日本",
        "12",
        "1,000",
        "--",
        "!?",
        "\n",
        "\n\n",
        "\t",
        "  ",
        *SCRIPTS,
    ]
)
spaced = st.lists(st.tuples(words, st.sampled_from([" ", "", "  ", "\n", " \n"])), max_size=40)


@settings(max_examples=100, deadline=None)
@given(parts=spaced)
def test_pieces_cut_no_token_under_any_of_openais_patterns(parts):
    text = "".join(word + gap for word, gap in parts)
    assert len(encodings()) >= 7
    for name, encoding in encodings().items():

        def encode(text, encoding=encoding):
            return encoding.encode_to_numpy(text, disallowed_special=())

        whole = encode(text)
        pieces = encode_in_chunks(text, encode, next_cut=next_word, chunk=1)
        assert pieces.tolist() == whole.tolist(), name


@pytest.mark.parametrize("word", SCRIPTS[:6])
def test_every_script_is_cut_soon(word):
    line = word * 20 + "\n" if word == "生存。" else (word + " ") * 20
    assert next_word(line * 50, 1000) < 1000 + 2 * len(line)


@pytest.mark.parametrize("spec", ["char", "gpt2", "char+bytes"])
def test_a_large_text_has_the_same_ids_in_pieces(spec, monkeypatch):
    text = "To be, or not to be: that is the question.\n  Whether 'tis nobler " * 300
    tokenizer = get_tokenizer(spec, text=text)
    whole = tokenizer.encode_array(text)
    monkeypatch.setattr("gptkit_tokenizers.chunking.CHUNK_CHARS", 1000)
    assert tokenizer.encode_array(text).tolist() == whole.tolist()


def test_an_error_in_a_piece_names_the_index_in_the_whole_text(monkeypatch):
    tokenizer = get_tokenizer("char", text="ab")
    monkeypatch.setattr("gptkit_tokenizers.chunking.CHUNK_CHARS", 10)
    with pytest.raises(TokenizerError, match="at index 95"):
        tokenizer.encode("a" * 95 + "c" + "b" * 20)
