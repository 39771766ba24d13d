"""The alphabet in which byte-level vocabularies write bytes: one visible character per byte.

A byte that prints in Latin-1 is its own character. The 68 others are the characters from U+0100
on, in order. Radford et al., "Language models are unsupervised multitask learners", 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
CHAR_OF = {byte: chr(byte) for byte in _VISIBLE}
CHAR_OF |= {byte: chr(0x100 + i) for i, byte in enumerate(_HIDDEN)}
BYTE_OF = {char: byte for byte, char in CHAR_OF.items()}


def spell(token: str) -> bytes:
    r"""Return the bytes that a byte-level token stands for.

    >>> spell("ĠtoĊ")
    b' to\n'
    """
    return bytes(BYTE_OF[char] for char in token)


def write(token: bytes) -> str:
    r"""Return how a byte-level vocabulary writes a token.

    >>> write(b" to\n")
    'ĠtoĊ'
    """
    return "".join(CHAR_OF[byte] for byte in token)


def byte_level_json(
    ranks: Mapping[bytes, int], *, pattern: str, never_found: Mapping[bytes, int] | None = None
) -> bytes:
    """Return the `tokenizer.json` of a table of ranks.

    Args:
        pattern: a regular expression for words.
        never_found: further tokens, which no text gives.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    from gptkit_tokenizers.merges import find_merges
    from gptkit_tokenizers.word_patterns import LEARNED_PATTERNS

    vocab = {write(token): i for token, i in {**(never_found or {}), **ranks}.items()}
    merges = [(write(a), write(b)) for a, b in find_merges(ranks)]
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=True))  # whole words come first
    tokenizer.decoder = decoders.ByteLevel()
    own = pattern == LEARNED_PATTERNS["gpt2"]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=own)
    if own:
        tokenizer.pre_tokenizer = to_bytes
    else:
        words = pre_tokenizers.Split(Regex(pattern), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, to_bytes])
    return tokenizer.to_str().encode()
