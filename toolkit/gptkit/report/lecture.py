"""The lecture's trick, attention's weights and the ladder -> rich renderables; prints nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from torch import Tensor

from gptkit.eval.attention_weights import Batch, Toy
from gptkit.report.formatting import printable, short, visible
from gptkit.results.ladder import StageRow, ladder_note, published, stage_rows

SHADES = ".░▒▓█"
STYLES = ("dim", "blue", "cyan", "green", "bold yellow")
FROM = ("0", "1/64", "1/16", "1/4", "9/16")  # the least weight of each shade
INDENT = 2  # columns before what a step shows
LABEL = 12  # characters of a token beside its row, at most; above its column two thirds of that


def toy_steps(toy: Toy) -> Group:
    """The 3 x 3 example, step by step."""
    three = Columns(
        [_matrix("a", toy.a), Text("\n@"), _matrix("b", toy.b), Text("\n="), _matrix("c", toy.c)],
        padding=(0, 2),
    )
    means = Columns([_matrix("means", toy.means), Text("\n= c")], padding=(0, 2))
    return Group(
        _step(
            "1. Means as a matrix product",
            "Row i of a has the weight 1/i for each of the first i rows of b, and 0 for those that "
            "come after. The product a @ b therefore averages what came before, without a loop.",
            three,
            code="torch.manual_seed(42)\n"
            "a = torch.tril(torch.ones(3, 3))\n"
            "a = a / a.sum(1, keepdim=True)\n"
            "b = torch.randint(0, 10, (3, 2)).float()\n"
            "c = a @ b",
        ),
        _step(
            "2. The same by hand",
            "The mean of the first row of b, of its first two, of all three. They are the rows of "
            "c: a position that may look at those before it, and at no later one.",
            means,
            code="means = torch.stack([b[:i + 1].mean(0) for i in range(3)])",
        ),
    )


def batch_steps(batch: Batch) -> Group:
    """The batch version, step by step."""
    T = len(batch.weights)
    shape = f"torch.Size({list(batch.by_softmax.shape)})"
    return Group(
        _step(
            f"3. A batch, three ways: B, T, C = {', '.join(map(str, batch.x.shape))}",
            "A loop takes the mean of x[b, :t+1] for each b and t; a product with the triangle "
            "does the same at once; and so does a softmax of scores that are all 0, with those of "
            "later positions at -inf. The softmax is the one that attention keeps: its scores need "
            "not be 0.",
            Text(
                f"shape of each: {shape}\n"
                f"largest difference between the three: {batch.largest_difference:.1e}"
            ),
            code="torch.manual_seed(1337)\n"
            "x = torch.randn(B, T, C)\n"
            "by_loop[b, t] = x[b, :t + 1].mean(0)\n"
            "by_product = tril / tril.sum(1, keepdim=True) @ x\n"
            "weights = F.softmax(torch.zeros(T, T).masked_fill(tril == 0, -inf), dim=-1)\n"
            "by_softmax = weights @ x",
        ),
        _step(
            "4. The weights",
            "softmax(masked_fill(tril == 0, -inf)) gives row t the weight 1/t for itself and for "
            "all before it. Later positions have none: exp(-inf) is 0.",
            heat_map(batch.weights, [str(t) for t in range(1, T + 1)], width=80),
        ),
    )


def attention_step(
    weights: Tensor, tokens: Sequence[str], *, width: int, where: str, learned: bool = True
) -> Group:
    """The weights (T, T) of a trained head on a text's tokens.

    Args:
        width: of the terminal, in columns.
        where: which head, in words.
        learned: whether they are a softmax of scores, or an average's, all the same.
    """
    row = "A row says how much of each token goes into what its own position computes next"
    if learned:
        title = "Weights that were learned"
        why = (
            f"{row}: a softmax of query times key, so the weights depend on the tokens. What comes "
            "later is masked as in gptkit lecture trick, and has no weight."
        )
    else:
        title = "Weights of an average"
        why = f"{row}: the same of each, whatever the tokens are. What comes later has no weight."
    return _step(f"{title}: {where}", why, heat_map(weights, tokens, width=width))


def heat_map(weights: Tensor, tokens: Sequence[str], *, width: int) -> Group:
    """Weights (T, T) as shades, a row per position, tokens on both axes; the future is empty.

    A cell is two of the terminal's `width` columns wide where all fit, else one.
    """
    shown = [visible(token, most=LABEL) for token in tokens]
    side = max(map(cell_len, shown))
    above = [token[: 2 * LABEL // 3] for token in shown]
    height = max(map(len, above))
    cell = 2 if len(tokens) <= fitting(width, tokens, cell=2) else _least_cell(shown)
    lines = []
    for i in range(height):
        letters = (token.rjust(height)[i] for token in above)
        spaced = (letter + " " * (cell - cell_len(letter)) for letter in letters)
        lines.append(Text(" " * (side + 1) + "".join(spaced)))
    for i, (token, row) in enumerate(zip(shown, weights.tolist(), strict=True)):
        line = Text(" " * (side - cell_len(token)) + token + " ")
        for weight in row[: i + 1]:
            level = shade(weight)
            line.append(SHADES[level] * cell, style=STYLES[level])
        lines.append(line)
    legend = Text("weight: ")
    for mark, style, least in zip(SHADES, STYLES, FROM, strict=True):
        legend.append(mark * 2, style=style).append(f" from {least}  ")
    return Group(*lines, legend)


def fitting(width: int, tokens: Sequence[str], *, cell: int | None = None) -> int:
    """How many tokens, the last ones, a heat map of so many columns has room for, at least one.

    Args:
        cell: columns of each; None for the fewest that hold their letters.
    """
    shown = [visible(token, most=LABEL) for token in tokens]
    side = max(map(cell_len, shown), default=0)
    return max(1, (width - INDENT - side - 1) // (cell or _least_cell(shown)))


def _least_cell(shown: Sequence[str]) -> int:
    return max((cell_len(letter) for token in shown for letter in token), default=1) or 1


def shade(weight: float) -> int:
    """Which of the five shades a weight from 0 to 1 has: even steps of its square root.

    >>> [shade(weight) for weight in (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)]
    [0, 0, 1, 2, 3, 4]
    """
    return 0 if weight < 1 / 64 else min(4, 1 + int(4 * math.sqrt(weight)))


def ladder_table(result: dict[str, Any]) -> Table:
    """A row per stage: all figures for one tokenizer, bits per byte alone for several."""
    rows = stage_rows(result)
    corpus = result["corpus"]
    n_seeds = len({arm["seed"] for arm in result["arms"]})
    of = f", {next(iter(rows))}" if len(rows) == 1 else ", bits per byte"
    table = Table(
        title=Text(
            f"The ladder on {printable(corpus['name'])}{printable(of)}"
            + (f", mean of {n_seeds} seeds" if n_seeds > 1 else "")
        ),
        caption=Text(ladder_note(result, spread=len(rows) == 1 and n_seeds > 1)),
        box=box.SIMPLE_HEAD,
        padding=0,
        caption_justify="left",
    )
    table.add_column("stage", no_wrap=True)
    table.add_column("what it adds", no_wrap=True)
    if len(rows) == 1:
        _one(table, next(iter(rows.values())))
    else:
        _several(table, rows, result)
    return table


def _one(table: Table, rows: Sequence[StageRow]) -> None:
    spread = rows[0].deviation is not None
    for name in (
        "para-\nmeters",
        "text",
        "nats/\ntoken",
        "bits/\nbyte",
        *(["±"] if spread else []),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gain", justify="right", no_wrap=True)
    known = any(row.published for row in rows)
    if known:
        table.add_column("published\nnats", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.stage,
            row.adds,
            short(row.params),
            short(row.train_bytes) + "B",
            f"{row.nats_per_token:.3f}",
            Text(f"{row.bits:.3f}", style="bold"),
            *([] if row.deviation is None else [f"{row.deviation:.3f}"]),
            "" if row.gain is None else f"{row.gain:+.3f}",
            *([row.published] if known else []),
        )


def _several(table: Table, rows: dict[str, list[StageRow]], result: dict[str, Any]) -> None:
    for tokenizer in rows:
        table.add_column(Text(printable(tokenizer)), justify="right", overflow="fold")
    stages = next(iter(rows.values()))
    known = any(published(row.stage, result) for row in stages)
    if known:
        table.add_column("published\nfor char", justify="right")
    for same in zip(*rows.values(), strict=True):
        best = min(row.bits for row in same)
        table.add_row(
            same[0].stage,
            same[0].adds,
            *(
                Text(f"{row.bits:.3f}", style="bold green" if row.bits == best else "")
                for row in same
            ),
            *([published(same[0].stage, result, bits=True)] if known else []),
        )
    table.add_section()
    gains = [
        fmean([row.gain for row in of if row.gain is not None] or [0.0]) for of in rows.values()
    ]
    table.add_row("", "gain, mean", *(f"{gain:+.3f}" for gain in gains))


def _matrix(name: str, matrix: Tensor) -> Text:
    rows = [[f"{x:.5g}" for x in row] for row in matrix.tolist()]
    width = max(len(x) for row in rows for x in row)
    lines = ["  ".join(f"{x:>{width}}" for x in row) for row in rows]
    return Text("\n".join([f"{name}, {' x '.join(map(str, matrix.shape))}", *lines]))


def _step(title: str, why: str, shown: RenderableType, *, code: str = "") -> Group:
    parts: list[RenderableType] = [Text(title, style="bold"), Text(why), ""]
    if code:
        parts += [Padding(Text(code, style="cyan"), (0, 0, 1, INDENT), expand=False)]
    return Group(*parts, Padding(shown, (0, 0, 1, INDENT), expand=False))
