"""A corpus under all tokenizers of an experiment: encoded and audited before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.errors import ConfigError
from gptkit_tokenizers import Tokenizer

PROMPT_SEARCH_CHARS = 1_000_000  # of the training text, in which a default prompt is looked for


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A corpus, and its texts under each tokenizer by name."""

    corpus: Corpus
    texts: dict[str, EncodedCorpus]

    def prompt(self, asked: str | None = None) -> str:
        """The prompt for samples: `asked`, or one that every tokenizer can encode.

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
        tokenizers: by name, a spec or a tokenizer.
        on_bytes: called while a text too large for memory is encoded, with the tokenizer, the
            bytes that are done, and all bytes.

    Raises:
        TokenizerError: a tokenizer cannot be had, or does not give every byte back.
    """
    texts = {
        name: encode_corpus(corpus, tokenizer, lossy_ok=lossy_ok, on_bytes=partial(on_bytes, name))
        for name, tokenizer in tokenizers.items()
    }
    return Prepared(corpus=corpus, texts=texts)
