"""Read a dataset of the Hugging Face hub, or in its format, as one text."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gptkit.data.download import no_progress_bars
from gptkit.errors import CorpusError, DownloadError
from gptkit.files import temporary_name
from gptkit_tokenizers.reachability import reachable

STRING_TYPES = ("string", "large_string")


def dataset_text(spec: str, *, cache: Path, large: int) -> str | list[Path]:
    """Return the rows of the train split of `hf:NAME` or `hf:NAME:CONFIG`, joined by line breaks.

    Args:
        cache: the folder for a text of more than `large` characters. Its file is then returned.

    Raises:
        CorpusError: the dataset is not available, or has no column of text.
    """
    name, _, config = spec.removeprefix("hf:").partition(":")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not name:
        raise CorpusError("hf: names no dataset. Give one, as in hf:roneneldan/TinyStories.")
    local = Path(name).exists() or "HF_HUB_OFFLINE" in os.environ
    if not local and not reachable(endpoint):
        raise DownloadError(
            f"{spec} cannot be downloaded: {urlsplit(endpoint).hostname} cannot be reached.\n"
            "Set HF_HUB_OFFLINE=1 to use a copy already in the datasets cache, or use a file."
        )
    import datasets

    try:
        with no_progress_bars():
            rows = datasets.load_dataset(name, config or None, split="train")
    except Exception as error:  # whatever the hub, the builder or the data raise
        raise CorpusError(f"{spec} cannot be loaded: {error}") from error
    strings = [c for c, f in rows.features.items() if getattr(f, "dtype", None) in STRING_TYPES]
    column = "text" if "text" in strings else strings[0] if len(strings) == 1 else None
    if column is None:
        raise CorpusError(
            f"{spec} has no column text; its columns are {', '.join(rows.column_names)}.\n"
            "Only a dataset with a text column, or with a single column of strings, is a text."
        )
    copy = cache / f"{hashlib.sha256(spec.encode()).hexdigest()[:32]}.txt"
    texts = rows.select_columns([column])  # a sound or a picture beside the text is not decoded
    return join_rows((row[column] or "" for row in texts), copy, large=large)


def join_rows(strings: Iterator[str], copy: Path, *, large: int) -> str | list[Path]:
    """Join strings by line breaks; if they are too large for memory, in the file `copy`."""
    parts, size = [], 0
    for string in strings:
        parts.append(string)
        size += len(string)
        if size > large:
            break
    else:
        return "\n".join(parts)
    copy.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(copy)
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write("\n".join(parts))
            del parts
            for string in strings:
                file.write(f"\n{string}")
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
    return [copy]
