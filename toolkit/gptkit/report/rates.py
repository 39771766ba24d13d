"""Write the study of learning rates as a page."""

from __future__ import annotations

import shlex
from statistics import fmean

from gptkit.report.table import Cell, Column, Row, Section, Table, escape_markdown, to_markdown
from gptkit.results.studies import FAIR, RULE, RatesStudy, RecipeRates, Regret
from gptkit.results.summary import join_names


def markdown(study: RatesStudy) -> str:
    """Write the report of `gptkit.bench.rates.study_rates`."""
    texts = [text.name for text in study.texts]
    held_out = join_names([f"{text.val_chars:,}" for text in study.texts])
    lines = [
        "# Do the learning rates favour a tokenizer?",
        "",
        f"Every tokenizer was trained at the same multiples of a recipe's learning rates, with "
        f"{study.budget} of text per arm and {study.seeds} seeds, on "
        f"{escape_markdown(join_names(texts))} alone. The losses are of {held_out} characters at "
        "its end, which training does not see. A tokenizer's regret is its mean loss over texts "
        "and seeds, less the loss at its own best setting. The shared rate is the factor whose "
        "largest regret is smallest. "
        + (
            f"`{RULE}` is the recipe's own: its rates times √(tokens / bytes) of a training step."
            if any(RULE in recipe.regret for recipe in study.recipes)
            else ""
        ),
    ]
    for recipe in study.recipes:
        lines += ["", *_of_recipe(recipe, texts, study)]
    return "\n".join([*lines, "", "## Run this again", "", f"    {command(study)}", ""])


def command(study: RatesStudy) -> str:
    """Return the command line that runs the study again."""
    words = ["gptkit", "rates", "--models", ",".join(r.model for r in study.recipes)]
    words += ["--tokenizers", ",".join(study.tokenizers)]
    words += [word for text in study.data for word in ("--data", text)]
    words += ["--factors", ",".join(f"{factor:g}" for factor in study.factors)]
    return shlex.join([*words, "--seeds", str(study.seeds), "--budget", study.budget])


def _of_recipe(recipe: RecipeRates, texts: list[str], study: RatesStudy) -> list[str]:
    ways = list(recipe.regret)
    names = {way: "by rule" if way == RULE else f"shared, {way}" for way in ways}
    rates = ", ".join(f"{name} {value:g}" for name, value in recipe.rates.items())
    lines = [f"## {recipe.model}", "", f"At factor 1: {rates}. {_fairness(recipe)}"]
    for i, text in enumerate(texts):
        lines += ["", *to_markdown(_loss_table(recipe, i, text, study))]
    regrets: list[Row] = [
        [t, recipe.own_best[t], *(_regret(recipe.regret[way][t]) for way in ways)]
        for t in study.tokenizers
    ]
    columns = [Column("regret, bits per byte", "left"), *map(Column, ("own best", *names.values()))]
    lines += ["", *to_markdown(Table("", columns, [Section(regrets)]))]
    moves: list[Row] = [
        [
            f"{pair.a} over {pair.b}",
            texts[pair.text],
            *(f"{bits:+.3f}" for bits in (pair.own_best, *(pair.by_way[way] for way in ways))),
        ]
        for pair in recipe.pairs
    ]
    columns = [Column("pair", "left"), Column("text", "left")]
    columns += map(Column, ("own best", *names.values()))
    return [
        *lines,
        "",
        "± is the standard error over texts and seeds. How far the verdict moves, in bits per byte "
        "that the first tokenizer is better by:",
        "",
        *to_markdown(Table("", columns, [Section(moves)])),
    ]


def _loss_table(recipe: RecipeRates, i: int, text: str, study: RatesStudy) -> Table:
    settings = [f"{factor:g}" for factor in study.factors]
    settings += [RULE] if RULE in recipe.regret else []
    rows: list[Row] = []
    for tokenizer in study.tokenizers:
        losses = {s: fmean(recipe.losses[i][tokenizer][s]) for s in settings}
        best = min(losses.values())
        cells = [Cell(f"{v:.3f}", "best" if v == best else None) for v in losses.values()]
        rows.append([tokenizer, *cells])
    return Table("", [Column(text, "left"), *map(Column, settings)], [Section(rows)])


def _regret(regret: Regret) -> str:
    return f"{regret.mean:.3f} ± {regret.error:.3f}"


def _fairness(recipe: RecipeRates) -> str:
    """Say the largest regret of each way, and whether it is fair."""
    said = []
    for way, regrets in recipe.regret.items():
        worst = max(regrets, key=lambda tokenizer: regrets[tokenizer].mean)
        mean = regrets[worst].mean
        what = "The rule" if way == RULE else f"The shared rate, {way},"
        fair = "within" if mean <= FAIR else "more than"
        said.append(f"{what} costs {worst} most, {mean:.3f} bits per byte: {fair} {FAIR}.")
    return " ".join(said)
