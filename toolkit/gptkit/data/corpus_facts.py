"""The facts about a corpus that results record."""

from __future__ import annotations

import msgspec


class TextPart(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One of several texts of a corpus.

    Attributes:
        name: its name in tables.
        spec: what it was loaded by.
    """

    name: str
    spec: str
    train_chars: int
    val_chars: int
    test_chars: int | None = None


class CorpusFacts(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A corpus without its text. Test sizes are None if there is no test text.

    Attributes:
        sha256: the hash of the whole text's UTF-8 bytes.
        entropy_bits_per_byte: the entropy of the source that wrote the text, if it is known.
        held_out_files: for a text of several files, the first file that val and test are from, its
            number, and the number of files; None if they are from all of them.
        parts: the texts that the corpus was joined from, if there are several.
    """

    name: str
    sha256: str
    train_bytes: int
    val_bytes: int
    train_chars: int
    val_chars: int
    test_bytes: int | None = None
    test_chars: int | None = None
    entropy_bits_per_byte: float | None = None
    held_out_files: tuple[str, int, int] | None = None
    parts: tuple[TextPart, ...] = ()

    def without_names(self) -> CorpusFacts:
        """Return the facts that do not depend on where the text is."""
        parts = tuple(msgspec.structs.replace(part, name="", spec="") for part in self.parts)
        return msgspec.structs.replace(self, name="", held_out_files=None, parts=parts)
