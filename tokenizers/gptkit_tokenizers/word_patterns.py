"""Regular expressions for words, by name, and the rank tables that are known to use them.

A table of ranks does not say where words end. With the wrong words the same ranks give 5 to 11 %
more tokens, so a pattern is never guessed.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping

from tiktoken_ext.openai_public import r50k_pat_str

from gptkit_tokenizers.base import TokenizerError

GPT2 = r50k_pat_str
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
O200K = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDINGS}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDINGS}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
NANOCHAT = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
PATTERNS = {
    "gpt2": GPT2,
    "cl100k": CL100K,
    "gpt4": CL100K,
    "o200k": O200K,
    "llama3": LLAMA3,
    "qwen": QWEN,
    "nanochat": NANOCHAT,
}
LEARNED_PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": LLAMA3,
    "o200k": O200K,
    "whitespace": r" ?\S+|\s+",
    "none": r"[\s\S]{1,1000}",
}  # for learned vocabularies; Oniguruma has no possessive `{1,3}+`
OPENAI_NAMES = {
    "gpt2": "gpt2",
    "r50k_base": "gpt2",
    "p50k_base": "gpt2",
    "cl100k_base": "cl100k",
    "o200k_base": "o200k",
}  # file names that OpenAI gives its tables
KNOWN_TABLES = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": "gpt2",
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069": "gpt2",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k",
}  # by `table_sha256`, the hashes that tiktoken publishes of its files


def learned_pattern(split: str, digits: str | None) -> str:
    r"""Return the pattern of words for a learned vocabulary, in a form that all libraries read.

    Args:
        split: a name in `LEARNED_PATTERNS`.
        digits: the most digits in a word, from 1 to 9; None for the pattern's own.

    Raises:
        TokenizerError: there is no such name, or digits is not a number from 1 to 9.

    >>> print(learned_pattern("whitespace", None))
     ?\S+|\s+
    """
    if split not in LEARNED_PATTERNS:
        raise TokenizerError(
            f"there is no split {split!r}. There are: {', '.join(LEARNED_PATTERNS)}."
        )
    if digits is None:
        return LEARNED_PATTERNS[split]
    if not re.fullmatch("[1-9]", digits):
        raise TokenizerError(f"digits is {digits!r}; it must be a number from 1 to 9.")
    if split in ("whitespace", "none"):
        raise TokenizerError("digits needs a split that separates digits: gpt2, gpt4 or o200k.")
    own = r" ?\p{N}+" if split == "gpt2" else r"\p{N}{1,3}"
    return LEARNED_PATTERNS[split].replace(own, rf"\p{{N}}{{1,{digits}}}")


def library_pattern(pattern: str) -> str:
    """Return a pattern with the same words that Oniguruma, Hugging Face's library, reads alike."""
    return {GPT2: LEARNED_PATTERNS["gpt2"], CL100K: LLAMA3}.get(pattern, pattern)


def find_pattern(name: str) -> str:
    """Return the pattern with a name.

    Raises:
        TokenizerError: there is no such name.
    """
    if name not in PATTERNS:
        raise TokenizerError(
            f"there is no split {name!r}. There are: {', '.join(PATTERNS)}.\n"
            "For another one, give its regular expression: pattern=…"
        )
    return PATTERNS[name]


def table_sha256(ranks: Mapping[bytes, int]) -> str:
    """Return the hash of a table, written as OpenAI's files: a token in base 64, and its rank."""
    lines = [b"%s %d\n" % (b64encode(t), rank) for t, rank in sorted(ranks.items(), key=_rank)]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _rank(item: tuple[bytes, int]) -> int:
    return item[1]
