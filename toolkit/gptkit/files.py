"""Write files whole or not at all: under a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

MOST_RECORD_BYTES = 1_000_000_000  # of a file of JSON that is read at once


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


def read_bytes(path: Path) -> bytes:
    """Read a file of records.

    Raises:
        OSError: it is no regular file, or cannot be read.
        ValueError: it has more than `MOST_RECORD_BYTES`.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if size > MOST_RECORD_BYTES:
        raise ValueError(f"it has {size / 1e6:,.0f} MB, more than {MOST_RECORD_BYTES / 1e6:,.0f}")
    return path.read_bytes()


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk; on Windows, they need no flush."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # not offered there
            raise
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file; it is on the disk, not only in memory, before it has its name.

    Raises:
        OSError: it cannot be written; its `filename` says which file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        flush_folder(path.parent)
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
