"""results.json -> report.md: the tables, the samples, and the command that makes them again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gptkit.budget import SECONDS
from gptkit.config import OF_TEXT, RECIPES, common
from gptkit.experiment import Experiment
from gptkit.figures import (
    baseline_cells,
    bits_of,
    by_model,
    claimed,
    cost_notes,
    deviation_of,
    headline,
    main_verdicts,
    match_rows,
    match_says,
    named,
    pair_of,
    span_rows,
    text_of_claim,
    verdict_note,
)
from gptkit.show import printable, short

LOSS_COLUMNS = (
    *("tokenizer", "model", "vocabulary", "used", "embedding", "body", "head"),
    *("bits/byte", "nats/token", "bytes/token", "tokens/s", "seconds"),
)

MATCH_COLUMNS = (
    *("tokenizer", "model", "text", "tokens", "steps", "text/step", "context bytes"),
    *("context tokens", "body", "total", "FLOPs", "seconds"),
)

SEED_COLUMNS = ("arm", "bits/byte", "best step", "last on val", "learning rate", "epochs")


def command(result: dict[str, Any]) -> str:
    """The command line that runs the experiment again.

    >>> command({"experiment": {"tokenizers": ["char", "byte"], "models": ["bigram"], "seeds": 2}})
    'gptkit compare --tokenizers char,byte --models bigram --seeds 2'
    """
    asked = result["experiment"]
    own = [RECIPES[name]() for name in asked["models"]]
    defaults = {name: field.default for name, field in Experiment.__dataclass_fields__.items()}
    defaults |= {name: common(own, name) for name in OF_TEXT}
    if asked.get("match") == "time":
        defaults["budget"] = SECONDS
    words = ["gptkit", "compare", "--tokenizers", ",".join(asked["tokenizers"])]
    for name, default in defaults.items():
        value = asked.get(name, default)
        if isinstance(value, list):
            value = tuple(value)
        if name in ("tokenizers", "name") or value in (default, None):
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return shlex.join(words)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(columns: Sequence[str], *, names: int) -> list[str]:
    """The heading of a table, its first `names` columns of text, the others of numbers."""
    return [_row(columns), _row(["---"] * names + ["---:"] * (len(columns) - names))]


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def loss_rows(result: dict[str, Any]) -> list[str]:
    """The table of losses as lines of Markdown: means over the seeds, with the deviation."""
    lines = _head(LOSS_COLUMNS, names=2)
    for seeds in by_model(result["arms"]):
        arm = seeds[0]
        val, params = claimed(arm), arm["params"]
        seconds = fmean(a["train"]["seconds"] for a in seeds)
        spread = f" ± {deviation_of(seeds):.3f}" if len(seeds) > 1 else ""
        cells = [
            _cell(named(arm)),
            arm["model"],
            f"{arm['vocab_size']:,}",
            f"{arm['vocab_seen']:,}",
            *(short(params[part]) for part in ("embedding", "body", "head")),
            f"**{bits_of(seeds):.3f}**{spread}",
            f"{fmean(claimed(a)['nats_per_token'] for a in seeds):.3f}",
            f"{val['bytes'] / val['tokens']:.2f}",
            short(fmean(a["train"]["tokens"] for a in seeds) / seconds),
            f"{seconds:.1f}",
        ]
        lines.append(_row(cells))
    for row in result["baselines"]:
        name, what = baseline_cells(row)
        known = f"knows {row['primer_bytes']:,} bytes" if row["tokenizer"] is None else "counted"
        lines.append(_baseline(name, f"{what} ({known})", row["bits_per_byte"]))
    if "entropy_bits_per_byte" in result["corpus"]:
        lines.append(_baseline("the source itself", "", result["corpus"]["entropy_bits_per_byte"]))
    return lines


def _baseline(name: str, what: str, bits: float) -> str:
    return _row([_cell(name), what, *[""] * 5, f"{bits:.3f}", *[""] * 4])


def markdown(
    result: dict[str, Any],
    *,
    beside: Sequence[dict[str, Any]] = (),
    figure: str | None = None,
) -> str:
    """The whole report of an experiment.

    Args:
        beside: other experiments, of which the losses and the command are shown.
        figure: the file of bits per byte against vocabulary size, if there is one.
    """
    names = " vs ".join(_cell(t) for t in result["experiment"]["tokenizers"])
    parts = [
        [f"# {names} on {_cell(result['corpus']['name'])}", "", f"**{_cell(headline(result))}**"],
        [f"![bits per byte against vocabulary size]({figure})"] if figure else [],
        [f"- {_cell(v['says'])}" for v in result["verdict"]],
        [note] if (note := verdict_note(result)) else [],
        loss_rows(result),
        [_loss_note(result)],
        [f"- warning: {_cell(warning)}" for warning in result["warnings"]],
        _matching(result),
        _spans(result),
        _tuning(result),
        _seeds(result),
        _samples(result),
        *map(_beside, beside),
        _again(result),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _loss_note(result: dict[str, Any]) -> str:
    corpus, seeds = result["corpus"], result["experiment"]["seeds"]
    over = f", mean ± standard deviation of {seeds} seeds" if seeds > 1 else ""
    return (
        f"Loss over the whole {text_of_claim(result)} text, "
        f"{corpus[result['claim'] + '_bytes']:,} bytes, each scored once{over}, with the weights "
        "of each arm's best evaluation on the validation text. Bits per byte compares "
        "tokenizers, nats per token does not. Parameters are the dense model's. The rows below "
        "the models count ids (Witten–Bell smoothing) or compress."
    )


def _matching(result: dict[str, Any]) -> list[str]:
    lines = [f"## {_cell(match_says(result))}", "", *_head(MATCH_COLUMNS, names=2)]
    for model, rows in match_rows(result).items():
        lines += [_row([_cell(name), model, *cells]) for name, *cells in rows]
    return [*lines, "", _cell(cost_notes(result))]


def _spans(result: dict[str, Any]) -> list[str]:
    lines = ["## Where one beats the other"] if result["verdict"] else []
    for verdict in main_verdicts(result):
        a, b, model = map(_cell, pair_of(verdict))
        lines += ["", f"{a} over {b} under {model}, most and least, bits per byte saved:", ""]
        lines += [f"    {bits}  {text}" for bits, text in span_rows(verdict)]
    return lines


def _tuning(result: dict[str, Any]) -> list[str]:
    if not result["tuning"]:
        return []
    lines = ["## Learning rates tried", "", *_head(("arm", "factor", "bits/byte"), names=1)]
    for tuned in result["tuning"]:
        for trial in tuned["trials"]:
            bits = trial["bits_per_byte"]
            shown = "diverged" if bits is None else f"{bits:.3f}"
            if trial["part"] < 1 and bits is not None:
                shown += f", stopped at {trial['part']:.0%}"
            if trial["factor"] == tuned["factor"]:
                shown = f"**{shown}**"
            name = f"{_cell(tuned['tokenizer'])}-{tuned['model']}"
            lines.append(_row([name, f"{trial['factor']:g}", shown]))
    return [*lines, "", "On training text alone; the factor is of the recipe's rates."]


def _seeds(result: dict[str, Any]) -> list[str]:
    lines = ["## Every arm", "", *_head(SEED_COLUMNS, names=1)]
    for arm in result["arms"]:
        cells = [
            _cell(arm["id"]),
            f"{claimed(arm)['bits_per_byte']:.4f}",
            str(arm["best_step"]),
            f"{arm['last']['bits_per_byte']:.4f}",
            f"{arm['learning_rate']:g}",
            f"{arm['train']['epochs']:.2f}",
        ]
        lines.append(_row(cells))
    return lines


def _samples(result: dict[str, Any]) -> list[str]:
    """Those of the first seed."""
    lines = ["## Samples"]
    for arm in result["arms"]:
        for sample in arm["samples"] if arm["seed"] == 0 else []:
            lines += ["", f"**{_cell(arm['id'])}**, after the prompt `{sample['prompt']!r}`:", ""]
            lines += [f"    {line}" for line in printable(sample["text"]).split("\n")]
    return lines


def _beside(result: dict[str, Any]) -> list[str]:
    return [
        f"## {_cell(match_says(result))}",
        "",
        f"**{_cell(headline(result))}**",
        "",
        *loss_rows(result),
        "",
        f"    {command(result)}",
    ]


def _again(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    return [
        "## Again",
        "",
        f"    {command(result)}",
        "",
        f"gptkit {result['gptkit']}, torch {machine['torch']} on {machine['device']} with "
        f"{machine['threads']} threads, {result['seconds']:.0f} s in all. "
        f"Corpus sha256 {result['corpus']['sha256']}.",
    ]
