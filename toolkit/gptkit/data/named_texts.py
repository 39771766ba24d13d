"""The texts that have names: tiny Shakespeare, and the reference text of Python."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from gptkit.data.download import download_text
from gptkit.errors import CorpusError, DownloadError

TINY_SHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
CORPUS_NAMES = ("tinyshakespeare", "python-docs")


def cache_folder() -> Path:
    """Return the folder that downloads and encoded texts are kept in."""
    return Path(platformdirs.user_cache_dir("gptkit", appauthor=False))


def tiny_shakespeare_copy() -> Path | None:
    """Return the checked copy in the folder GPTKIT_DATA or in the user's cache, or None.

    Raises:
        CorpusError: the copy in GPTKIT_DATA is another text.
    """
    named = os.environ.get("GPTKIT_DATA")
    given = Path(named) / "tinyshakespeare.txt" if named else None
    for path in (given, cache_folder() / "tinyshakespeare.txt"):
        if path is None or not path.is_file():
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == TINY_SHAKESPEARE_SHA256:
            return path
        if path == given:
            raise CorpusError(
                f"{path} is not tiny Shakespeare: its sha256 is not "
                f"{TINY_SHAKESPEARE_SHA256[:16]}….\n"
                "Replace it, or remove it and let gptkit download the text."
            )
    return None


def tiny_shakespeare() -> str:
    """Return the checked text: a copy, or a download, which is kept.

    Raises:
        DownloadError: there is neither.
    """
    if copy := tiny_shakespeare_copy():
        return copy.read_bytes().decode()
    cached = cache_folder() / "tinyshakespeare.txt"
    try:
        data = download_text(TINY_SHAKESPEARE_URL, sha256=TINY_SHAKESPEARE_SHA256, to=cached)
    except DownloadError as error:
        raise DownloadError(
            f"tinyshakespeare cannot be downloaded: {error}\n"
            "Put the text as tinyshakespeare.txt in a folder and name the folder in GPTKIT_DATA,\n"
            'or use any file of your own, or python-docs: data="FILE", data="python-docs".\n'
            f"It is at {TINY_SHAKESPEARE_URL}"
        ) from error
    return data.decode()


def python_docs() -> str:
    """Return the topics of `help()`, in the order of their names."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise CorpusError(
            "this Python was installed without its reference text (pydoc_data).\n"
            'Use a file instead: data="FILE".'
        ) from None
    return "\n\n".join(topics[name] for name in sorted(topics))
