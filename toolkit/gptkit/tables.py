"""Results -> rich renderables. Takes the dictionary of results.json; prints nothing."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

# Control characters as the pictures Unicode has for them, so that no sample can drive a terminal.
_PICTURES = {c: 0x2400 + c for c in range(0x20) if c != 0x0A}
_PICTURES |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
# Marks that reorder the text around them, on a terminal or a page.
_PICTURES |= dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


SMALLEST_CLAIM = 0.001  # bits per byte: what three decimals can show


def printable(text: str) -> str:
    r"""The text with control characters made visible; line breaks stay.

    >>> printable("a\x1b[31mb\tc\n")
    'a␛[31mb␉c\n'
    """
    return text.translate(_PICTURES)


def short(number: float) -> str:
    """A count in at most four characters.

    >>> [short(n) for n in (0, 65, 12_345, 786_432, 6_432_896, 2_525_766_049)]
    ['0', '65', '12k', '786k', '6.4M', '2.5G']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.{1 if scaled < 9.95 else 0}f}{unit}"
    return f"{number:.0f}"


def by_model(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms in their order, those of one model together."""
    models = list(dict.fromkeys(arm["model"] for arm in arms))
    return sorted(arms, key=lambda arm: models.index(arm["model"]))


def loss_table(result: dict[str, Any]) -> Table:
    """A row per arm, the lowest bits per byte of each model in bold."""
    arms = result["arms"]
    corpus = result["corpus"]
    table = Table(
        title=f"Validation loss on {printable(corpus['name'])}, {corpus['val_bytes']:,} bytes",
        caption="bits/byte compares tokenizers, nats/token does not.\n"
        "Parameters are the dense model's: embedding/body/head.",
        box=box.SIMPLE_HEAD,
        padding=0,
        caption_justify="left",
    )
    table.add_column("tokenizer", overflow="fold")
    table.add_column("model")
    several_seeds = len({arm["seed"] for arm in arms}) > 1
    if several_seeds:
        table.add_column("seed", justify="right")
    table.add_column("vocabulary\n(used)", justify="right")
    table.add_column("parameters\nemb/body/head", justify="right")
    for name in ("bits/\nbyte", "nats/\ntoken", "bytes/\ntoken", "tokens\n/s", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    best = {
        model: min(a["val"]["bits_per_byte"] for a in arms if a["model"] == model)
        for model in {a["model"] for a in arms}
    }
    for arm in by_model(arms):
        val, train, params = arm["val"], arm["train"], arm["params"]
        wins = val["bits_per_byte"] == best[arm["model"]]
        table.add_row(
            Text(printable(arm["tokenizer"])),
            arm["model"],
            *([str(arm["seed"])] if several_seeds else []),
            f"{arm['vocab_size']:,}\n({arm['vocab_seen']:,})"
            if arm["vocab_seen"] < arm["vocab_size"]
            else f"{arm['vocab_size']:,}",
            "/".join(short(params[part]) for part in ("embedding", "body", "head")),
            Text(f"{val['bits_per_byte']:.3f}", style="bold green" if wins else ""),
            f"{val['nats_per_token']:.3f}",
            f"{val['bytes'] / val['tokens']:.2f}",
            short(train["tokens"] / train["seconds"]),
            f"{train['seconds']:.1f}",
        )
    if "entropy_bits_per_byte" in corpus:
        table.add_section()
        blank = [""] * (4 if several_seeds else 3)
        table.add_row("the source itself", *blank, f"{corpus['entropy_bits_per_byte']:.3f}")
    return table


def sample_table(result: dict[str, Any]) -> Table:
    """The first seed's samples, tokenizers side by side; one under the other beyond three."""
    arms = [a for a in result["arms"] if a["seed"] == 0]
    tokenizers = list(dict.fromkeys(a["tokenizer"] for a in arms))
    models = list(dict.fromkeys(a["model"] for a in arms))
    text = {(a["tokenizer"], a["model"]): a["samples"][0]["text"] for a in arms}
    prompt = arms[0]["samples"][0]["prompt"]
    table = Table(
        title=f"Samples after the prompt {prompt!r}, matched by bytes",
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


def headline(result: dict[str, Any]) -> str:
    """Which tokenizer wins under the best model, and by how much over the next."""
    mean: dict[tuple[str, str], list[float]] = {}
    for arm in result["arms"]:
        loss = arm["val"]["bits_per_byte"]
        mean.setdefault((arm["model"], arm["tokenizer"]), []).append(loss)
    (model, tokenizer), losses = min(mean.items(), key=lambda item: fmean(item[1]))
    budget = short(max(arm["train"]["bytes"] for arm in result["arms"]))
    says = (
        f"{tokenizer} models {result['corpus']['name']} best after {budget}B of training: "
        f"{fmean(losses):.3f} bits per byte with {model}"
    )
    second = [v for v in result["verdict"] if v["a"] == f"{tokenizer}-{model}"]
    if second:
        closest = min(second, key=lambda v: v["delta_bits_per_byte"])
        other = closest["b"].removesuffix(f"-{model}")
        if closest["delta_bits_per_byte"] < SMALLEST_CLAIM:
            return printable(f"{closest['says']}: {fmean(losses):.3f}.")
        says += f", {closest['delta_bits_per_byte']:.3f} less than {other} ({closest['doubt']})"
    return printable(says + ".")
