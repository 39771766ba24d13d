"""Errors that a user can mend.

    GptkitError
    ├── ConfigError        an option cannot be used as given
    │   └── NoRoom         a disk or a limit is too small for what was asked
    ├── CorpusError        a text is not available, or is not as expected
    │   └── DownloadError  a text cannot be downloaded
    ├── TrainingError      a training cannot continue
    └── RunError           a run folder is missing, incomplete or changed
        └── ArmTaken       another command trains the arm

Tokenizers raise `gptkit_tokenizers.TokenizerError`. A message names the input, the bound and
the remedy; the command line prints it without a traceback and exits with 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

TYPE_WORDS = {
    str: "a string",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    type(None): "None",
}


class GptkitError(Exception):
    """Any error that a user can mend."""


class ConfigError(GptkitError, ValueError):
    """An option cannot be used as given."""


class NoRoom(ConfigError):
    """A disk or a limit is too small for what was asked."""


class CorpusError(GptkitError):
    """A text is not available, or is not as expected."""


class DownloadError(CorpusError):
    """A text cannot be downloaded."""


class CorpusWarning(UserWarning):
    """The text that is used differs from the first choice."""


class TrainingError(GptkitError):
    """A training cannot continue."""


class RunError(GptkitError):
    """A run folder is missing, incomplete or changed."""


class ArmTaken(RunError):
    """Another command trains the arm."""


class Stopped(KeyboardInterrupt):
    """An experiment was stopped by a signal. What it has done is in `folder`.

    Attributes:
        number: the signal's.
    """

    def __init__(self, folder: Path, number: int = 2) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.number = number


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise a ConfigError for an unknown name; the message has the nearest known name."""
    known = list(known)
    if name not in known:
        raise ConfigError(f"there is no {what} {name!r}.{nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest, and list all of them."""
    import difflib

    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    between = "; " if any("," in each for each in known) else ", "
    return f"{hint}\nThere are: {between.join(known)}."


def check_types(config: object, *, but: Collection[str] = ()) -> None:
    """Refuse a value that is not of its field's type, or not one of its field's names.

    Args:
        config: a dataclass.
        but: fields that are not checked.

    Raises:
        ConfigError: a value is refused.
    """
    import msgspec

    kind: Any = type(config)
    for name, hint in _field_types(kind).items():
        value, is_config = getattr(config, name), is_dataclass(hint)
        if name in but or (is_config and isinstance(value, hint)):
            continue
        if is_config:
            raise ConfigError(f"{name} is a {type(value).__name__}; it must be a {hint.__name__}.")
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            known = [each for part in (hint, *get_args(hint)) for each in _names_of(part)]
            if known and isinstance(value, str):
                check_known(name, value, known)
            raise ConfigError(f"{name} is {value!r}; it must be {in_words(hint)}.") from None


def in_words(hint: Any) -> str:
    """Say what a value of a type is in Python.

    >>> in_words(int | None), in_words(tuple[str, ...]), in_words(tuple[float, float])
    ('a whole number or None', 'a list', 'a list of 2 values')
    """
    parts = get_args(hint)
    if hint in TYPE_WORDS:
        return TYPE_WORDS[hint]
    if get_origin(hint) is tuple:
        return "a list" if Ellipsis in parts else f"a list of {len(parts)} values"
    if get_origin(hint) is dict:
        return "a dictionary"
    return " or ".join(repr(part) if isinstance(part, str) else in_words(part) for part in parts)


@cache
def _field_types(config: type[Any]) -> dict[str, Any]:
    """Return the types of a config's fields by their names."""
    return get_type_hints(config)


def _names_of(hint: object) -> tuple[str, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()
