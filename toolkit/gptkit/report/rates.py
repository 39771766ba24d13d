"""The study of learning rates, as a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gptkit.bench.rates import FAIR, RULE
from gptkit.report.cells import cell, table_head, table_row
from gptkit.report.formatting import listed


def markdown(study: dict[str, Any]) -> str:
    """The report of `gptkit.bench.rates.study_rates`."""
    texts = [text["name"] for text in study["texts"]]
    held_out = listed([f"{text['val_chars']:,}" for text in study["texts"]])
    lines = [
        "# Whom do the learning rates favour?",
        "",
        f"Every tokenizer was trained at the same multiples of a recipe's learning rates, "
        f"{study['budget']} of text per arm, {study['seeds']} seeds, on {cell(listed(texts))} "
        f"alone: the losses are of {held_out} characters at its end, which training does not see. "
        "A tokenizer's regret is its mean loss over texts and seeds, less that at its own best "
        "setting. The shared rate is the one whose largest regret is smallest. "
        + (
            f"`{RULE}` is the recipe's own: its rates times √(tokens / bytes) of a training step."
            if any(RULE in recipe["regret"] for recipe in study["recipes"])
            else ""
        ),
    ]
    for recipe in study["recipes"]:
        lines += ["", *_of_recipe(recipe, texts, study)]
    return "\n".join([*lines, "", "## Again", "", f"    {command(study)}", ""])


def command(study: dict[str, Any]) -> str:
    """The command line that makes the study again."""
    words = ["gptkit", "rates", "--models", ",".join(r["model"] for r in study["recipes"])]
    words += ["--tokenizers", ",".join(study["tokenizers"])]
    words += [word for text in study["data"] for word in ("--data", text)]
    words += ["--factors", ",".join(f"{factor:g}" for factor in study["factors"])]
    return shlex.join([*words, "--seeds", str(study["seeds"]), "--budget", study["budget"]])


def _of_recipe(recipe: dict[str, Any], texts: Sequence[str], study: dict[str, Any]) -> list[str]:
    ways = list(recipe["regret"])
    settings = [f"{factor:g}" for factor in study["factors"]]
    settings += [RULE] if RULE in ways else []
    rates = ", ".join(f"{name} {value:g}" for name, value in recipe["rates"].items())
    lines = [f"## {recipe['model']}", "", f"At factor 1: {rates}. {_fairness(recipe)}"]
    for i, text in enumerate(texts):
        columns = (cell(text), *settings)
        lines += ["", *table_head(columns, names=1)]
        for tokenizer in study["tokenizers"]:
            losses = {s: fmean(recipe["losses"][i][tokenizer][s]) for s in settings}
            best = min(losses.values())
            shown = [f"**{v:.3f}**" if v == best else f"{v:.3f}" for v in losses.values()]
            lines.append(table_row([cell(tokenizer), *shown]))
    names = {way: "by rule" if way == RULE else f"shared, {way}" for way in ways}
    columns = ("regret, bits per byte", "own best", *names.values())
    lines += ["", *table_head(columns, names=1)]
    for tokenizer in study["tokenizers"]:
        regrets = [recipe["regret"][way][tokenizer] for way in ways]
        shown = [f"{r['mean']:.3f} ± {r['error']:.3f}" for r in regrets]
        lines.append(table_row([cell(tokenizer), recipe["own_best"][tokenizer], *shown]))
    lines += [
        "",
        "± is the standard error over texts and seeds. How far the verdict moves, in bits per byte "
        "that the first is better by:",
        "",
        *table_head(("pair", "text", "own best", *names.values()), names=2),
    ]
    for pair in recipe["pairs"]:
        shown = [f"{pair[way]:+.3f}" for way in ("own_best", *ways)]
        of = [cell(f"{pair['a']} over {pair['b']}"), cell(texts[pair["text"]])]
        lines.append(table_row([*of, *shown]))
    return lines


def _fairness(recipe: dict[str, Any]) -> str:
    """Each way's largest regret, and whether it is fair."""
    said = []
    for way, regrets in recipe["regret"].items():
        worst = max(regrets, key=lambda tokenizer: regrets[tokenizer]["mean"])
        mean = regrets[worst]["mean"]
        what = "The rule" if way == RULE else f"The shared rate, {way},"
        fair = "within" if mean <= FAIR else "more than"
        said.append(f"{what} costs {worst} most, {mean:.3f} bits per byte: {fair} {FAIR}.")
    return " ".join(said)
