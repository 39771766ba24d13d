"""Show the averaging trick and attention weights step by step on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gptkit.report.formatting import visible

Matrix = Sequence[Sequence[float]]

SHADES = ".░▒▓█"
SHADE_STYLES = ("dim", "blue", "cyan", "green", "bold yellow")
SHADE_MINIMA = ("0", "1/64", "1/16", "1/4", "9/16")  # the least weight of each shade
INDENT_COLUMNS = 2  # before what a step shows
MAX_LABEL_CHARS = 12  # of a token beside its row; above its column two thirds of that


def toy_steps(a: Matrix, b: Matrix, c: Matrix, means: Matrix) -> Group:
    """Show the 3 x 3 example step by step."""
    three = Columns(
        [_matrix("a", a), Text("\n@"), _matrix("b", b), Text("\n="), _matrix("c", c)],
        padding=(0, 2),
    )
    by_hand = Columns([_matrix("means", means), Text("\n= c")], padding=(0, 2))
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
            by_hand,
            code="means = torch.stack([b[:i + 1].mean(0) for i in range(3)])",
        ),
    )


def batch_steps(shape: Sequence[int], largest_difference: float, weights: Matrix) -> Group:
    """Show the batch version step by step.

    Args:
        shape: B, T and C.
        largest_difference: between the three ways.
        weights: (T, T), the softmax's.
    """
    T = len(weights)
    return Group(
        _step(
            f"3. A batch, three ways: B, T, C = {', '.join(map(str, shape))}",
            "A loop takes the mean of x[b, :t+1] for each b and t; a product with the triangle "
            "does the same at once; and so does a softmax of scores that are all 0, with those of "
            "later positions at -inf. The softmax is the one that attention keeps: its scores need "
            "not be 0.",
            Text(
                f"shape of each: torch.Size({list(shape)})\n"
                f"largest difference between the three: {largest_difference:.1e}"
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
            heat_map(weights, [str(t) for t in range(1, T + 1)], width=80),
        ),
    )


def attention_step(
    weights: Matrix, tokens: Sequence[str], *, width: int, where: str, learned: bool = True
) -> Group:
    """Show the weights (T, T) of a trained head on a text's tokens.

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


def heat_map(weights: Matrix, tokens: Sequence[str], *, width: int) -> Group:
    """Draw weights (T, T) as shades: a row per position, tokens on both axes.

    A cell is two of the terminal's `width` columns wide where all fit, else one.
    """
    shown = [visible(token, most=MAX_LABEL_CHARS) for token in tokens]
    side = max(map(cell_len, shown))
    above = [token[: 2 * MAX_LABEL_CHARS // 3] for token in shown]
    height = max(map(len, above))
    cell = 2 if len(tokens) <= fitting(width, tokens, cell=2) else _least_cell(shown)
    lines = []
    for i in range(height):
        letters = (token.rjust(height)[i] for token in above)
        spaced = (letter + " " * (cell - cell_len(letter)) for letter in letters)
        lines.append(Text(" " * (side + 1) + "".join(spaced)))
    for i, (token, row) in enumerate(zip(shown, weights, strict=True)):
        line = Text(" " * (side - cell_len(token)) + token + " ")
        for weight in row[: i + 1]:
            level = shade(weight)
            line.append(SHADES[level] * cell, style=SHADE_STYLES[level])
        lines.append(line)
    legend = Text("weight: ")
    for mark, style, least in zip(SHADES, SHADE_STYLES, SHADE_MINIMA, strict=True):
        legend.append(mark * 2, style=style).append(f" from {least}  ")
    return Group(*lines, legend)


def fitting(width: int, tokens: Sequence[str], *, cell: int | None = None) -> int:
    """Return how many tokens fit in a heat map of this many columns, at least one.

    Args:
        cell: columns of each; None for the fewest that hold their letters.
    """
    shown = [visible(token, most=MAX_LABEL_CHARS) for token in tokens]
    side = max(map(cell_len, shown), default=0)
    return max(1, (width - INDENT_COLUMNS - side - 1) // (cell or _least_cell(shown)))


def _least_cell(shown: Sequence[str]) -> int:
    return max((cell_len(letter) for token in shown for letter in token), default=1) or 1


def shade(weight: float) -> int:
    """Return the shade of a weight from 0 to 1: five even steps of its square root.

    >>> [shade(weight) for weight in (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)]
    [0, 0, 1, 2, 3, 4]
    """
    return 0 if weight < 1 / 64 else min(4, 1 + int(4 * math.sqrt(weight)))


def _matrix(name: str, matrix: Matrix) -> Text:
    rows = [[f"{x:.5g}" for x in row] for row in matrix]
    width = max(len(x) for row in rows for x in row)
    lines = ["  ".join(f"{x:>{width}}" for x in row) for row in rows]
    return Text("\n".join([f"{name}, {len(matrix)} x {len(matrix[0])}", *lines]))


def _step(title: str, why: str, shown: RenderableType, *, code: str = "") -> Group:
    parts: list[RenderableType] = [Text(title, style="bold"), Text(why), ""]
    if code:
        parts += [Padding(Text(code, style="cyan"), (0, 0, 1, INDENT_COLUMNS), expand=False)]
    return Group(*parts, Padding(shown, (0, 0, 1, INDENT_COLUMNS), expand=False))
