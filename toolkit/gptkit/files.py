"""Write files whole or not at all: under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import msgspec


def temporary_name(path: Path) -> Path:
    """Return an unused hidden name in the same folder, so that a rename to `path` is atomic."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def rename_patiently(source: Path, target: Path, *, seconds: float = 2.0) -> None:
    """Rename, and try again for a while where it is refused, as on Windows during a virus scan.

    Raises:
        PermissionError: it is still refused.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            os.rename(source, target)
            return
        except PermissionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def write_bytes(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def to_json(data: Any) -> str:
    """Write typed or plain data as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n"


def write_json(path: Path, data: Any) -> None:
    write_text(path, to_json(data))
