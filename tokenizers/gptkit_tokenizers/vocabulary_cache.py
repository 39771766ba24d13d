"""Keep what was learned from a text in the user's cache, by the text's hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import platformdirs

from gptkit_tokenizers.base import JsonObject, utf8


def cache_path(kind: str, text: str, parts: Sequence[str | None] = ()) -> Path:
    """Return where something learned from a text is kept.

    Args:
        kind: what it is; the start of the file's name.
        parts: what else it depends on.
    """
    digest = hashlib.sha256(utf8(text))
    digest.update(json.dumps(parts).encode())
    folder = Path(platformdirs.user_cache_dir("gptkit", appauthor=False)) / "vocabularies"
    return folder / f"{kind}-{digest.hexdigest()[:32]}-{version('tokenizers')}.json"


def read_cached(path: Path) -> JsonObject | None:
    """Return what is kept; None if nothing is there, or it is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def keep(path: Path, data: JsonObject) -> None:
    """Keep JSON in the cache, if the cache can be written."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(data), encoding="utf-8")
        temporary.replace(path)
