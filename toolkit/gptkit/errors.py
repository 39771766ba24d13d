"""What can go wrong for a user, and how it is said.

    GptkitError
    ├── ConfigError    an option that cannot be used as given
    ├── CorpusError    a text that cannot be had, or is not what it should be
    │   └── DownloadError  a text that is elsewhere, out of reach
    ├── TrainingError  a training that cannot go on
    └── RunError       a run folder that is missing, partial or altered

Tokenizers raise `gptkit_tokenizers.TokenizerError`. A message names the input, the bound and
the remedy; the command line prints it without a traceback and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class GptkitError(Exception):
    """Any error that a user can mend."""


class ConfigError(GptkitError, ValueError):
    """An option that cannot be used as given."""


class CorpusError(GptkitError):
    """A text that cannot be had, or is not what it should be."""


class DownloadError(CorpusError):
    """A text that is elsewhere, out of reach."""


class CorpusWarning(UserWarning):
    """Another text is used than the one asked for first."""


class TrainingError(GptkitError):
    """A training that cannot go on."""


class RunError(GptkitError):
    """A run folder that is missing, partial or altered."""


class Stopped(KeyboardInterrupt):
    """An experiment was interrupted; what it had finished is in `folder`, if anything."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise a ConfigError for a name that is none of those known, with the nearest of them."""
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"there is no {what} {name!r}.{hint}\nThere are: {', '.join(known)}.")
