"""Make the tables of a text's bytes under a tokenizer, and of what is wrong with a table."""

from __future__ import annotations

from gptkit.report.formatting import visible
from gptkit.report.table import Column, Section, Spec, Table, build_rows
from gptkit.results.byte_accounting import ByteAccount, ByteCheck, Cause, WrongId


def account_table(found: ByteAccount) -> Table:
    """Make a table of what the tokens of the text spell."""
    rows: list[list[str]] = [
        ["vocabulary", f"{found.vocab_size:,}"],
        ["ids that spell nothing, special ones too", f"{found.empty_ids:,}"],
        ["tokens of the text", f"{found.tokens:,}"],
        ["ids that the text uses", f"{found.used_ids:,}"],
        ["of these, parts of characters", f"{found.partial_ids:,}"],
        ["tokens that are parts of characters", f"{found.partial_tokens:,}"],
        ["bytes of the text", f"{found.text_bytes:,}"],
        ["bytes that its tokens spell", f"{found.spelled_bytes:,}"],
        ["bytes per token", f"{found.text_bytes / max(1, found.tokens):.4f}"],
    ]
    if found.check:
        rows.append(["bytes by the given table", f"{found.check.table_bytes:,}"])
    notes = []
    if found.spelled_bytes != found.text_bytes:
        notes.append(
            "The tokenizer is lossy: divide by the bytes of the text, not by those of its tokens."
        )
    return Table(
        title=f"Bytes of {found.text} under {found.tokenizer}",
        columns=[Column("", "left"), Column("")],
        sections=[Section(list(rows))],
        notes=notes,
    )


CAUSE_COLUMNS: list[Spec[Cause]] = [
    Spec(Column("what is wrong", "left", fold=True, needed=True), lambda c: c.name),
    Spec(Column("ids"), lambda c: f"{c.ids:,}"),
    Spec(Column("tokens"), lambda c: f"{c.occurrences:,}"),
    Spec(Column("bytes off"), lambda c: f"{c.bytes:+,}"),
]
WORST_COLUMNS: list[Spec[WrongId]] = [
    Spec(Column("id"), lambda w: str(w.id)),
    Spec(Column("token", "left"), lambda w: visible(w.text, most=14)),
    Spec(Column("in hex", "left"), lambda w: w.hex[:16] + ("…" if len(w.hex) > 16 else "")),
    Spec(Column("true"), lambda w: str(w.true)),
    Spec(Column("table"), lambda w: str(w.given)),
    Spec(Column("tokens"), lambda w: f"{w.occurrences:,}"),
]


def check_tables(check: ByteCheck) -> list[Table]:
    """Make tables of the causes and of the ids that are most to blame; none if nothing is wrong."""
    if not check.causes:
        return []
    columns, rows = build_rows(CAUSE_COLUMNS, check.causes)
    causes = Table(
        title=f"What is wrong in {check.file}", columns=columns, sections=[Section(rows)]
    )
    columns, rows = build_rows(WORST_COLUMNS, check.worst)
    worst = Table(title="The ids most to blame", columns=columns, sections=[Section(rows)])
    return [causes, worst]


def check_sentences(found: ByteAccount) -> list[str]:
    """Say how wrong bits per byte are, and what this text does not show; [] without a check."""
    check = found.check
    if check is None:
        return []
    if not check.causes:
        says = [f"{check.file} has the true bytes of every id of this text."]
    elif check.error == 0:
        says = [f"{check.file} has wrong ids, but they cancel in this text."]
    else:
        way = "high" if check.error > 0 else "low"
        says = [
            f"Bits per byte by {check.file} are {abs(check.error):.2%} too {way} on this text: it "
            f"counts {check.table_bytes:,} bytes."
        ]
    if check.entries < found.vocab_size:
        says.append(
            f"It has {check.entries:,} entries for {found.vocab_size:,} ids; a text with one of "
            "the others cannot be counted by it."
        )
    if check.unused_with_bytes:
        says.append(
            f"{check.unused_with_bytes:,} ids that spell nothing, such as special tokens, have "
            "bytes in it. They make the loss too low where a text has them."
        )
    if check.zero:
        says.append(
            f"{check.zero:,} tokens have 0 bytes in it, but spell some. If the loss leaves such "
            "tokens out, it is wrong by another amount."
        )
    return says
