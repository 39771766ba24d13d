"""Results -> rich renderables. Takes the dictionary of results.json; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from gptkit.report.formatting import printable, short
from gptkit.results.summary import (
    baseline_cells,
    bits_of,
    by_model,
    claimed,
    cost_notes,
    deviation_of,
    leader,
    match_rows,
    match_says,
    model_rows,
    named,
    span_rows,
    span_title,
    text_of_claim,
    vocabulary_points,
)

DRAWN = 30  # columns between the lowest loss and the highest
MATCH_COLUMNS = {
    "train_bytes": "text",
    "train_tokens": "tokens",
    "steps": "steps",
    "bytes_per_step": "text/\nstep",
    "context_bytes": "context\nbytes",
    "block_size": "context\ntokens",
    "body_params": "body\nparams",
    "total_params": "total\nparams",
    "train_flops": "FLOPs",
    "seconds": "s",
}


def loss_table(result: dict[str, Any]) -> Table:
    """A row per tokenizer and model, the lowest bits per byte of each model in bold; baselines."""
    arms, corpus = result["arms"], result["corpus"]
    n_seeds = len({arm["seed"] for arm in arms})
    text = f"{corpus[result['claim'] + '_bytes']:,} bytes"
    table = Table(
        title=f"{text_of_claim(result).capitalize()} loss on {printable(corpus['name'])}, {text}"
        + (f", mean of {n_seeds} seeds" if n_seeds > 1 else ""),
        caption="bits/byte compares tokenizers, nats/token does not. Parameters are the dense "
        "model's: embedding/body/head. Counts are of the training text, with Witten and Bell's "
        "smoothing; of that, zlib knows 32 kB, lzma what its window holds, bz2 nothing."
        + (" ± is the standard deviation over seeds." if n_seeds > 1 else ""),
        box=box.SIMPLE_HEAD,
        padding=0,
        caption_justify="left",
    )
    table.add_column("token-\nizer", overflow="fold", min_width=8)
    table.add_column("model", no_wrap=True)
    table.add_column("vocab\n(used)", justify="right", no_wrap=True)
    table.add_column("parameters\nemb/body/head", justify="right", no_wrap=True)
    for name in ("bits/\nbyte", *(["±"] if n_seeds > 1 else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("nats/\ntoken", "bytes/\ntoken", "tokens\n/s"):
        table.add_column(name, justify="right", no_wrap=True)
    groups = by_model(arms)
    best = {
        model: min(bits_of(seeds) for seeds in groups if seeds[0]["model"] == model)
        for model in {arm["model"] for arm in arms}
    }
    for seeds in groups:
        arm, bits = seeds[0], bits_of(seeds)
        val, params = claimed(arm), arm["params"]
        seconds = fmean(a["train"]["seconds"] for a in seeds)
        table.add_row(
            Text(printable(named(arm))),
            arm["model"],
            f"{arm['vocab_size']:,}\n({arm['vocab_seen']:,})"
            if arm["vocab_seen"] < arm["vocab_size"]
            else f"{arm['vocab_size']:,}",
            "/".join(short(params[part]) for part in ("embedding", "body", "head")),
            Text(f"{bits:.3f}", style="bold green" if bits == best[arm["model"]] else ""),
            *([f"{deviation_of(seeds):.3f}"] if n_seeds > 1 else []),
            f"{fmean(claimed(a)['nats_per_token'] for a in seeds):.3f}",
            f"{val['bytes'] / val['tokens']:.2f}",
            short(fmean(a["train"]["tokens"] for a in seeds) / seconds),
        )
    for heading, counts in (("counted", True), ("compressed", False)):
        table.add_section()
        table.add_row("", Text(heading, style="dim"))
        for row in result["baselines"]:
            if (row["tokenizer"] is not None) == counts:
                name, what = baseline_cells(row)
                table.add_row(Text(printable(name)), what, "", "", f"{row['bits_per_byte']:.3f}")
    if "entropy_bits_per_byte" in corpus:
        table.add_section()
        known = f"{corpus['entropy_bits_per_byte']:.3f}"
        table.add_row("the source", "itself", "", "", known)
    return table


def vocabulary_table(result: dict[str, Any]) -> Table | None:
    """Bits per byte against vocabulary size, drawn; None for fewer than three tokenizers."""
    curves = vocabulary_points(result)
    if min(map(len, curves.values())) < 3:
        return None
    table = Table(
        title=f"Bits per byte by vocabulary size, matched by {result['match']['by']}",
        box=None,
        padding=(0, 1, 0, 0),
        show_header=False,
    )
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=justify == "right")
    for model, points in curves.items():
        table.add_row(Text(model, style="dim"))
        lowest, highest = min(p.bits for p in points), max(p.bits for p in points)
        for point in points:
            at = round(DRAWN * (point.bits - lowest) / ((highest - lowest) or 1))
            table.add_row(
                Text(printable(point.tokenizer)),
                f"{point.vocab_size:,}",
                f"{point.bits:.3f}",
                Text("·" * at + "●", style="bold green" if point.bits == lowest else ""),
            )
    return table


def model_table(result: dict[str, Any]) -> Table | None:
    """Each tokenizer under each model; None where two models agree, or there is but one."""
    rows = model_rows(result)
    if not rows or (len(rows[0]) <= 3 and not result["robustness"]["depends_on_model"]):
        return None
    table = Table(
        title="Bits per byte by model",
        caption="In brackets the rank under that model; ≈ is not told apart from the best.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    table.add_column("tokenizer", overflow="fold", min_width=8)
    for model in result["robustness"]["best"]:
        table.add_column(model, overflow="fold")
    for tokenizer, *cells in rows:
        styled = (Text(cell, style="bold green" if "(1)" in cell else "") for cell in cells)
        table.add_row(Text(printable(tokenizer)), *styled)
    return table


def match_table(result: dict[str, Any]) -> Table:
    """What is equal across the tokenizers, and what is not."""
    table = Table(
        title=Text(printable(match_says(result))),
        caption=Text(printable(cost_notes(result))),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("", overflow="fold")
    for name in MATCH_COLUMNS.values():
        table.add_column(name, justify="right", no_wrap=True)
    for model, rows in match_rows(result).items():
        table.add_row(Text(model, style="dim"))
        for name, *cells in rows:
            table.add_row(Text(printable(name)), *cells)
        table.add_section()
    return table


def span_table(result: dict[str, Any]) -> Table | None:
    """Where the best tokenizer beats the next; None if there is but one."""
    *_, verdict = leader(result)
    if verdict is None:
        return None
    table = Table(
        title=Text(printable(span_title(verdict))),
        box=None,
        padding=(0, 1),
        show_header=False,
        expand=True,
    )
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for bits, text in span_rows(verdict):
        table.add_row(bits, Text(text))
    return table


def sample_table(result: dict[str, Any], *, models: Sequence[str] = ()) -> Table:
    """The first seed's samples, tokenizers side by side; one under the other beyond three.

    Args:
        models: whose samples are shown, of those there are; if there is none of them, all.
    """
    arms = [a for a in result["arms"] if a["seed"] == 0]
    tokenizers = list(dict.fromkeys(a["tokenizer"] for a in arms))
    trained = list(dict.fromkeys(a["model"] for a in arms))
    models = [m for m in trained if m in models] or trained
    text = {(a["tokenizer"], a["model"]): a["samples"][0]["text"] for a in arms}
    prompt = arms[0]["samples"][0]["prompt"]
    table = Table(
        title=f"Samples after the prompt {prompt!r}, of equal length in bytes",
        box=box.SIMPLE_HEAD,
        padding=(0, 2, 0, 0),
        show_lines=True,
    )
    table.add_column("model")
    if len(tokenizers) <= 3:
        for tokenizer in tokenizers:
            table.add_column(Text(printable(tokenizer)), ratio=1, overflow="fold")
        for model in models:
            cells = (Text(printable(text[t, model]).strip("\n")) for t in tokenizers)
            table.add_row(model, *cells)
        return table
    table.add_column("tokenizer")
    table.add_column("text", ratio=1, overflow="fold")
    for model in models:
        for t in tokenizers:
            table.add_row(model, Text(printable(t)), Text(printable(text[t, model]).strip("\n")))
    return table


def cost_table(cost: dict[str, Any]) -> Table:
    """A row per tokenizer and model, of what one of its arms will take."""
    arms = {(arm["tokenizer"], arm["model"]): arm for arm in reversed(cost["arms"])}
    n_seeds = len({arm["seed"] for arm in cost["arms"]})
    table = Table(
        title="What it would cost" + (f", for each of {n_seeds} seeds" if n_seeds > 1 else ""),
        caption="Parameters are the dense model's; memory is that of the weights, their "
        "gradients, the optimiser and the best weights; seconds are with all cores.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    table.add_column("tokenizer", overflow="fold")
    for heading in ("model", "steps", "params", "FLOPs", "MB", "s"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for (tokenizer, model), arm in reversed(arms.items()):
        steps, flops = arm["steps"], arm["flops"]
        table.add_row(
            printable(tokenizer),
            model,
            "by time" if steps is None else f"{steps:,}",
            short(arm["params"]),
            "" if flops is None else short(flops),
            f"{arm['memory_bytes'] / 1e6:,.0f}",
            f"{arm['seconds']:,.1f}",
        )
    return table


def cost_note(cost: dict[str, Any]) -> str:
    """The whole experiment's time and memory, in a sentence."""
    n, seconds, memory = cost["processes"], cost["seconds"], cost["memory_bytes"]
    took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
    return (
        f"In all about {took}{'' if memory is None else f' and {memory / 1e9:.1f} GB'} on this "
        f"machine's {cost['device']}, "
        f"{'one arm' if n == 1 else f'{n} arms'} at a time."
    )
