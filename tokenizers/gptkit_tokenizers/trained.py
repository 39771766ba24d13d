"""Learn vocabularies from a training text: `bpe:N`, `unigram:N`, `wordpiece:N`.

Hugging Face's trainers learn them on bytes. Every vocabulary has the 256 bytes, no normaliser and
no unknown token, so it spells any text exactly. Words are those of GPT-2, with a space at their
front. tiktoken then encodes `bpe:N`. WordPiece needs no "##" inside words, because a byte-level
word begins with its space.

A learned vocabulary is cached by the text's hash and the library's version. Byte-pair vocabularies
of one text are nested: a smaller one is the start of a larger one, so it is cut from it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any

from gptkit_tokenizers.base import MAX_VOCAB_SIZE, JsonObject, Tokenizer, TokenizerError
from gptkit_tokenizers.bpe import TiktokenTokenizer, ranks_from_json
from gptkit_tokenizers.bytelevel import CHAR_OF, spell
from gptkit_tokenizers.chunking import cut_text
from gptkit_tokenizers.cuts import next_word
from gptkit_tokenizers.huggingface import HuggingFaceTokenizer
from gptkit_tokenizers.spec import parse_spec
from gptkit_tokenizers.vocabulary_cache import cache_path, keep, read_cached
from gptkit_tokenizers.word_patterns import GPT2, learned_pattern

N_BYTES = 256  # every vocabulary begins with the single bytes
MAX_WORD_BYTES = {"bpe": 1000, "wordpiece": 100}  # the trainer's time grows with its square
TRAINER_CHUNK_CHARS = 1_000_000  # characters given to the trainer at a time
KINDS = ("bpe", "unigram", "wordpiece")
OPTIONS = ("split", "digits", "case", "superwords")


def train_tokenizer(
    spec: str,
    text: str,
    *,
    split: str | None = None,
    digits: str | None = None,
    case: str | None = None,
    superwords: str | None = None,
) -> Tokenizer:
    """Learn the tokenizer `KIND:N` from a text, or load it from the cache.

    The same text gives the same vocabulary.

    Args:
        split: how text is cut into words, see `word_patterns.learned_pattern`; None for GPT-2's.
        digits: the most digits in a word; None for the split's own.
        case: "factored" for capitals as marks of their own, see `case_factoring`; of `bpe` alone.
        superwords: how many of the N ids are learned within words; the others are learned across
            them, see `superwords`. None for all of them. Of `bpe` alone.

    Raises:
        TokenizerError: an option has another value; N is not a number, is below 256, or is larger
            than the text can fill.

    >>> train_tokenizer("bpe:258", "to be or not to be").encode("to be")
    [257, 220, 256]
    """
    kind, n = parse(spec)
    pattern = None if split is digits is None else learned_pattern(split or "gpt2", digits)
    if kind != "bpe" and not case is superwords is None:
        raise TokenizerError(f"{spec} has no case and no superwords: only bpe:N has them.")
    if case not in (None, "factored"):
        raise TokenizerError(f"case is {case!r}; it must be factored, or be left out.")
    if kind != "bpe":
        return _train_other(kind, n, text, pattern)
    if split == "none" and superwords is not None:
        raise TokenizerError(
            f"{spec} has superwords across words, but split=none has no words. Leave out one."
        )
    within = n if superwords is None else _parse_superwords(spec, n, superwords)
    size_option = "bpe:" if superwords is None else "superwords="
    if case is None:
        ranks = learn_ranks(text, within, pattern, size_option=size_option)
        first: Tokenizer = TiktokenTokenizer(spec, ranks, pattern=pattern or GPT2)
    else:
        from gptkit_tokenizers.case_factoring import (
            N_MARKS,
            CaseFactoredTokenizer,
            in_small_letters,
        )

        small = in_small_letters(text)
        n_ranks = within - N_MARKS
        ranks = learn_ranks(small, n_ranks, pattern, size_option=size_option, more=N_MARKS)
        first = CaseFactoredTokenizer(spec, ranks, pattern=pattern or GPT2)
    return first if superwords is None else _add_superwords(spec, first, text, n, pattern)


def is_learned(spec: str) -> bool:
    """Return whether a spec names a vocabulary that is learned from the text.

    >>> is_learned("mine=unigram:512"), is_learned("gpt2")
    (True, False)
    """
    return parse_spec(spec).base.partition(":")[0] in KINDS


def learned_size(spec: Any) -> int:
    """Return the number of ids of a `bpe:N`, and 0 for anything else.

    Learn the largest first: the others are cut from it.

    >>> learned_size("small=bpe:512:digits=2"), learned_size("gpt2")
    (512, 0)
    """
    found = re.search(r"(?:^|=)bpe:(\d+)", spec) if isinstance(spec, str) else None
    return int(found[1]) if found else 0


def learn_ranks(
    text: str, n: int, pattern: str | None, *, size_option: str = "bpe:", more: int = 0
) -> dict[bytes, int]:
    """Learn the ranks of n tokens, or cut them from a larger vocabulary of the same text.

    Args:
        pattern: a regular expression for words; None for GPT-2's.
        size_option: how the size is spelled in a spec, for messages.
        more: ids that the tokenizer has beside these.
    """
    if n < N_BYTES:
        raise TokenizerError(
            f"{size_option}{n + more} is too small: {N_BYTES} bytes and {more} marks for capitals "
            f"are {N_BYTES + more} ids.\nGive {size_option}{N_BYTES + more} or more."
        )
    path = cache_path("bpe", text, [pattern])
    known = read_cached(path) or {}
    tokens = known.get("tokens", [])
    if len(tokens) < n and not known.get("complete"):
        saved = _train("bpe", n, text, pattern)
        by_id = sorted((i, token) for token, i in saved["model"]["vocab"].items())
        tokens = [b64encode(spell(token)).decode() for _, token in by_id]
        keep(path, {"tokens": tokens, "complete": len(tokens) < n})
    if len(tokens) < n:
        raise _cannot_be_filled(size_option, n + more, len(tokens), more)
    return ranks_from_json(tokens[:n])


def _cannot_be_filled(size_option: str, n: int, size: int, more: int = 0) -> TokenizerError:
    return TokenizerError(
        f"{size_option}{n} cannot be filled: the text has {size - N_BYTES:,} merges or pieces "
        f"beyond its {N_BYTES} bytes.\n"
        f"Give {size_option}{size + more} or less, or a longer text."
    )


def _parse_superwords(spec: str, n: int, superwords: str) -> int:
    if not (superwords.isascii() and superwords.isdigit() and N_BYTES <= int(superwords) < n):
        raise TokenizerError(
            f"superwords is {superwords!r} in {spec}; it must be the number of ids that are "
            f"learned within words, from {N_BYTES} to {n - 1}."
        )
    return int(superwords)


def _add_superwords(
    spec: str, first: Tokenizer, text: str, n: int, pattern: str | None
) -> Tokenizer:
    from gptkit_tokenizers.superwords import SuperwordTokenizer, learn_superwords

    kind = "bpe-superwords" if first.context_free else "bpe-case-superwords"
    path = cache_path(kind, text, [pattern, str(first.vocab_size), str(n)])
    known = read_cached(path)
    merges = known["merges"] if known else learn_superwords(first, text, n - first.vocab_size)
    if not known:
        keep(path, {"merges": merges})
    tokenizer = SuperwordTokenizer(spec, first, merges)
    if tokenizer.vocab_size < n:
        raise TokenizerError(
            f"{spec} cannot be filled: the text has {tokenizer.vocab_size - first.vocab_size:,} "
            f"merges across words.\nGive bpe:{tokenizer.vocab_size} or less, or a longer text."
        )
    return tokenizer


def _train_other(kind: str, n: int, text: str, pattern: str | None) -> Tokenizer:
    spec = f"{kind}:{n}"
    path = cache_path(f"{kind}-{n}", text, [pattern])
    known = read_cached(path)
    if known is None or known.get("name") != spec:
        saved = _train(kind, n, text, pattern)
        size = len(saved["model"]["vocab"])
        if size < n:
            raise _cannot_be_filled(f"{kind}:", n, size)
        content = json.dumps(saved, ensure_ascii=False).encode()
        known = HuggingFaceTokenizer(spec, content).to_dict()
        keep(path, known)
    return HuggingFaceTokenizer.from_dict(known)


def parse(spec: str) -> tuple[str, int]:
    """Split a spec into kind and size. Raises TokenizerError for an invalid size.

    >>> parse("bpe:1024")
    ('bpe', 1024)
    """
    kind, _, size = spec.partition(":")
    if found := re.fullmatch(r"\d+:(.*)", size):
        raise TokenizerError(
            f"{spec} has no option {found[1]!r}.\nThere are: "
            f"{', '.join(f'{option}=…' for option in OPTIONS)}."
        )
    if not (size.isascii() and size.isdigit() and str(int(size)) == size):
        raise TokenizerError(f"{size!r} in {spec} is not a vocabulary size. Give one: {kind}:1024.")
    if int(size) < N_BYTES:
        raise TokenizerError(
            f"{spec} is too small: the {N_BYTES} bytes alone, which make it spell any text, are "
            f"{N_BYTES} ids.\nGive {kind}:{N_BYTES} or more."
        )
    if int(size) > MAX_VOCAB_SIZE:
        raise TokenizerError(
            f"{spec} is too large: a vocabulary has at most {MAX_VOCAB_SIZE:,} ids.\n"
            f"Give {kind}:{MAX_VOCAB_SIZE} or less."
        )
    return kind, int(size)


def _train(kind: str, n: int, text: str, pattern: str | None) -> JsonObject:
    """Train with the library, and return its JSON."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer: Tokenizer
    trainer: Any
    words: list[Any] = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)]
    if pattern is not None:
        words.insert(0, pre_tokenizers.Split(Regex(pattern), "isolated"))
    options: JsonObject = {
        "vocab_size": n,
        "initial_alphabet": sorted(CHAR_OF.values()),
        "show_progress": False,
    }
    if kind == "bpe":
        words.append(pre_tokenizers.FixedLength(MAX_WORD_BYTES[kind]))
        tokenizer, trainer = Tokenizer(models.BPE()), trainers.BpeTrainer(**options)
    elif kind == "unigram":
        tokenizer, trainer = Tokenizer(models.Unigram()), trainers.UnigramTrainer(**options)
    else:
        model = models.WordPiece(
            unk_token="",
            continuing_subword_prefix="",
            max_input_chars_per_word=MAX_WORD_BYTES[kind],
        )
        words.append(pre_tokenizers.FixedLength(MAX_WORD_BYTES[kind]))
        tokenizer = Tokenizer(model)
        trainer = trainers.WordPieceTrainer(**options, continuing_subword_prefix="")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
    tokenizer.train_from_iterator(cut_text(text, next_word, TRAINER_CHUNK_CHARS), trainer)
    saved = json.loads(tokenizer.to_str())
    if kind == "unigram":
        saved["model"]["vocab"] = _canonical_vocab(saved["model"]["vocab"], n)
    return saved


def _canonical_vocab(vocab: list[list[Any]], n: int) -> list[list[Any]]:
    """Remove from a unigram vocabulary what differs between trainings, and cut it to n pieces.

    The trainer sums in the random order of a hash table, so the last digits of scores differ.
    Unused single bytes get the lowest score plus 0.0001 times their place in that order. The
    trainer can also return more than n pieces.
    """
    lowest = round(min(score for _, score in vocab), 6)
    unused = lowest + N_BYTES * 0.0001
    canonical = [
        [piece, lowest if len(piece) == 1 and score <= unused else round(score, 6)]
        for piece, score in vocab
    ]
    canonical.sort(key=lambda entry: (-entry[1], entry[0]))
    spare = {piece for piece, _ in [e for e in canonical if len(e[0]) > 1][max(0, n - N_BYTES) :]}
    return [entry for entry in canonical if entry[0] not in spare]
