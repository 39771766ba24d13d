"""The types of what `gptkit stress` found."""

from __future__ import annotations

from typing import Literal

from gptkit.results.schema import Record


class KillRow(Record, frozen=True, kw_only=True):
    """A command that was killed at random moments and run again to its end.

    Attributes:
        kills: with SIGKILL, over the life of the command.
        runs: how many times the command came to its end.
        blocked: ends with an error.
        orphans: processes that lived on after their parent.
        half_written: runs or results that had their name and were not whole, after a kill.
        differing: ends whose files differ from those of a command left alone, times aside.
        left_over: ends with hidden files.
        notes: what went wrong.
    """

    command: str
    kills: int
    runs: int
    blocked: int
    orphans: int
    half_written: int
    differing: int
    left_over: int
    seconds: float
    notes: list[str]


class FileRow(Record, frozen=True, kw_only=True):
    """Mutated files of one kind.

    Attributes:
        accepted: that gave a result.
        refused: that gave one message, and exit code 2.
        findings: that gave something else: a traceback, no end in time, or too much memory.
        slowest: seconds of the slowest.
        largest: the most memory of the process, in bytes.
        notes: one finding of each sort.
    """

    kind: str
    files: int
    accepted: int
    refused: int
    findings: int
    slowest: float
    largest: int
    notes: list[str]


class TextRow(Record, frozen=True, kw_only=True):
    """Random texts through a tokenizer; failures are those that do not come back byte for byte."""

    tokenizer: str
    texts: int
    n_bytes: int
    failures: int
    seconds: float


class Durability(Record, frozen=True, kw_only=True, tag_field="kind", tag="durability"):
    """What `gptkit stress` found. Each part may be empty."""

    format: Literal[1] = 1
    gptkit: str
    command: str
    kills: list[KillRow]
    files: list[FileRow]
    texts: list[TextRow]
