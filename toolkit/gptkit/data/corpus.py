"""Load a named corpus, files or a dataset as one text, hash it, and split it by characters.

Files of more than `LARGE_TEXT_BYTES` are not read into memory: their training text is a
`LargeText`.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise

from gptkit.config import split_shares
from gptkit.data.corpus_facts import CorpusFacts, TextPart
from gptkit.data.hf_datasets import dataset_text
from gptkit.data.markov import markov_text
from gptkit.data.named_texts import cache_folder, python_docs, tiny_shakespeare
from gptkit.data.several_texts import describe_parts, join_parts, named_texts
from gptkit.data.text_files import decode_text, find_files, join_files
from gptkit.data.text_on_disk import LargeText, index_files
from gptkit.errors import CorpusError, CorpusWarning, DownloadError

LARGE_TEXT_BYTES = 256_000_000  # a text with more bytes stays on disk
MAX_HELD_OUT_CHARS = 1_000_000  # the most characters of val, and of test, in a large text


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A text, split once for all tokenizers: `train`, then `val`, then `test` if there is one.

    Attributes:
        name: the spec that it was loaded by.
        val: the text that chooses each arm's best weights. Without a `test`, reported losses
            are from it too.
        sha256: the hash of the whole text's UTF-8 bytes.
        entropy_bits_per_byte: the entropy of the source that wrote the text, which no model
            can beat; None if it is unknown.
        held_out_files: see `CorpusFacts`.
        parts: the texts that it was joined from, if there are several; each was split by itself,
            and the train, val and test parts were joined.
    """

    name: str
    train: str | LargeText
    val: str
    sha256: str
    test: str | None = None
    entropy_bits_per_byte: float | None = None
    held_out_files: tuple[str, int, int] | None = None
    parts: tuple[TextPart, ...] = ()

    @cached_property
    def train_bytes(self) -> int:
        return (
            self.train.n_bytes() if isinstance(self.train, LargeText) else len(self.train.encode())
        )

    @cached_property
    def val_bytes(self) -> int:
        return len(self.val.encode())

    @property
    def text(self) -> str:
        """The whole text, in memory."""
        return self.train[:] + self.val + (self.test or "")

    def alphabet(self) -> str:
        """Return every character of the whole text once, in code-point order."""
        train = self.train.alphabet() if isinstance(self.train, LargeText) else self.train
        return "".join(sorted(set(train) | set(self.val) | set(self.test or "")))

    def facts(self) -> CorpusFacts:
        return CorpusFacts(
            name=self.name,
            sha256=self.sha256,
            train_bytes=self.train_bytes,
            val_bytes=self.val_bytes,
            train_chars=len(self.train),
            val_chars=len(self.val),
            test_bytes=None if self.test is None else len(self.test.encode()),
            test_chars=None if self.test is None else len(self.test),
            entropy_bits_per_byte=self.entropy_bits_per_byte,
            held_out_files=self.held_out_files,
            parts=self.parts,
        )

    def reported_ranges(self) -> dict[str, tuple[int, int]]:
        """Return where each of several texts is in the bytes that the losses are from, by name."""
        if self.test is None:
            pieces = _pieces(self.val, [part.val_chars for part in self.parts])
        else:
            pieces = _pieces(self.test, [part.test_chars or 0 for part in self.parts])
        ends = accumulate(len(piece.encode()) for piece in pieces)
        return dict(zip((p.name for p in self.parts), pairwise([0, *ends]), strict=True))

    def part_texts(self) -> dict[str, str]:
        """Return each of several texts by name, whole."""
        assert isinstance(self.train, str)
        columns = [
            _pieces(self.train, [part.train_chars for part in self.parts], separators=False),
            _pieces(self.val, [part.val_chars for part in self.parts], separators=False),
        ]
        if self.test is not None:
            sizes = [part.test_chars or 0 for part in self.parts]
            columns.append(_pieces(self.test, sizes, separators=False))
        names = [part.name for part in self.parts]
        return dict(zip(names, map("".join, zip(*columns, strict=True)), strict=True))


def _pieces(text: str, sizes: Sequence[int], *, separators: bool = True) -> list[str]:
    r"""Cut a text that `join_files` has joined; a line break it added goes to the piece before.

    >>> _pieces("ab\nc\nd", [2, 2, 1]), _pieces("ab\nc\nd", [2, 2, 1], separators=False)
    (['ab\n', 'c\n', 'd'], ['ab', 'c\n', 'd'])
    """
    pieces, at = [], 0
    for i, size in enumerate(sizes):
        end = at + size
        added = i < len(sizes) - 1 and size > 0 and text[end - 1] != "\n"
        pieces.append(text[at : end + (added and separators)])
        at = end + added
    return pieces


def load_corpus(spec: str | None = None, *, split: float | Sequence[float] = 0.9) -> Corpus:
    """Load the corpus that a spec names.

    Args:
        spec: `tinyshakespeare`; `python-docs`, the interpreter's own reference text; a file, a
            folder (its .txt files) or a glob; `hf:NAME` or `hf:NAME:CONFIG`, a dataset's train
            split; `markov:ORDER[:SEED]`, text from a source of known entropy. Several of these
            with commas between them, or `texts:FOLDER` for each of its .txt files, are texts that
            are split each by itself. None means tinyshakespeare, or python-docs if tinyshakespeare
            is not available.
        split: the share of characters that is training text (the rest is val); or the shares
            of train, val and test, in this order in the text.

    Raises:
        CorpusError: the text is not available, is empty, or is not UTF-8.
    """
    shares = split_shares(split)
    if several := named_texts(spec):
        corpora = {name: load_corpus(one, split=split) for name, one in several.items()}
        return _join(spec or "", several, corpora)
    found = _load_text(spec)
    text = found.text
    cuts = [int(round(share, 12) * len(text)) for share in accumulate(shares[:-1])]
    if isinstance(text, LargeText):
        cuts = _held_out_cuts(cuts, len(text))
    spans = list(pairwise([0, *cuts, len(text)]))
    if not all(a < b for a, b in spans):
        raise CorpusError(
            f"{found.spec} cannot be split at {', '.join(f'{share:g}' for share in shares)}: of "
            f"its {len(text):,} characters {' and '.join(f'{b - a:,}' for a, b in spans)} "
            "would be left.\n"
            "Give a text of at least a few thousand characters, or a split nearer the middle."
        )
    return _cut(found, spans)


def load_texts(spec: str | None = None) -> list[Corpus]:
    """Load each of several texts as a corpus with its name, or the one text that a spec names."""
    several = named_texts(spec)
    if not several:
        return [load_corpus(spec)]
    return [replace(load_corpus(one), name=name) for name, one in several.items()]


def load_text(spec: str) -> str:
    """Load a whole text, for a spec as in `load_corpus`.

    Raises:
        CorpusError: the text is not available, is empty, or is not UTF-8.
    """
    return _load_text(spec).text[:]


def reload_corpus(facts: CorpusFacts, spec: str | None = None) -> Corpus:
    """Load the corpus of a run again, split as it was.

    Args:
        spec: where the text is now; None for where it was.

    Raises:
        CorpusError: it is not there, or has changed.
    """
    if facts.parts:
        return _reload_parts(facts, spec)
    found = _load_text(spec or facts.name)
    sizes = [facts.train_chars, facts.val_chars, facts.test_chars or 0]
    corpus = None
    if sum(sizes) == len(found.text):
        spans = [(b - size, b) for b, size in zip(accumulate(sizes), sizes, strict=True) if size]
        corpus = _cut(found, spans)
    if corpus is None or corpus.sha256 != facts.sha256:
        raise CorpusError(
            f"{found.spec} is not the text of the run: its length or its sha256 differs.\n"
            'Give the text that the run was trained on: data="FILE".'
        )
    return corpus


def _reload_parts(facts: CorpusFacts, spec: str | None) -> Corpus:
    specs = named_texts(spec) if spec else {part.name: part.spec for part in facts.parts}
    corpora = {}
    for part in facts.parts:
        found = _load_text(specs.get(part.name, part.spec))
        sizes = [part.train_chars, part.val_chars, part.test_chars or 0]
        if sum(sizes) != len(found.text):
            raise CorpusError(f"{found.spec} is not the text of the run: its length differs.")
        spans = [(b - size, b) for b, size in zip(accumulate(sizes), sizes, strict=True) if size]
        corpora[part.name] = _cut(found, spans)
    corpus = _join(facts.name, {name: c.name for name, c in corpora.items()}, corpora)
    if corpus.sha256 != facts.sha256:
        raise CorpusError(f"{facts.name} are not the texts of the run: their sha256 differs.")
    return corpus


def _join(spec: str, specs: Mapping[str, str], corpora: Mapping[str, Corpus]) -> Corpus:
    texts: dict[str, tuple[str, str, str | None]] = {}
    for name, corpus in corpora.items():
        if isinstance(corpus.train, LargeText):
            raise CorpusError(f"{corpus.name} is too large to be one of several texts.")
        texts[name] = (corpus.train, corpus.val, corpus.test)
    joined, digest = join_parts(texts)
    return Corpus(
        name=spec,
        train=joined[0],
        val=joined[1],
        test=joined[2] if len(joined) > 2 else None,
        sha256=digest,
        parts=describe_parts(specs, texts),
    )


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A whole text, with the hash of a large one and the characters of its files, if it has any."""

    spec: str
    text: str | LargeText
    digest: str | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    entropy: float | None = None


def _load_text(spec: str | None) -> _Loaded:
    if spec is None:
        try:
            return _Loaded(spec="tinyshakespeare", text=tiny_shakespeare())
        except DownloadError as error:
            reason = str(error).splitlines()[0]
            note = f"using python-docs, not tinyshakespeare: {reason}"
            warnings.warn(note, CorpusWarning, stacklevel=3)
            return _Loaded(spec="python-docs", text=python_docs())
    if spec.startswith("markov:"):
        text, entropy = markov_text(spec)
        return _Loaded(spec=spec, text=text, entropy=entropy)
    found = _text_of(spec)
    if not found.text:
        raise CorpusError(f"{spec} is empty. Give a text of at least a few thousand characters.")
    return found


def _cut(found: _Loaded, spans: Sequence[tuple[int, int]]) -> Corpus:
    text, (start, stop) = found.text, spans[0]
    parts = [text[a:b] for a, b in spans[1:]]
    return Corpus(
        name=found.spec,
        train=text.part(start, stop) if isinstance(text, LargeText) else text[start:stop],
        val=parts[0],
        test=parts[1] if len(parts) == 2 else None,
        sha256=found.digest or hashlib.sha256(text[:].encode()).hexdigest(),
        entropy_bits_per_byte=found.entropy,
        held_out_files=_held_out_files(found.lengths, len(text) - stop),
    )


def _held_out_files(lengths: Mapping[str, int], n_chars: int) -> tuple[str, int, int] | None:
    """Return the file in which the last `n_chars` characters begin, its number, and all files'.

    >>> _held_out_files({"a": 50, "b": 30, "c": 20}, 25)
    ('b', 2, 3)
    """
    for number, (name, length) in reversed([*enumerate(lengths.items(), 1)]):
        n_chars -= length
        if n_chars <= 0:
            return (name, number, len(lengths)) if number > 1 else None
    return None


def _held_out_cuts(cuts: Sequence[int], n: int) -> list[int]:
    """Move the cuts so that val and test have at most `MAX_HELD_OUT_CHARS` each."""
    held_out = [min(MAX_HELD_OUT_CHARS, b - a) for a, b in pairwise([*cuts, n])]
    moved = [n - sum(held_out[i:]) for i in range(len(held_out))]
    if moved != cuts:
        note = (
            f"the text is large, so val {'and test are' if len(cuts) > 1 else 'is'} its last "
            f"{MAX_HELD_OUT_CHARS:,} characters{' each' if len(cuts) > 1 else ''}, and train is "
            "the rest."
        )
        warnings.warn(note, CorpusWarning, stacklevel=3)
    return moved


def _text_of(spec: str) -> _Loaded:
    if spec == "tinyshakespeare":
        return _Loaded(spec=spec, text=tiny_shakespeare())
    if spec == "python-docs":
        return _Loaded(spec=spec, text=python_docs())
    if spec.startswith("hf:"):
        found = dataset_text(spec, cache=cache_folder() / "texts", large=LARGE_TEXT_BYTES)
        if isinstance(found, str):
            return _Loaded(spec=spec, text=found)
        text, digest = index_files(found)
        return _Loaded(spec=spec, text=text, digest=digest)
    files = find_files(spec)
    if odd := [path for path in files if not path.is_file()]:
        raise CorpusError(
            f"{odd[0]} is not a regular file. Write its text to a file, and give that."
        )
    if sum(path.stat().st_size for path in files) > LARGE_TEXT_BYTES:
        text, digest = index_files(files)
        return _Loaded(spec=spec, text=text, digest=digest, lengths=text.chars_by_file())
    texts = {str(path): decode_text(path.read_bytes(), str(path)) for path in files}
    lengths = {name: len(text) for name, text in texts.items()}
    return _Loaded(spec=spec, text=join_files(texts.values()), lengths=lengths)
