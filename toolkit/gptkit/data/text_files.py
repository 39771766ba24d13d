"""Find and decode text files, and say what a file is that is not text."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable
from pathlib import Path

from gptkit.data.named_texts import CORPUS_NAMES
from gptkit.errors import CorpusError

KINDS = {
    b"\xff\xfe": "UTF-16. Convert it: iconv -f utf-16 -t utf-8 {name} > text.txt",
    b"\xfe\xff": "UTF-16. Convert it: iconv -f utf-16 -t utf-8 {name} > text.txt",
    b"\x1f\x8b": "a gzip archive. Unpack it: gzip -d {name}",
    b"PK\x03\x04": "a zip archive. Unpack it: unzip {name}",
    b"\xfd7zXZ": "an xz archive. Unpack it: xz -d {name}",
    b"BZh": "a bzip2 archive. Unpack it: bzip2 -d {name}",
    b"\x28\xb5\x2f\xfd": "a zstd archive. Unpack it: zstd -d {name}",
    b"PAR1": "a Parquet table. Give its folder as hf:FOLDER",
    b"ARROW1": "an Arrow table. Give its folder as hf:FOLDER",
    b"%PDF": "a PDF. Convert it: pdftotext {name} text.txt",
    b"version https://git-lfs": "a Git LFS pointer, not the file. Fetch it: git lfs pull",
}  # by the first bytes


def check_kind(start: bytes, name: str) -> None:
    """Raise a CorpusError for the first bytes of a file that is known not to be UTF-8 text."""
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            raise CorpusError(f"{name} is {kind.format(name=name)}.")


def decode_text(data: bytes, name: str) -> str:
    """Decode a file as UTF-8.

    Raises:
        CorpusError: it is something else; the message says what, if that is known.
    """
    check_kind(data[:32], name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(name, data[error.start], error.start) from None


def not_utf8(name: str, byte: int, offset: int) -> CorpusError:
    return CorpusError(
        f"{name} is not UTF-8: byte 0x{byte:02x} at offset {offset:,}.\n"
        "If it is text in another encoding, convert it: "
        f"iconv -f latin1 -t utf-8 {name} > text.txt"
    )


def join_files(texts: Iterable[str]) -> str:
    r"""Join files, with a line break after each that has none at its end, except the last.

    >>> join_files(["the end", "Once", "more\n"])
    'the end\nOnce\nmore\n'
    """
    parts: list[str] = []
    for text in texts:
        if parts and parts[-1] and not parts[-1].endswith("\n"):
            parts.append("\n")
        parts.append(text)
    return "".join(parts)


def find_files(spec: str) -> list[Path]:
    """Return the files that a path, a folder or a glob names, in order.

    Raises:
        CorpusError: there are none.
    """
    path = Path(os.path.expanduser(spec))
    if not spec.strip():
        raise CorpusError(
            f"the corpus has no name. Give {', '.join(CORPUS_NAMES)}, hf:NAME, or a file."
        )
    if path.exists() and not path.is_dir():
        return [path]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*.txt") if not _is_hidden(p.relative_to(path)))
        if not found:
            raise CorpusError(
                f"the folder {spec} has no .txt file. Name others by a glob: '{path / '**/*.md'}'."
            )
        return found
    found = sorted({p for p in map(Path, glob.glob(spec, recursive=True)) if p.is_file()})
    if not found:
        near = difflib.get_close_matches(spec, CORPUS_NAMES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CorpusError(
            f"there is no corpus or file {spec!r}.{hint}\n"
            f"Give {', '.join(CORPUS_NAMES)}, hf:NAME, markov:ORDER, "
            "or a file, folder or glob that exists."
        )
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
