"""Several texts as one corpus: each is split by itself, and the parts are joined."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gptkit.data.corpus_facts import TextPart
from gptkit.data.text_files import join_files
from gptkit.errors import CorpusError

FOLDER_PREFIX = "texts:"
MAX_TEXTS = 100


def named_texts(spec: str | None) -> dict[str, str]:
    """Return the specs of several texts by name, or nothing if `spec` is a single text.

    `en.txt,de.txt` are two texts, and so is every .txt file of FOLDER in `texts:FOLDER`. A file is
    named after its stem, another text after its spec. A file whose name has a comma is one text.

    Raises:
        CorpusError: two texts have the same name, or a folder is missing or has no .txt file.

    >>> named_texts("docs/en.txt,markov:2"), named_texts("en.txt")
    ({'en': 'docs/en.txt', 'markov:2': 'markov:2'}, {})
    """
    if spec is None:
        return {}
    if spec.startswith(FOLDER_PREFIX):
        folder = Path(spec.removeprefix(FOLDER_PREFIX)).expanduser()
        if not folder.is_dir():
            raise CorpusError(f"there is no folder {folder}, so {spec} names no texts.")
        specs = [str(path) for path in sorted(folder.glob("*.txt"))]
        if not specs:
            raise CorpusError(f"{folder} has no .txt file, so {spec} names no texts.")
    elif "," in spec and not Path(spec).expanduser().exists():
        specs = [one.strip() for one in spec.split(",") if one.strip()]
    else:
        return {}
    if len(specs) > MAX_TEXTS:
        raise CorpusError(f"{spec} names {len(specs)} texts; at most {MAX_TEXTS} are compared.")
    found: dict[str, str] = {}
    for one in specs:
        name = Path(one).stem if one.endswith(".txt") else one
        if name in found:
            raise CorpusError(f"two texts are named {name}: {found[name]} and {one}. Rename one.")
        found[name] = one
    return found


def join_parts(texts: Mapping[str, tuple[str, str, str | None]]) -> tuple[list[str], str]:
    """Join the train, val and test parts of texts, each with a line break at its end.

    Returns:
        The joined train and val, and test if there is one; and the hash of all of them.
    """
    columns = [
        [part for part in parts if part is not None] for parts in zip(*texts.values(), strict=True)
    ]
    joined = [join_files(parts) for parts in columns if parts]
    return joined, hashlib.sha256("".join(joined).encode()).hexdigest()


def describe_parts(
    specs: Mapping[str, str], texts: Mapping[str, tuple[str, str, str | None]]
) -> tuple[TextPart, ...]:
    """Return the sizes of each text, whose parts are (train, val, test), and its spec."""
    return tuple(
        TextPart(
            name=name,
            spec=specs[name],
            train_chars=len(train),
            val_chars=len(val),
            test_chars=None if test is None else len(test),
        )
        for name, (train, val, test) in texts.items()
    )
