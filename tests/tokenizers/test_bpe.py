"""GPT-2's BPE, from the shipped table; pieces; the other encodings' offline error."""

from base64 import b64encode
from functools import cache
from itertools import pairwise

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

import gptkit_tokenizers.bpe as bpe
from gptkit_tokenizers import TokenizerError, get_tokenizer
from gptkit_tokenizers.bytelevel import CHAR_OF
from gptkit_tokenizers.chunking import encode_in_chunks
from gptkit_tokenizers.cuts import next_word


def test_golden_ids():
    # OpenAI's GPT-2 encoder.py and the Hugging Face GPT2Tokenizer both give these.
    assert get_tokenizer("gpt2").encode("Hello, world!") == [15496, 11, 995, 0]
    assert get_tokenizer("gpt2").vocab_size == 50257


# llama.cpp, models/ggml-vocab-gpt-2.gguf.inp and .out; tiktoken, tests/test_encoding.py
PUBLISHED_IDS = {
    "ied 4 ½ months": [798, 604, 25208, 1933],
    "Führer": [37, 9116, 71, 11751],
    "": [],
    " ": [220],
    "  ": [220, 220],
    "   ": [220, 220, 220],
    "\t": [197],
    "\n": [198],
    "\n\n": [628],
    "\n\n\n": [628, 198],
    "\t\n": [197, 198],
    " Hello, world!": [18435, 11, 995, 0],
    " this is 🦙.cpp": [428, 318, 12520, 99, 247, 13, 20322],
    "w048 7tuijk dsdfhu": [86, 47202, 767, 28047, 45961, 288, 82, 7568, 13415],
    "нещо на Български": [
        *(22177, 16843, 141, 231, 15166, 12466, 121, 16142, 12466, 239, 141, 232, 30143, 140),
        *(111, 16142, 21169, 21727, 31583, 18849),
    ],
    "    Hello\n    Hello": [220, 220, 220, 18435, 198, 220, 220, 220, 18435],
    "\n =": [198, 796],
    "' era": [6, 6980],
    "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～": [
        *(15496, 11, 331, 6, 439, 0, 1374, 389, 345, 30325, 223, 5633, 22755, 239, 46349, 111),
        *(28839, 101, 18040, 32432, 98, 43291, 1485, 1415, 24309, 25465, 171, 121, 252),
    ],
    "3": [18],
    "33": [2091],
    "333": [20370],
    "3333": [24840],
    "33333": [2091, 20370],
    "333333": [24840, 2091],
    "3333333": [24840, 20370],
    "33333333": [24840, 24840],
    "333333333": [24840, 2091, 20370],
    "0" * 16: [25645],
    "0" * 17: [8269, 10535, 830],
}


@pytest.fixture(scope="module")
def gpt2_in_every_form(tmp_path_factory):
    """GPT-2's tokenizer as its name, as a table of ranks, and as a tokenizer.json."""
    folder = tmp_path_factory.mktemp("gpt2")
    ranks = bpe.shipped_ranks()
    table = folder / "r50k_base.tiktoken"
    table.write_bytes(b"".join(b"%s %d\n" % (b64encode(t), i) for t, i in ranks.items()))
    spelled = {"".join(CHAR_OF[b] for b in token): rank for token, rank in ranks.items()}
    merges = []
    for token in list(ranks)[256:]:
        parts = tiktoken_parts(ranks, token)
        merges.append(tuple("".join(CHAR_OF[b] for b in part) for part in parts))
    made = tokenizers.Tokenizer(tokenizers.models.BPE(spelled, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(folder / "tokenizer.json"))
    return [get_tokenizer(s) for s in ("gpt2", str(table), str(folder / "tokenizer.json"))]


def tiktoken_parts(ranks, token):
    """Return the two tokens that are merged to this one: what lower ranks alone leave of it."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        pairs = [a + b for a, b in pairwise(parts)]
        at = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
        parts[at : at + 2] = [pairs[at]]
    return parts


@pytest.mark.parametrize("text", PUBLISHED_IDS)
def test_published_ids(text, gpt2_in_every_form):
    for tokenizer in gpt2_in_every_form:
        assert tokenizer.encode(text) == PUBLISHED_IDS[text], tokenizer.name
        assert tokenizer.encode_array(text).tolist() == PUBLISHED_IDS[text], tokenizer.name


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
