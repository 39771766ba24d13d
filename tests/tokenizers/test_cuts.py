"""Where a text may be cut: what is proved, what is not, and that the ids stay the same."""

import io
import json
import re

import pytest
import regex
import sentencepiece
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.bytelevel import CHAR_OF
from gptkit_tokenizers.chunking import cut_text
from gptkit_tokenizers.cuts import json_cuts, next_space, next_word, pattern_cuts
from gptkit_tokenizers.pattern_cuts import stays_within_words
from gptkit_tokenizers.word_cache import WordCache
from gptkit_tokenizers.word_patterns import LEARNED_PATTERNS, PATTERNS

# three parts of the pre-tokeniser of DeepSeek V3, from its tokenizer.json
DEEPSEEK = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
PROVED = {*PATTERNS.values(), *LEARNED_PATTERNS.values(), *DEEPSEEK}
PROVED |= {r"\s++$|\p{L}+", r"[^\S\r]+x"}
PROVED -= {LEARNED_PATTERNS["none"]}
NOT_PROVED = (
    LEARNED_PATTERNS["none"],
    r"\S+ \S+",
    r".+",
    r"[^a]+",
    r"a\s",
    r"(a| )+",
    r"(?:a ?)+",
    r"a?( )",
    r"\p{L}+(?!x)",  # sees the character after the cut
    r"\p{L}+$",
    r"\p{L}+(?=\s)",
    r"(?<=a) b",
    r"\bfoo",
    r"^ ",
    r"\P{L}+",
    r"a\p{Z}+",
    r"[\p{L}\s]+",
    r"[!-z ]+",
    r"[\p{L}&&[a-z]] ?",
    r"[[a]b] c",
    r"(a)\1",
    r"\s+(?!\S\S)",  # looks further than one character
    r"(",
)
WORDS = "a be naïve Wort 日本 привет 1 12345 ! ?! 's 'LL é \u0301 ▁ <b>"
BLANKS = (" ", "  ", "\n", "\n\n", "\r\n", "\t", "\u3000", "\xa0", "x y")
pieces = st.sampled_from([*WORDS.split(" "), *BLANKS])
texts = st.lists(pieces, max_size=40).map("".join)
ODD_BLANKS = "be▁ be  be\n\n be\u3000 be\n be\xa0 be or be or"


@pytest.mark.parametrize("pattern", sorted(PROVED))
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_matches_are_the_same_in_pieces_where_it_is_proved(pattern, text):
    assert stays_within_words(pattern)
    cut = pattern_cuts(pattern)
    whole = [match[0] for match in regex.finditer(pattern, text)]
    parts = [m[0] for part in cut_text(text, cut, 1) for m in regex.finditer(pattern, part)]
    assert parts == whole


@pytest.mark.parametrize("pattern", NOT_PROVED)
def test_what_is_not_proved_is_not_cut(pattern):
    assert pattern_cuts(pattern) is None


def test_a_cut_is_between_a_word_and_a_space_before_a_letter():
    text = "to 1 - \nbe  or\tnot ▁ that is"
    assert list(cut_text(text, next_space, 1)) == ["to 1 - \nbe  or\tnot ▁ that", " is"]
    assert list(cut_text("to\nbe\n\nor", next_word, 1)) == ["to\n", "be\n\nor"]
    assert next_space("to be", 3) == 5


def bpe(normalizer=None, pre_tokenizer=None, *, bytes_=True, tokens=(), **model):
    made = tokenizers.Tokenizer(models.BPE(unk_token=None if bytes_ else "<unk>", **model))
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizer
    alphabet = sorted(CHAR_OF.values()) if bytes_ else sorted(set("abceïvdfghijklmnopr ▁\n'12"))
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + 60,
        initial_alphabet=alphabet,
        special_tokens=[] if bytes_ else ["<unk>"],
        show_progress=False,
    )
    made.train_from_iterator(["a be naïve Wort привет 12345 x y to be or not to be " * 20], trainer)
    made.add_tokens([*tokens])
    return made


GPT2_WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
SPACES = normalizers.Replace(" ", "▁")


def split(pattern, behavior="isolated", **options):
    return pre_tokenizers.Split(Regex(pattern), behavior, **options)


def many(*parts):
    return pre_tokenizers.Sequence(list(parts))


SAFE = {
    "ByteLevel": bpe(None, GPT2_WORDS),
    "NFC": bpe(normalizers.NFC(), GPT2_WORDS, tokens=["<b>"]),
    "OpenAI": bpe(None, many(split(PATTERNS["llama3"]), BYTES)),
    "o200k": bpe(None, many(split(LEARNED_PATTERNS["o200k"], "removed", invert=True), BYTES)),
    "DeepSeek": bpe(None, many(*map(split, DEEPSEEK), BYTES)),
    "a sign that is no space": bpe(None, GPT2_WORDS, tokens=["<a▁b>"]),
    "digits": bpe(None, many(pre_tokenizers.Digits(True), GPT2_WORDS)),
    "fixed length": bpe(None, many(GPT2_WORDS, pre_tokenizers.FixedLength(3))),
    "Metaspace": bpe(None, pre_tokenizers.Metaspace(prepend_scheme="never"), bytes_=False),
    "BERT": bpe(
        normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), bytes_=False
    ),
}  # fmt: skip
UNSAFE = {
    "no words": bpe(None, BYTES),
    "words of a pattern that crosses": bpe(None, many(split(r"\S+ \S+|\s+"), BYTES)),
    "gaps between matches": bpe(None, many(split(r"\p{N}{1,3}"), BYTES)),
    "merged with the next": bpe(None, split(r"\s+", "merged_with_next")),
    "fixed length first": bpe(None, many(pre_tokenizers.FixedLength(5), GPT2_WORDS)),
    "bytes first": bpe(None, many(BYTES, split(PATTERNS["gpt2"]))),
    "strips": bpe(normalizers.Strip(), GPT2_WORDS),
    "replaces by a pattern": bpe(normalizers.Replace(Regex(r"e b"), "x"), GPT2_WORDS),
    "a token with a space": bpe(None, GPT2_WORDS, tokens=["x y"]),
    "spaces are another sign": bpe(normalizers.Replace(" ", "_"), GPT2_WORDS),
    "tokens across spaces": bpe(SPACES, None, bytes_=False),
}


@pytest.mark.parametrize("kind", SAFE)
@settings(max_examples=60, deadline=None)
@given(text=texts)
@example(text=ODD_BLANKS)
def test_ids_are_the_same_in_pieces_where_it_is_proved(kind, text):
    tokenizer = get_tokenizer(SAFE[kind])
    cut = tokenizer._pieces.next_cut
    assert cut is not None
    whole = tokenizer.encode(text)
    assert [i for part in cut_text(text, cut, 1) for i in tokenizer.encode(part)] == whole
    assert by_words(tokenizer, text) == [whole, whole]


def by_words(tokenizer, text):
    """Return the ids by a table of words: at first, and when it knows them."""
    line_breaks = tokenizer._pieces.next_cut is next_word
    cache = WordCache(tokenizer, tokenizer._encode_piece, line_breaks=line_breaks)
    return [cache.encode(text).tolist() for _ in range(2)]


@pytest.mark.parametrize("kind", UNSAFE)
def test_a_text_stays_whole_where_it_is_not_proved(kind):
    assert get_tokenizer(UNSAFE[kind])._pieces.next_cut is None


def without_words(extra=(), **model):
    """As Gemma's: spaces become ▁, and a whole text is one word."""
    tokens = ["<unk>", "▁", "\n", *"abcdeïvnor1", "be", "▁be", "▁▁", "or", *extra]
    merges = [("b", "e"), ("▁", "be"), ("▁", "▁"), ("o", "r")]
    merges += [(token[0], token[1:]) for token in extra if token[1:] in tokens]
    made = tokenizers.Tokenizer(
        models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", **model)
    )
    made.normalizer = SPACES
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return get_tokenizer(made)


def test_a_special_token_is_ordinary_text():
    made = bpe(None, GPT2_WORDS)
    made.add_special_tokens(["x y"])
    assert get_tokenizer(made)._pieces.next_cut is next_word


@settings(max_examples=60, deadline=None)
@given(text=texts)
@example(text=ODD_BLANKS)
def test_a_model_without_words_is_cut_where_no_token_crosses(text):
    tokenizer = without_words()
    cut = tokenizer._pieces.next_cut
    assert cut is next_word
    whole = tokenizer.encode(text)
    assert [i for part in cut_text(text, cut, 1) for i in tokenizer.encode(part)] == whole
    assert by_words(tokenizer, text) == [whole, whole]


def test_a_model_without_words_is_not_cut_through_a_token():
    assert without_words(["\n▁"])._pieces.next_cut is next_word  # a blank before the space
    assert without_words(["\na"])._pieces.next_cut is next_space
    assert without_words(["e▁"])._pieces.next_cut is None
    assert without_words(["e▁b"])._pieces.next_cut is None
    assert without_words(["e▁1"])._pieces.next_cut is next_word  # a cut is before a letter
    assert without_words(ignore_merges=True)._pieces.next_cut is None
    assert json_cuts({"normalizer": None, "model": {"type": "Unigram"}}, lambda: ["▁"]) is None


LINE = "to be or not to be, that is the question\n"


def trained(model_type, **options):
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([LINE] * 50 + ["naïve 12 x y"]),
        model_writer=buffer,
        model_type=model_type,
        vocab_size=280,
        **{"byte_fallback": True, "minloglevel": 2, **options},
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=buffer.getvalue())
    return get_tokenizer(processor)


PLAIN = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}


@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_a_plain_sentencepiece_model_gives_the_same_ids_in_pieces(text, plain_model):
    cut = plain_model._pieces.next_cut
    assert cut is next_word
    whole = plain_model.encode(text)
    assert [i for part in cut_text(text, cut, 1) for i in plain_model.encode(part)] == whole
    assert by_words(plain_model, text) == [whole, whole]


@pytest.fixture(scope="module")
def plain_model():
    return trained("bpe", **PLAIN)


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("bpe", {**PLAIN, "remove_extra_whitespaces": True}),
        ("bpe", {**PLAIN, "normalization_rule_name": "nfkc"}),
        ("bpe", {**PLAIN, "user_defined_symbols": ["to▁be"]}),
        ("bpe", {**PLAIN, "treat_whitespace_as_suffix": True}),
        ("unigram", PLAIN),
    ],
)
def test_another_sentencepiece_model_is_not_cut(model_type, options):
    assert trained(model_type, **options)._pieces.next_cut is None


@pytest.mark.parametrize("kind", ["json", "model", "ranks"])
def test_a_library_gets_no_more_than_a_piece_at_a_time(kind, monkeypatch, plain_model):
    text = LINE * 300
    given = {"json": SAFE["ByteLevel"], "model": plain_model, "ranks": "gpt2"}[kind]
    tokenizer = get_tokenizer(given)
    whole = tokenizer.encode(text)
    lengths, encode = [], tokenizer._pieces._encode

    def noted(piece):
        lengths.append(len(piece))
        return encode(piece)

    monkeypatch.setattr(tokenizer._pieces, "_chunk", 1000)
    monkeypatch.setattr(tokenizer._pieces, "_encode", noted)
    assert tokenizer.encode_array(text).tolist() == whole
    assert max(lengths) <= 1000 + len(LINE)


def test_a_record_says_nothing_of_cuts():
    record = json.dumps(get_tokenizer(SAFE["NFC"]).to_dict())
    assert not re.search("cut", record)
