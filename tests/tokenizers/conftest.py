"""One tokenizer of every kind, built once: learned, borrowed, plugged in."""

from __future__ import annotations

import io
import random
from base64 import b64encode
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from gptkit_tokenizers import Tokenizer, get_tokenizer
from gptkit_tokenizers.bpe import shipped_ranks
from gptkit_tokenizers.bytelevel import CHAR_OF
from gptkit_tokenizers.template import Template

ALPHABET = "to be or not to be, that is the question:\n"
WORDS = "the king shall not speak of love and so naïve a 🦆 must die before morning to be"
LEARNED = [
    *("bpe:400", "unigram:400", "wordpiece:400"),
    *("bpe:400:split=none", "bpe:400:case=factored", "bpe:400:superwords=330"),
    "bpe:400:split=gpt4:digits=2:case=factored:superwords=330",
]


@pytest.fixture(scope="session")
def prose() -> str:
    """Words that come again and again, and many made of the same few syllables."""
    rng = random.Random(1)
    syllables = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "th")]
    made = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(400)]
    lines = [" ".join(rng.choices(WORDS.split() + made, k=rng.randint(3, 9))) for _ in range(600)]
    return ".\n".join(lines)


def byte_level_json(path: Path, text: str) -> Path:
    """As HuggingFace's own tutorials make one, special tokens and all."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=350,
        initial_alphabet=sorted(CHAR_OF.values()),
        special_tokens=["<s>", "<|endoftext|>"],
        show_progress=False,
    )
    made.train_from_iterator([text], trainer)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    made.enable_truncation(8)
    made.save(str(path))
    return path


def sentencepiece_model(path: Path, text: str, **options: object) -> Path:
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()),
        model_writer=buffer,
        vocab_size=380 if options.get("byte_fallback") else 100,
        model_type="bpe",
        minloglevel=2,
        **options,
    )
    path.write_bytes(buffer.getvalue())
    return path


def tiktoken_file(path: Path, n: int) -> Path:
    """The first n of GPT-2's ranks."""
    lines = [b64encode(t) + b" %d\n" % rank for t, rank in shipped_ranks().items() if rank < n]
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory, prose: str) -> dict[str, Tokenizer]:
    folder = tmp_path_factory.mktemp("kinds")
    exact = {
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
    }
    specs = {name: name for name in ("char", "char+bytes", "byte", "gpt2", *LEARNED)}
    specs["json"] = str(byte_level_json(folder / "tokenizer.json", prose))
    specs["model"] = str(sentencepiece_model(folder / "exact.model", prose, **exact))
    specs["tiktoken"] = f"{tiktoken_file(folder / 'small.tiktoken', 500)}:split=gpt2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        text = {name: ALPHABET if name.startswith("char") else prose for name in specs}
        made = {name: get_tokenizer(spec, text=text[name]) for name, spec in specs.items()}
    return made | {"plug-in": Template()}


@pytest.fixture(scope="session")
def make_model():
    return sentencepiece_model


@pytest.fixture(scope="session")
def make_ranks():
    return tiktoken_file
