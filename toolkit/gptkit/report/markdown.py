"""results.json -> report.md: the tables, the samples, and the command that makes them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from gptkit.experiment import Experiment
from gptkit.plan.budget import SECONDS
from gptkit.plan.ladder import STAGES
from gptkit.plan.recipes import OF_TEXT, RECIPES, Recipe, common
from gptkit.report.cells import cell, table_head, table_row
from gptkit.report.formatting import printable, short
from gptkit.report.ladder import ladder_lines
from gptkit.results.ladder import preset_of
from gptkit.results.summary import (
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
    model_rows,
    named,
    pair_of,
    span_rows,
    text_of_claim,
    verdict_note,
)

OF_LADDER = ("preset", "stages", "data", "match", "budget", "seeds")  # options of its command
NO_COMMAND = "# from Python, with a text or recipes of its own: see results.json"

LOSS_COLUMNS = (
    *("tokenizer", "model", "vocabulary", "used", "embedding", "body", "head"),
    *("bits/byte", "nats/token", "bytes/token", "tokens/s", "seconds"),
)

MATCH_COLUMNS = (
    *("tokenizer", "model", "text", "tokens", "steps", "text/step", "context bytes"),
    *("context tokens", "body", "total", "FLOPs", "seconds"),
)

SEED_COLUMNS = ("arm", "bits/byte", "best step", "last on val", "learning rate", "epochs")


def command(result: dict[str, Any]) -> str | None:
    """The command line that runs the experiment again; None for a text or recipes given as objects.

    >>> command({"experiment": {"tokenizers": ["char", "byte"], "models": ["bigram"], "seeds": 2}})
    'gptkit compare --tokenizers char,byte --models bigram --seeds 2'
    """
    asked = dict(result["experiment"])
    if asked.get("data", "") is None:
        return None
    models = asked["models"]
    defaults = {name: field.default for name, field in Experiment.__dataclass_fields__.items()}
    if isinstance(models, Mapping):
        words = ["gptkit", "lecture", "ladder"]
        preset = preset_of(result)
        stages = None if len(models) == len(STAGES) else list(models)
        asked |= {"models": None, "preset": preset, "stages": stages}
        defaults |= {"preset": "cpu", "stages": None}
        recipes = [Recipe.from_dict(recipe) for recipe in models.values()]
    else:
        words = ["gptkit", "compare"]
        recipes = [RECIPES[name]() for name in models]
    defaults |= {name: common(recipes, name) for name in OF_TEXT}
    if asked.get("match") == "time":
        defaults["budget"] = SECONDS
    words += ["--tokenizers", ",".join(asked["tokenizers"])]
    for name, default in defaults.items():
        value = asked.get(name, default)
        if isinstance(value, list):
            value = tuple(value)
        if name in ("tokenizers", "name") or value in (default, None):
            continue
        if isinstance(models, Mapping) and name not in OF_LADDER:
            return None
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return None if isinstance(models, Mapping) and preset is None else shlex.join(words)


def loss_rows(result: dict[str, Any]) -> list[str]:
    """The table of losses as lines of Markdown: means over the seeds, with the deviation."""
    lines = table_head(LOSS_COLUMNS, names=2)
    for seeds in by_model(result["arms"]):
        arm = seeds[0]
        val, params = claimed(arm), arm["params"]
        seconds = fmean(a["train"]["seconds"] for a in seeds)
        spread = f" ± {deviation_of(seeds):.3f}" if len(seeds) > 1 else ""
        cells = [
            cell(named(arm)),
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
        lines.append(table_row(cells))
    for row in result["baselines"]:
        name, what = baseline_cells(row)
        known = f"knows {row['primer_bytes']:,} bytes" if row["tokenizer"] is None else "counted"
        lines.append(_baseline(name, f"{what} ({known})", row["bits_per_byte"]))
    if "entropy_bits_per_byte" in result["corpus"]:
        lines.append(_baseline("the source itself", "", result["corpus"]["entropy_bits_per_byte"]))
    return lines


def _baseline(name: str, what: str, bits: float) -> str:
    return table_row([cell(name), what, *[""] * 5, f"{bits:.3f}", *[""] * 4])


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
    names = " vs ".join(cell(t) for t in result["experiment"]["tokenizers"])
    parts = [
        [f"# {names} on {cell(result['corpus']['name'])}", "", f"**{cell(headline(result))}**"],
        [f"![bits per byte {_against(result)}]({figure})"] if figure else [],
        ladder_lines(result),
        _models(result),
        [f"- {cell(v['says'])}" for v in result["verdict"]],
        [note] if (note := verdict_note(result)) else [],
        loss_rows(result),
        [_loss_note(result)],
        [f"- warning: {cell(warning)}" for warning in result["warnings"]],
        _matching(result),
        _spans(result),
        _tuning(result),
        _seeds(result),
        _samples(result),
        *(_beside(other, result) for other in beside),
        _again(result),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _against(result: dict[str, Any]) -> str:
    return "against vocabulary size" if preset_of(result) is None else "by stage"


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


def _models(result: dict[str, Any]) -> list[str]:
    """Each tokenizer under each model; nothing for a ladder, which has a table of its own."""
    table = _model_table(result)
    if not table or preset_of(result) is not None:
        return []
    says = cell(result["robustness"]["says"])
    return ["## Does the answer depend on the model?", "", says, "", *table[:-1]]


def _model_table(result: dict[str, Any]) -> list[str]:
    rows = model_rows(result)
    if not rows:
        return []
    return [
        *table_head(("tokenizer", *map(cell, result["robustness"]["best"])), names=1),
        *(table_row([cell(name), *cells]) for name, *cells in rows),
        "",
        "Bits per byte; in brackets the rank under that model; ≈ is not told apart from the best.",
        "",
    ]


def _matching(result: dict[str, Any]) -> list[str]:
    lines = [f"## {cell(match_says(result))}", "", *table_head(MATCH_COLUMNS, names=2)]
    for model, rows in match_rows(result).items():
        lines += [table_row([cell(name), model, *cells]) for name, *cells in rows]
    return [*lines, "", cell(cost_notes(result))]


def _spans(result: dict[str, Any]) -> list[str]:
    lines = ["## Where one beats the other"] if result["verdict"] else []
    for verdict in main_verdicts(result):
        a, b, model = map(cell, pair_of(verdict))
        lines += ["", f"{a} over {b} under {model}, most and least, bits per byte saved:", ""]
        lines += [f"    {bits}  {text}" for bits, text in span_rows(verdict)]
    return lines


def _tuning(result: dict[str, Any]) -> list[str]:
    if not result["tuning"]:
        return []
    lines = ["## Learning rates tried", "", *table_head(("arm", "factor", "bits/byte"), names=1)]
    for tuned in result["tuning"]:
        for trial in tuned["trials"]:
            bits = trial["bits_per_byte"]
            shown = "diverged" if bits is None else f"{bits:.3f}"
            if trial["part"] < 1 and bits is not None:
                shown += f", stopped at {trial['part']:.0%}"
            if trial["factor"] == tuned["factor"]:
                shown = f"**{shown}**"
            name = f"{cell(tuned['tokenizer'])}-{tuned['model']}"
            lines.append(table_row([name, f"{trial['factor']:g}", shown]))
    return [*lines, "", "On training text alone; the factor is of the recipe's rates."]


def _seeds(result: dict[str, Any]) -> list[str]:
    lines = ["## Every arm", "", *table_head(SEED_COLUMNS, names=1)]
    for arm in result["arms"]:
        cells = [
            cell(arm["id"]),
            f"{claimed(arm)['bits_per_byte']:.4f}",
            str(arm["best_step"]),
            f"{arm['last']['bits_per_byte']:.4f}",
            f"{arm['learning_rate']:g}",
            f"{arm['train']['epochs']:.2f}",
        ]
        lines.append(table_row(cells))
    return lines


def _samples(result: dict[str, Any]) -> list[str]:
    """Those of the first seed."""
    lines = ["## Samples"]
    for arm in result["arms"]:
        for sample in arm["samples"] if arm["seed"] == 0 else []:
            lines += ["", f"**{cell(arm['id'])}**, after the prompt `{sample['prompt']!r}`:", ""]
            lines += [f"    {line}" for line in printable(sample["text"]).split("\n")]
    return lines


def _beside(result: dict[str, Any], main: dict[str, Any]) -> list[str]:
    """Another experiment's losses, named by its text, or by its way of matching."""
    text = result["corpus"]["name"]
    title = match_says(result) if text == main["corpus"]["name"] else f"On {text}"
    return [
        f"## {cell(title)}",
        "",
        f"**{cell(headline(result))}**",
        "",
        *_model_table(result),
        *loss_rows(result),
        "",
        f"    {command(result) or NO_COMMAND}",
    ]


def _again(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    return [
        "## Again",
        "",
        f"    {command(result) or NO_COMMAND}",
        "",
        f"gptkit {result['gptkit']}, torch {machine['torch']} on {machine['device']} with "
        f"{machine['threads']} threads, {result['seconds']:.0f} s in all. "
        f"Corpus sha256 {result['corpus']['sha256']}.",
    ]
