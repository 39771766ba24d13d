"""Read a tokenizer's spec: what it is, its options, and its name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gptkit_tokenizers.base import TokenizerError

_ALIAS = re.compile(r"([A-Za-z0-9_+.-]+)=(.+)", re.DOTALL)
_OPTION = re.compile(r":(split|digits|case|superwords)=")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A spec, taken apart.

    Attributes:
        base: what the tokenizer is: a name, `KIND:N`, a path, or `hf:OWNER/NAME`.
        options: values by name, as in `split=cl100k`.
        name: the name in tables and folders: the alias, or the whole spec.
    """

    base: str
    name: str
    options: dict[str, str] = field(default_factory=dict)

    def refuse_options(self, *allowed: str) -> None:
        """Raise a TokenizerError for an option that this kind of tokenizer does not have."""
        for option in self.options:
            if option not in allowed:
                has = f"has only {', '.join(allowed)}" if allowed else "has no options"
                raise TokenizerError(f"{self.base} has no option {option}: it {has}.")


def parse_spec(text: str) -> Spec:
    """Take a spec apart: `[NAME=]BASE[:OPTION=VALUE]…[:pattern=…]`.

    A pattern is the last option, because it may contain any character. A path that exists is never
    taken apart. `~` at the start of a path is the home folder.

    Raises:
        TokenizerError: an option without a value, or one that is there twice.

    >>> parse_spec("qwen=models/qwen.tiktoken:split=cl100k")
    Spec(base='models/qwen.tiktoken', name='qwen', options={'split': 'cl100k'})
    >>> parse_spec("bpe:1024").name
    'bpe:1024'
    """
    if not text.strip():
        raise TokenizerError("the tokenizer's name is empty. Give one, as in gpt2.")
    if exists(text):
        return Spec(base=expand(text), name=text)
    alias = _ALIAS.fullmatch(text)
    name, rest = (alias[1], alias[2]) if alias else (text, text)
    rest, has_pattern, pattern = rest.partition(":pattern=")
    base, *flat = re.split(_OPTION, rest)
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if has_pattern:
        pairs.append(("pattern", pattern))
    options = dict(pairs)
    if len(options) < len(pairs):
        raise TokenizerError(f"{text} has an option twice.")
    if empty := [option for option, value in pairs if not value]:
        raise TokenizerError(f"the option {empty[0]} in {text} has no value.")
    return Spec(base=expand(base), name=name, options=options)


def spec_name(text: str) -> str:
    """Return the name of a spec in tables: its alias, or the whole spec.

    >>> spec_name("llama3=models/llama3/tokenizer.json"), spec_name("gpt2")
    ('llama3', 'gpt2')
    """
    return parse_spec(text).name


def with_alias(text: str, name: str) -> str:
    """Return a spec whose name is `name`.

    Raises:
        TokenizerError: the name has other characters than letters, digits and _ + . -.

    >>> with_alias("gpt2", "mine"), with_alias("gpt2", "gpt2")
    ('mine=gpt2', 'gpt2')
    """
    spec = parse_spec(text)
    if spec.name == name:
        return text
    if not re.fullmatch(r"[A-Za-z0-9_+.-]+", name):
        raise TokenizerError(f"{name!r} cannot be a tokenizer's name: use letters, digits and _+.-")
    rest = text if spec.name == text else text.partition("=")[2]
    return f"{name}={rest}"


def without_each_option(text: str) -> dict[str, str]:
    """Return the spec without each of its options, by the option.

    >>> without_each_option("mine=bpe:512:split=gpt4:digits=2")
    {'split=gpt4': 'bpe:512:digits=2', 'digits=2': 'bpe:512:split=gpt4'}
    """
    spec = parse_spec(text)
    options = [f"{option}={value}" for option, value in spec.options.items()]
    return {
        left_out: ":".join([spec.base, *(one for one in options if one != left_out)])
        for left_out in options
    }


def expand(path: str) -> str:
    """Replace `~` or `~NAME` at the start by the home folder, if there is one."""
    return os.path.expanduser(path)


def exists(path: str) -> bool:
    try:
        return Path(expand(path)).exists()
    except (OSError, ValueError):  # too long a name, or a NUL
        return False
