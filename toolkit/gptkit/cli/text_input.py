"""What commands on text share: where the text comes from, and the tokenizer a spec names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gptkit.errors import ConfigError

if TYPE_CHECKING:
    from gptkit_tokenizers import Tokenizer


def read_text(argument: str) -> str:
    """The argument itself, or all of standard input for `-`."""
    if argument != "-":
        return argument
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"standard input is not UTF-8: the byte at offset {error.start:,} does not fit.\n"
            "Convert it first, for example: iconv -f latin1 -t utf-8"
        ) from None


def tokenizer_for(spec: str, data: str | None) -> Tokenizer:
    """The tokenizer, built from a corpus only if it has to be: loading one takes time."""
    from gptkit_tokenizers import NeedsText, get_tokenizer

    try:
        return get_tokenizer(spec)
    except NeedsText:
        from gptkit.data.corpus import load_corpus
        from gptkit.data.encoding import build_tokenizer

        return build_tokenizer(load_corpus(data), spec)
