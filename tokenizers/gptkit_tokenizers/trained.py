"""Learn vocabularies from a training text: `bpe:N`, `unigram:N`, `wordpiece:N`.

Hugging Face's trainers learn them on bytes. Every vocabulary has the 256 bytes, no normaliser and
no unknown token, so it spells any text exactly. Words are those of GPT-2, with a space at their
front. tiktoken then encodes `bpe:N`. WordPiece needs no "##" inside words, because a byte-level
word begins with its space.

A learned vocabulary is cached by the text's hash, the spec and the library's version.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, utf8
from gptkit_tokenizers.bpe import TiktokenTokenizer
from gptkit_tokenizers.bytelevel import CHAR_OF, spell
from gptkit_tokenizers.chunking import next_word
from gptkit_tokenizers.huggingface import HuggingFaceTokenizer
from gptkit_tokenizers.word_patterns import GPT2, learned_pattern

N_BYTES = 256  # every vocabulary begins with the single bytes
MAX_WORD_BYTES = {"bpe": 1000, "wordpiece": 100}  # the trainer's time grows with its square
TRAINER_CHUNK_CHARS = 1_000_000  # characters given to the trainer at a time


def train_tokenizer(
    spec: str, text: str, *, split: str | None = None, digits: str | None = None
) -> Tokenizer:
    """Learn the tokenizer `KIND:N` from a text, or load it from the cache.

    The same text gives the same vocabulary.

    Args:
        split: how text is cut into words, see `word_patterns.learned_pattern`; None for GPT-2's.
        digits: the most digits in a word; None for the split's own.

    Raises:
        TokenizerError: N is not a number, is below 256, or is larger than the text can fill.

    >>> train_tokenizer("bpe:258", "to be or not to be").encode("to be")
    [257, 220, 256]
    """
    kind, n = parse(spec)
    pattern = None if split is digits is None else learned_pattern(split or "gpt2", digits)
    cache = _cache_path(spec, text, pattern)
    data = _cached(cache, spec)
    if data is None:
        saved = _train(kind, n, text, pattern)
        size = len(saved["model"]["vocab"])
        if size < n:
            raise TokenizerError(
                f"{spec} cannot be filled: the text has {size - N_BYTES:,} merges or pieces beyond "
                f"its {N_BYTES} bytes.\nGive {kind}:{size} or less, or a longer text."
            )
        data = {"name": spec, "cuts_known": True, "huggingface": saved}
        if kind == "bpe":
            ranks = {spell(token): rank for token, rank in saved["model"]["vocab"].items()}
            data = TiktokenTokenizer(spec, ranks, pattern=pattern or GPT2).to_dict()
        _keep(cache, data)
    return (TiktokenTokenizer if kind == "bpe" else HuggingFaceTokenizer).from_dict(data)


def parse(spec: str) -> tuple[str, int]:
    """Split a spec into kind and size. Raises TokenizerError for an invalid size.

    >>> parse("bpe:1024")
    ('bpe', 1024)
    """
    kind, _, size = spec.partition(":")
    if not (size.isascii() and size.isdigit() and str(int(size)) == size):
        raise TokenizerError(f"{size!r} in {spec} is not a vocabulary size. Give one: {kind}:1024.")
    if int(size) < N_BYTES:
        raise TokenizerError(
            f"{spec} is too small: the {N_BYTES} bytes alone, which make it spell any text, are "
            f"{N_BYTES} ids.\nGive {kind}:{N_BYTES} or more."
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
    tokenizer.train_from_iterator(_pieces(text), trainer)
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


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = (
            next_word(text, start + TRAINER_CHUNK_CHARS)
            if start + TRAINER_CHUNK_CHARS < len(text)
            else len(text)
        )
        yield text[start:end]
        start = end


def _cache_path(spec: str, text: str, pattern: str | None) -> Path:
    from importlib.metadata import version

    digest = hashlib.sha256(utf8(text) + (pattern or "").encode()).hexdigest()[:32]
    folder = Path(platformdirs.user_cache_dir("gptkit", appauthor=False)) / "tokenizers"
    return folder / f"{spec.replace(':', '-')}-{digest}-{version('tokenizers')}.json"


def _cached(path: Path, spec: str) -> JsonObject | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("name") == spec else None


def _keep(path: Path, data: JsonObject) -> None:
    with suppress(OSError):  # without a cache, it is learned again
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(data), encoding="utf-8")
        temporary.replace(path)
