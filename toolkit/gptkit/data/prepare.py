"""Encode and audit a corpus with all tokenizers of an experiment, before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.errors import ConfigError
from gptkit_tokenizers import Tokenizer, adapt, name_of
from gptkit_tokenizers.spec import with_alias
from gptkit_tokenizers.trained import learned_size

PROMPT_SEARCH_CHARS = 1_000_000  # characters of training text searched for a default prompt


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A corpus, and its encoded texts by the tokenizer's name."""

    corpus: Corpus
    texts: dict[str, EncodedCorpus]

    def prompt(self, asked: str | None = None) -> str:
        """Return the prompt for samples: `asked`, or one that every tokenizer can encode.

        Raises:
            ConfigError: a tokenizer makes no token of it.
        """
        prompt = self._default_prompt() if asked is None else asked
        for name, encoded in self.texts.items():
            if not encoded.tokenizer.encode(prompt):
                raise ConfigError(
                    f"{name} drops all of the prompt {prompt!r}: a sample needs a token to "
                    'continue.\nGive another one: prompt="TEXT".'
                )
        return prompt

    def _default_prompt(self) -> str:
        start = self.corpus.train[:PROMPT_SEARCH_CHARS]
        line_break = ["\n"] if "\n" in start else []
        for prompt in (*line_break, start[0], *start.split()[:1]):
            if all(encoded.tokenizer.encode(prompt) for encoded in self.texts.values()):
                return prompt
        return start[:20]


def prepare(
    corpus: Corpus,
    tokenizers: Mapping[str, str | Tokenizer],
    *,
    lossy_ok: bool = False,
    on_bytes: Callable[[str, int, int], None] = lambda name, done, n_bytes: None,
) -> Prepared:
    """Encode a corpus with each tokenizer.

    Args:
        tokenizers: specs or tokenizers by name.
        on_bytes: called while a text too large for memory is encoded, with the tokenizer, the
            bytes that are done, and all bytes.

    Raises:
        TokenizerError: a tokenizer is not available, or does not give every byte back.
    """
    texts = {
        name: encode_corpus(
            corpus, tokenizers[name], lossy_ok=lossy_ok, on_bytes=partial(on_bytes, name)
        )
        for name in sorted(tokenizers, key=lambda name: -learned_size(tokenizers[name]))
    }
    return Prepared(corpus=corpus, texts={name: texts[name] for name in tokenizers})


def name_tokenizers(
    tokenizers: Sequence[Any] | Mapping[str, Any],
) -> dict[str, str | Tokenizer]:
    """Return specs and objects by their names in tables; a spec is its own name.

    Raises:
        ConfigError: two tokenizers have the same name.
        TokenizerError: an object is not a tokenizer.
    """
    if isinstance(tokenizers, str) or not isinstance(tokenizers, Sequence | Mapping):
        raise ConfigError(
            f"tokenizers is {tokenizers!r}; give a list, as in ['char', 'gpt2'], or a dictionary "
            "of names."
        )
    if isinstance(tokenizers, Mapping):
        given = list(tokenizers.items())
    else:
        given = [(name_of(tokenizer), tokenizer) for tokenizer in tokenizers]
    names = [name for name, _ in given]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"tokenizers has a name twice: {', '.join(names)}.\nGive names of your own: "
            "tokenizers={'mine': tokenizer}, or on the command line mine=SPEC."
        )
    return {
        name: with_alias(tokenizer, name) if isinstance(tokenizer, str) else adapt(tokenizer, name)
        for name, tokenizer in given
    }
