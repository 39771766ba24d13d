"""Write a text as tokenizers cut it: the pages of `gptkit encode` and `gptkit inspect`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gptkit.data.inspection import Inspection
from gptkit.report.html.document import contents, document, paragraph, section, table_html
from gptkit.report.html.text import exact_html
from gptkit.report.inspection import frequent_table, tables_of
from gptkit.report.table import Cell, Column, Row, Section, Table, escape_html
from gptkit_tokenizers import Tokenizer

MOST_TOKENS = 20_000  # of a text under one tokenizer; a page of more is slow
SPACES = {" ": "·", "\n": "␊", "\t": "␉"}
SWITCH = (
    '<p><label><input type="checkbox" id="spaces" autocomplete="off"> show white space</label></p>'
)


@dataclass(frozen=True, kw_only=True)
class CutToken:
    """A token of a text: its id, its bytes, and its text.

    The text of a token that spells a part of a character is its bytes in hexadecimal.
    """

    id: int
    spelled: bytes
    text: str

    @classmethod
    def of(cls, tokenizer: Tokenizer, token: int) -> CutToken:
        """Describe a token."""
        spelled, text = tokenizer.token_bytes(token), tokenizer.token_text(token)
        return cls(id=token, spelled=spelled, text=spelled.hex(" ") if "\ufffd" in text else text)


@dataclass(frozen=True, kw_only=True)
class CutText:
    """A text as a tokenizer cuts it.

    Attributes:
        tokens: the first `MOST_TOKENS`.
    """

    tokenizer: str
    vocab_size: int
    n_tokens: int
    n_bytes: int
    n_chars: int
    tokens: list[CutToken]


def cut_text(name: str, tokenizer: Tokenizer, text: str) -> CutText:
    """Cut a text into tokens."""
    ids = tokenizer.encode(text)
    return CutText(
        tokenizer=name,
        vocab_size=tokenizer.vocab_size,
        n_tokens=len(ids),
        n_bytes=len(text.encode()),
        n_chars=len(text),
        tokens=[CutToken.of(tokenizer, token) for token in ids[:MOST_TOKENS]],
    )


def tokens_page(cuts: Sequence[CutText]) -> str:
    """Write the page of a text under one tokenizer or several."""
    names = ", ".join(cut.tokenizer for cut in cuts)
    parts = [
        ("counts", "Counts", table_html(count_table(cuts), sortable=True)),
        ("cut", "The text, cut into tokens", cut_sections(cuts)),
    ]
    title = f"A text under {names}"
    return document(
        title,
        [f"<h1>{escape_html(title)}</h1>", *(section(*part) for part in parts)],
        scripts=["page.js"],
    )


def inspection_page(found: Inspection, cuts: Sequence[CutText]) -> str:
    """Write what was measured of tokenizers, and a passage of the text under each."""
    names = " vs ".join(row.tokenizer for row in found.tokenizers)
    title = f"{names} on {found.corpus.name}"
    notes = [f"{row.tokenizer}: {row.audit}" for row in found.tokenizers if row.audit != "passes"]
    warnings = "".join(f"<li>{escape_html(note)}</li>" for note in notes)
    parts = [
        ("measures", "Measures", "".join(map(table_html, tables_of(found)))),
        ("cut", "The same passage, cut into tokens", cut_sections(cuts)),
        ("frequent", "Frequent tokens", table_html(frequent_table(found))),
    ]
    return document(
        title,
        [
            f"<h1>{escape_html(title)}</h1>",
            f'<ul class="warnings" aria-label="Warnings">{warnings}</ul>' if warnings else "",
            contents(parts),
            *(section(*part) for part in parts),
        ],
        scripts=["page.js"],
    )


def count_table(cuts: Sequence[CutText]) -> Table:
    """Make a table of the tokens that each tokenizer makes."""
    rows: list[Row] = [
        [
            cut.tokenizer,
            _count(cut.vocab_size),
            _count(cut.n_tokens),
            _count(cut.n_chars),
            _count(cut.n_bytes),
            f"{cut.n_bytes / cut.n_tokens:.2f}" if cut.n_tokens else "",
        ]
        for cut in cuts
    ]
    headings = ("vocabulary", "tokens", "characters", "bytes", "bytes/token")
    return Table(
        title="Tokens of the text",
        columns=[Column("tokenizer", "left"), *map(Column, headings)],
        sections=[Section(rows)],
    )


def _count(n: int) -> Cell:
    return Cell(f"{n:,}", value=float(n))


def cut_sections(cuts: Sequence[CutText]) -> str:
    """Write the text under each tokenizer, with a switch for white space."""
    shown = paragraph(
        "Point at a token to see its id and its bytes. A token that is a part of a character is "
        "shown by its bytes.",
        "soft",
    )
    for cut in cuts:
        tokens = "".join(map(_token, cut.tokens))
        more = cut.n_tokens - len(cut.tokens)
        rest = paragraph(f"… and {more:,} more tokens.", "soft") if more else ""
        name = escape_html(cut.tokenizer)
        shown += (
            f"<h3>{name}, {cut.n_tokens:,} tokens</h3>"
            f'<div class="cut" role="region" tabindex="0" aria-label="{name}">{tokens}</div>{rest}'
        )
    return SWITCH + shown


def _token(token: CutToken) -> str:
    title = f"id {token.id}, bytes {token.spelled.hex(' ')}"
    return f'<span title="{title}">{_spaced(token)}</span>'


def _spaced(token: CutToken) -> str:
    """Write a token's text with a mark for each white space, which the switch shows."""
    return "".join(
        _white(part) if part in SPACES else exact_html(part)
        for part in re.split(r"([ \n\t])", token.text)
        if part
    )


def _white(space: str) -> str:
    kind = "white line" if space == "\n" else "white"
    return f'<i class="{kind}" data-shown="{SPACES[space]}">{space}</i>'
