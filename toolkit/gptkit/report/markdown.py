"""results.json -> report.md: the tables, the samples, and the command that makes them again."""

from __future__ import annotations

import shlex
from typing import Any

from gptkit.experiment import Experiment
from gptkit.tables import by_model, headline, printable, short

LOSS_COLUMNS = (
    *("tokenizer", "model", "seed", "vocabulary", "used", "embedding", "body", "head"),
    *("bits/byte", "nats/token", "bytes/token", "tokens/s", "seconds"),
)

COST_COLUMNS = (
    *("arm", "training bytes", "tokens", "steps", "block size", "FLOPs", "best step"),
    "last bits/byte",
)


def command(result: dict[str, Any]) -> str:
    """The command line that runs the experiment again.

    >>> command({"experiment": {"tokenizers": ["char", "byte"], "models": ["bigram"], "seeds": 2}})
    'gptkit compare --tokenizers char,byte --models bigram --seeds 2'
    """
    asked = result["experiment"]
    words = ["gptkit", "compare", "--tokenizers", ",".join(asked["tokenizers"])]
    for name, field in Experiment.__dataclass_fields__.items():
        value = asked.get(name, field.default)
        if isinstance(value, list):
            value = tuple(value)
        if name in ("tokenizers", "name") or value == field.default:
            continue
        shown = ",".join(value) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", shown]
    return shlex.join(words)


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def loss_rows(result: dict[str, Any]) -> list[str]:
    """The table of losses as lines of Markdown."""
    lines = [_row(LOSS_COLUMNS), _row(["---"] * 2 + ["---:"] * (len(LOSS_COLUMNS) - 2))]
    for arm in by_model(result["arms"]):
        val, train, params = arm["val"], arm["train"], arm["params"]
        cells = [
            _cell(arm["tokenizer"]),
            arm["model"],
            str(arm["seed"]),
            f"{arm['vocab_size']:,}",
            f"{arm['vocab_seen']:,}",
            *(short(params[part]) for part in ("embedding", "body", "head")),
            f"**{val['bits_per_byte']:.3f}**",
            f"{val['nats_per_token']:.3f}",
            f"{val['bytes'] / val['tokens']:.2f}",
            short(train["tokens"] / train["seconds"]),
            f"{train['seconds']:.1f}",
        ]
        lines.append(_row(cells))
    if "entropy_bits_per_byte" in result["corpus"]:
        known = f"**{result['corpus']['entropy_bits_per_byte']:.3f}**"
        lines.append(_row(["the source itself", *[""] * 7, known, *[""] * 4]))
    return lines


def markdown(result: dict[str, Any]) -> str:
    """The whole report of an experiment."""
    corpus, match, machine = result["corpus"], result["match"], result["machine"]
    names = " vs ".join(_cell(t) for t in result["experiment"]["tokenizers"])
    lines = [
        f"# {names} on {_cell(corpus['name'])}",
        "",
        f"**{_cell(headline(result))}**",
        "",
        *(f"- {_cell(v['says'])}" for v in result["verdict"]),
        "",
        *loss_rows(result),
        "",
        f"Loss over the whole validation text, {corpus['val_bytes']:,} bytes, each scored once; "
        "the best of each arm's evaluations. Bits per byte compares tokenizers, nats per token "
        "does not. Parameters are the dense model's.",
        "",
        f"Matched by {match['by']}. Equal: {', '.join(match['equal'])}. "
        f"Not equal: {', '.join(match['unequal'])}.",
        "",
        _row(COST_COLUMNS),
        _row(["---"] + ["---:"] * (len(COST_COLUMNS) - 1)),
    ]
    for arm in result["arms"]:
        train = arm["train"]
        cells = [
            _cell(arm["id"]),
            f"{train['bytes']:,}",
            f"{train['tokens']:,}",
            f"{arm['steps']:,}",
            str(arm["block_size"]),
            short(train["flops"]) if train["flops"] < 1e12 else f"{train['flops'] / 1e12:.2f}T",
            str(arm["best_step"]),
            f"{arm['last']['bits_per_byte']:.3f}",
        ]
        lines.append(_row(cells))
    lines += ["", "## Samples", ""]
    for arm in result["arms"]:
        for sample in arm["samples"]:
            lines += [f"**{_cell(arm['id'])}**, after the prompt `{sample['prompt']!r}`:", ""]
            lines += [f"    {line}" for line in printable(sample["text"]).split("\n")] + [""]
    lines += [
        "## Again",
        "",
        f"    {command(result)}",
        "",
        f"gptkit {result['gptkit']}, torch {machine['torch']} on {machine['device']} with "
        f"{machine['threads']} threads, {result['seconds']:.0f} s in all. "
        f"Corpus sha256 {corpus['sha256']}.",
        "",
    ]
    return "\n".join(lines)
