"""Write the loss map: the text, coloured by which of two tokenizers needs fewer bits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gptkit.report.formatting import printable
from gptkit.report.html.document import data_island, paragraph, table_html
from gptkit.report.html.packed import pack
from gptkit.report.html.text import exact_html
from gptkit.report.table import Cell, Column, Row, Section, Table, escape_html
from gptkit.results.loss_map import (
    CLASSES,
    MappedArm,
    Piece,
    Stretches,
    block_ends,
    char_starts,
    choose_pieces,
    classify,
    compare_piece,
    scale_limit,
)
from gptkit.results.schema import Verdict

N_BLOCKS = 400  # of the minimap
MOST_WHOLE_CHARS = 2_000_000  # of a page that holds the whole text
MOST_WHOLE_BYTES = 400_000  # of a text that a browser lays out quickly
MOST_LISTED_PAIRS = 60
PRINTED_BYTES = 3000


def loss_map(arms: Sequence[MappedArm], verdicts: Sequence[Verdict], first: Verdict) -> str:
    """Write the map of a pair of tokenizers, and the data from which a script draws the others.

    Args:
        arms: every tokenizer under every model.
        first: the pair that is drawn.
    """
    text = arms[0].losses.text
    ends = block_ends(len(text), N_BLOCKS)
    pieces = _pieces(arms, n_blocks=len(ends))
    data = _data(arms, pieces, ends)
    names, _ = _names(arms)
    pair = sorted((first.a, first.b), key=names.index)  # blue is the first one, as in the curves
    a, b = (_arm(arms, name, first.model) for name in pair)
    compared = [compare_piece(a, b, piece) for piece in pieces]
    return "".join(
        [
            _about(len(text), pieces),
            _pickers(arms, pair, first.model),
            _key(pair, scale_limit(compared)),
            _minimap(a, b, ends),
            _text(text, pieces, compared),
            _excerpt(text, pieces[0], compared[0], scale_limit(compared)),
            _extremes(arms, verdicts, first),
            data_island("map-data", data),
        ]
    )


def _arm(arms: Sequence[MappedArm], tokenizer: str, model: str) -> MappedArm:
    return next(arm for arm in arms if (arm.tokenizer, arm.model) == (tokenizer, model))


def _pieces(arms: Sequence[MappedArm], *, n_blocks: int) -> list[Piece]:
    """Return the whole text as one piece, or for a long text, pieces of it."""
    n = len(arms[0].losses.text)
    by_tokenizer = {arm.tokenizer: len(arm.losses.borders) for arm in arms}
    lengths = [count for count in by_tokenizer.values() if count < n]
    bits = sum(len(arm.losses.borders) for arm in arms)
    spans = 20 * min(by_tokenizer.values())
    size = n + spans + 1.2 * (bits + sum(lengths))
    if size <= MOST_WHOLE_CHARS and n <= MOST_WHOLE_BYTES:
        return [Piece(start=0, end=n)]
    share = MOST_WHOLE_CHARS / (size / n) / 300  # pieces of about 300 bytes
    return choose_pieces(arms, n=max(20, min(n_blocks, int(share))))


def _data(arms: Sequence[MappedArm], pieces: Sequence[Piece], ends: np.ndarray) -> dict[str, Any]:
    """Return what the script needs: lengths and tenths of all tokens; names are for readers."""
    tokenizers, models = _names(arms)
    at = {(arm.tokenizer, arm.model): arm for arm in arms}
    return {
        "bytes": int(ends[-1]),
        "pieces": [piece.start for piece in pieces],
        "blocks": np.diff(ends, prepend=0).tolist(),
        "tokenizers": [
            {"name": printable(name), "lengths": _lengths(at[name, models[0]], pieces)}
            for name in tokenizers
        ],
        "arms": [
            [
                {
                    "bits": [pack(at[name, model].tokens(piece)[1].tolist()) for piece in pieces],
                    "blocks": pack(at[name, model].block_tenths(ends).tolist()),
                }
                for model in models
            ]
            for name in tokenizers
        ],
    }


def _lengths(arm: MappedArm, pieces: Sequence[Piece]) -> list[str] | None:
    """Pack the lengths of a tokenizer's tokens; None if each is a character."""
    losses = arm.losses
    if np.array_equal(losses.borders, char_starts(losses.text)[1:]):
        return None
    return [pack(np.diff(arm.tokens(piece)[0], prepend=0).tolist()) for piece in pieces]


def _about(n_bytes: int, pieces: Sequence[Piece]) -> str:
    shown = sum(piece.end - piece.start for piece in pieces)
    part = (
        "all of it"
        if shown == n_bytes
        else f"{len(pieces)} parts with {shown:,} bytes: from each stretch of the text, where the "
        "tokenizers differ most"
    )
    return paragraph(
        f"The text that the losses are from has {n_bytes:,} bytes; below is {part}. Each stretch "
        "between borders that both tokenizers share is coloured by how many bits one of them saves "
        "over the other. Losses are means over the seeds."
    )


def _pickers(arms: Sequence[MappedArm], pair: Sequence[str], model: str) -> str:
    tokenizers, models = _names(arms)
    edges = ("none", "of the first", "of the second")
    choices = [
        ("map-a", "solid, blue:", tokenizers, tokenizers.index(pair[0])),
        ("map-b", "dotted, orange:", tokenizers, tokenizers.index(pair[1])),
        ("map-model", "under", models, models.index(model)),
        ("map-edges", "token borders:", edges, 0),
    ]
    shown = "".join(
        f'<label>{label} <select id="{name}" autocomplete="off">{_options(names, chosen)}</select>'
        "</label>"
        for name, label, names, chosen in choices
    )
    return f'<fieldset class="script"><legend>Compare</legend>{shown}</fieldset>'


def _names(arms: Sequence[MappedArm]) -> tuple[list[str], list[str]]:
    """Return the tokenizers and the models, in the order in which the page counts them."""
    return (
        list(dict.fromkeys(arm.tokenizer for arm in arms)),
        list(dict.fromkeys(arm.model for arm in arms)),
    )


def _options(names: Sequence[str], chosen: int) -> str:
    return "".join(
        f'<option value="{at}"{" selected" if at == chosen else ""}>{escape_html(name)}</option>'
        for at, name in enumerate(names)
    )


def _key(pair: Sequence[str], limit: float) -> str:
    steps = [*(f"a{i}" for i in range(CLASSES, 0, -1)), "a0", *(f"b{i}" for i in range(1, 5))]
    boxes = "".join(f'<b class="{step}">&nbsp;x&nbsp;</b>' for step in steps)
    return (
        f'<p class="key"><span><span class="name-a">{escape_html(pair[0])}</span> saves '
        f'<span id="map-limit">{limit:.1f}</span> bits per byte or more</span>'
        f'<span>{boxes}</span><span><span class="name-b">{escape_html(pair[1])}</span> saves as '
        "much</span></p>"
    )


def _minimap(a: MappedArm, b: MappedArm, ends: np.ndarray) -> str:
    """Draw a bar of the whole text; a click jumps to the place."""
    saved = b.block_tenths(ends) - a.block_tenths(ends)
    blocks = Stretches(ends=ends, saved=saved)
    names = _class_names(classify(blocks.bits_per_byte, scale_limit([blocks])))
    starts = [0, *ends[:-1].tolist()]
    rects = "".join(
        f'<rect class="{name}" x="{start}" width="{end - start}" height="1"/>'
        for name, start, end in zip(names, starts, ends.tolist(), strict=True)
    )
    n = int(ends[-1])
    return (
        f'<svg id="minimap" class="minimap" viewBox="0 0 {n} 1" preserveAspectRatio="none" '
        f'role="img" aria-label="The whole text, from its start to its end">{rects}</svg>'
        '<label class="script">Go to a byte of the text '
        f'<input type="range" id="map-place" min="0" max="{n - 1}" value="0"></label>'
    )


def _class_names(classes: np.ndarray) -> list[str]:
    return [f"{'a' if at >= 0 else 'b'}{abs(at)}" for at in classes.tolist()]


def _text(text: np.ndarray, pieces: Sequence[Piece], compared: Sequence[Stretches]) -> str:
    limit = scale_limit(compared)
    shown, at = "", 0
    for piece, stretches in zip(pieces, compared, strict=True):
        if piece.start > at:
            shown += f'<p class="gap">… {piece.start - at:,} bytes …</p>'
        at = piece.end
        names = _class_names(classify(stretches.bits_per_byte, limit))
        # A line break after <pre> is not part of the text, so that one of the text's own stays.
        shown += f"<pre>\n{_spans(text, piece, stretches.ends, names)}</pre>"
    if at < len(text):
        shown += f'<p class="gap">… {len(text) - at:,} bytes …</p>'
    return (
        '<div id="map-text" class="map" role="region" tabindex="0" '
        f'aria-label="The text. Arrow keys go from stretch to stretch.">{shown}</div>'
        '<output id="map-info" class="script">Point at a stretch, or go through them with the '
        "arrow keys, to see its tokens.</output>"
    )


def _excerpt(text: np.ndarray, piece: Piece, stretches: Stretches, limit: float) -> str:
    """Write the start of the map for print: a browser takes minutes to print all of it."""
    n = int(np.searchsorted(stretches.ends, PRINTED_BYTES, side="right")) or 1
    names = _class_names(classify(stretches.bits_per_byte[:n], limit))
    return (
        '<div class="map printed"><p class="gap">In print, the start of the text:</p>'
        f"<pre>\n{_spans(text, piece, stretches.ends[:n], names)}</pre></div>"
    )


def _spans(text: np.ndarray, piece: Piece, ends: np.ndarray, names: Sequence[str]) -> str:
    """Write a piece; neighbours of one class share an element."""
    changes = [i for i in range(1, len(names)) if names[i] != names[i - 1]]
    part = text[piece.start : piece.start + int(ends[-1])].tobytes()
    shown, start = [], 0
    for i in [*changes, len(names)]:
        end = int(ends[i - 1])
        inside, name = exact_html(part[start:end].decode()), names[i - 1]
        shown.append(inside if name == "a0" else f"<b class={name}>{inside}</b>")
        start = end
    return "".join(shown)


def _extremes(arms: Sequence[MappedArm], verdicts: Sequence[Verdict], first: Verdict) -> str:
    """List the most extreme stretches of each pair; those of other pairs are hidden."""
    tokenizers, models = _names(arms)
    listed = verdicts if len(verdicts) <= MOST_LISTED_PAIRS else [first]
    shown = ""
    for verdict in listed:
        table = extreme_table(verdict)
        if table is None:
            continue
        hidden = "" if verdict == first else " hidden"
        pair = ",".join(
            map(str, sorted([tokenizers.index(verdict.a), tokenizers.index(verdict.b)]))
        )
        buttons = "".join(
            f'<button type="button" data-byte="{one.start}">{one.bits_per_byte:+.2f}</button> '
            for one in [*verdict.stretches.most, *reversed(verdict.stretches.least)]
        )
        shown += (
            f'<div data-pair="{pair},{models.index(verdict.model)}"{hidden}>{table_html(table)}'
            f'<p class="script">Go to: {buttons}</p></div>'
        )
    return f"<h3>The most extreme stretches</h3>{shown}" if shown else ""


def extreme_table(verdict: Verdict) -> Table | None:
    """Make a table of the stretches where the better tokenizer saves most, then least."""
    stretches = [*verdict.stretches.most, *reversed(verdict.stretches.least)]
    if not stretches:
        return None
    rows: list[Row] = [
        [
            Cell(f"{stretch.bits_per_byte:+.2f}", value=stretch.bits_per_byte),
            f"{stretch.start:,}",
            stretch.text.replace("\n", "⏎"),
        ]
        for stretch in stretches
    ]
    return Table(
        title=f"Where {verdict.a} saves most and least over {verdict.b} under {verdict.model}",
        columns=[Column("bits/byte"), Column("at byte"), Column("text", "left")],
        sections=[Section(rows)],
    )
