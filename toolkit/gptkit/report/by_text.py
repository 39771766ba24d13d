"""Make tables of several texts: each text's losses, and how many tokens it costs."""

from __future__ import annotations

from collections.abc import Sequence

from gptkit.data.parity import TextTokens
from gptkit.report.table import Cell, Column, Row, Section, Table
from gptkit.results.schema import ALL, ArmResult, Results, TextVerdict
from gptkit.results.summary import say_leads


def text_loss_table(results: Results, *, model: str | None = None) -> Table | None:
    """Make a table with a row per text and a column per tokenizer; None for a single text.

    Args:
        model: the only model to show; None shows all.
    """
    if results.by_text is None:
        return None
    losses = [row for row in results.by_text.losses if model in (None, row.model)]
    names = list(dict.fromkeys(row.tokenizer for row in losses))
    sections = []
    for model in dict.fromkeys(row.model for row in losses):
        rows: list[Row] = []
        for text in dict.fromkeys(row.text for row in losses):
            at = {r.tokenizer: r for r in losses if (r.text, r.model) == (text, model)}
            best = min(row.bits_per_byte for row in at.values())
            cells = [
                Cell(
                    f"{at[name].bits_per_byte:.3f}",
                    "best" if at[name].bits_per_byte == best else None,
                )
                for name in names
            ]
            rows.append([text, f"{at[names[0]].bytes:,}", *cells])
        sections.append(Section(rows, model))
    return Table(
        title="Bits per byte of each text",
        columns=[
            Column("text", "left", fold=True),
            Column("bytes"),
            *(Column(name, fold=True, needed=True) for name in names),
        ],
        sections=sections,
    )


def parity_table(tokens: Sequence[TextTokens]) -> Table:
    """Make a table of the tokens of each text relative to the first, with a row per tokenizer."""
    texts = list(tokens[0].tokens)
    rows: list[Row] = [
        [
            row.tokenizer,
            f"{row.tokens[texts[0]]:,}",
            *(f"{row.parity[text]:.3f}" for text in texts[1:]),
            row.worst,
            f"{row.gini:.3f}",
        ]
        for row in tokens
    ]
    return Table(
        title=f"Tokens of each text, relative to {texts[0]}",
        columns=[
            Column("tokenizer", "left", fold=True),
            Column(f"{texts[0]}, \ntokens", fold=True),
            *(Column(text, fold=True) for text in texts[1:]),
            Column("worst", fold=True),
            Column("Gini"),
        ],
        sections=[Section(rows)],
        notes=[
            "For parallel texts, which say the same. Gini is the coefficient of the numbers of "
            "tokens: 0 if all texts cost the same."
        ],
    )


def say_other_texts(results: Results, best: ArmResult) -> str:
    """Say on which texts another tokenizer is best under the best arm's model; "" if on none.

    Leads that may be chance are left out.
    """
    if results.by_text is None:
        return ""
    rows = [row for row in results.by_text.losses if row.model == best.model]
    doubtful = {
        (v.text, v.a, v.b)
        for v in results.by_text.verdicts
        if v.model == best.model and v.significant is False
    }
    texts = list(dict.fromkeys(row.text for row in rows))
    others: dict[str, list[str]] = {}
    for text in texts:
        first = min((r for r in rows if r.text == text), key=lambda r: r.bits_per_byte).tokenizer
        if first != best.tokenizer and (text, first, best.tokenizer) not in doubtful:
            others.setdefault(first, []).append(text)
    if not others:
        return ""
    return f"But under {best.model} {say_leads(others, n_texts=len(texts))}."


def shown_verdicts(results: Results) -> list[TextVerdict]:
    """Return the verdicts over all texts, and those of a text that differ from them in order."""
    if results.by_text is None:
        return []
    every = results.by_text.verdicts
    leads = {(v.model, v.a, v.b) for v in every if v.text == ALL}
    return [
        v
        for v in every
        if v.text == ALL
        or (v.significant is not False and (v.model, v.a, v.b) not in leads)
        or len(every) <= 8
    ]
