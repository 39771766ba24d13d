"""What results.json says, as the rows and sentences that the terminal and the report both show."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from gptkit.report.formatting import printable, short
from gptkit.results.balance import LEVEL, QUANTITIES

SMALLEST_CLAIM = 0.001  # bits per byte: what three decimals can show


def claimed(arm: dict[str, Any]) -> dict[str, Any]:
    """The loss that an arm's claim is from: of the test text, or of val where there is none."""
    return arm.get("test", arm["val"])


def by_model(arms: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The seeds of each tokenizer and model, together; the tokenizers of one model together."""
    models = list(dict.fromkeys(arm["model"] for arm in arms))
    tokenizers = list(dict.fromkeys(arm["tokenizer"] for arm in arms))
    return [
        [arm for arm in arms if (arm["model"], arm["tokenizer"]) == (model, tokenizer)]
        for model in models
        for tokenizer in tokenizers
    ]


def bits_of(seeds: list[dict[str, Any]]) -> float:
    """The mean over an arm's seeds of what is claimed, in bits per byte."""
    return fmean(claimed(arm)["bits_per_byte"] for arm in seeds)


def deviation_of(seeds: list[dict[str, Any]]) -> float:
    """The standard deviation over an arm's seeds, in bits per byte."""
    return stdev(claimed(arm)["bits_per_byte"] for arm in seeds)


def named(arm: dict[str, Any]) -> str:
    """An arm's tokenizer, with what it loses of the text if it does.

    >>> named({"tokenizer": "lower", "val": {"lost_bytes": 31, "bytes": 1000}})
    'lower (loses 3.1 %)'
    """
    lost = claimed(arm).get("lost_bytes", 0)
    if not lost:
        return arm["tokenizer"]
    return f"{arm['tokenizer']} (loses {100 * lost / claimed(arm)['bytes']:.2g} %)"


def baseline_cells(row: dict[str, Any]) -> tuple[str, str]:
    """What a baseline has where an arm has its tokenizer and its model."""
    if row["tokenizer"] is None:
        return row["name"], "primed" if row["primer_bytes"] else "unprimed"
    return row["tokenizer"], row["name"]


@dataclass(frozen=True)
class VocabularyPoint:
    """A tokenizer's loss under one model; `deviation` over seeds, 0 with one."""

    tokenizer: str
    vocab_size: int
    bits: float
    deviation: float


def vocabulary_points(result: dict[str, Any]) -> dict[str, list[VocabularyPoint]]:
    """By model, each tokenizer's loss, from the smallest vocabulary to the largest."""
    points: dict[str, list[VocabularyPoint]] = {}
    for seeds in by_model(result["arms"]):
        point = VocabularyPoint(
            tokenizer=seeds[0]["tokenizer"],
            vocab_size=seeds[0]["vocab_size"],
            bits=bits_of(seeds),
            deviation=deviation_of(seeds) if len(seeds) > 1 else 0.0,
        )
        points.setdefault(seeds[0]["model"], []).append(point)
    return {m: sorted(of, key=lambda point: point.vocab_size) for m, of in points.items()}


def text_of_claim(result: dict[str, Any]) -> str:
    """Which text the losses are of, as in "validation"."""
    return {"val": "validation", "test": "test"}[result["claim"]]


def spread_in_words(ratio: float | None) -> str:
    """The largest over the smallest: "=" within 1 %.

    >>> [spread_in_words(r) for r in (1.002, 1.06, 3.14, 31.0, 5230.7, None)]
    ['=', '×1.06', '×3.1', '×31', '×5.2k', '×∞']
    """
    if ratio is None:
        return "×∞"
    if ratio <= LEVEL:
        return "="
    if ratio < 2:
        return f"×{ratio:.2f}"
    return f"×{ratio:.1f}" if ratio < 10 else f"×{short(ratio)}"


def match_rows(result: dict[str, Any]) -> dict[str, list[list[str]]]:
    """By model: of each tokenizer its quantities, and last how far they are from equal."""
    rows: dict[str, list[list[str]]] = {}
    for seeds in by_model(result["arms"]):
        means = {name: fmean(map(of, seeds)) for name, of in QUANTITIES.items()}
        cells = [f"{v:.1f}" if name == "seconds" else short(v) for name, v in means.items()]
        rows.setdefault(seeds[0]["model"], []).append([seeds[0]["tokenizer"], *cells])
    for model, spread in result["match"]["spread"].items():
        if len(rows[model]) > 1:
            rows[model].append(["max/min", *map(spread_in_words, spread.values())])
    return rows


def match_says(result: dict[str, Any]) -> str:
    """How the arms were matched, in one line, and with what reservations."""
    match = result["match"]
    notes = "".join(f"; {note}" for note in match["notes"])
    return f"Matched by {match['by']}{notes}"


def cost_notes(result: dict[str, Any]) -> str:
    """How FLOPs and seconds were counted, and what the full softmax would have cost."""
    more = [
        f"{seeds[0]['tokenizer']}-{seeds[0]['model']} {short(train['flops_full_softmax'])}"
        for seeds in by_model(result["arms"])
        if (train := seeds[0]["train"])["flops_full_softmax"] > LEVEL * train["flops"]
    ]
    note = "FLOPs as computed, with the compact softmax"
    note = f"{note}; with the full one: {', '.join(more)}." if more else f"{note}."
    at_a_time = result["machine"].get("at_a_time", 1)
    return note if at_a_time == 1 else f"{note} Arms shared the cores, {at_a_time} at a time."


def pair_of(verdict: dict[str, Any]) -> tuple[str, str, str]:
    """The two tokenizers of a verdict, the better one first, and the model."""
    model = verdict.get("model") or verdict["a"].rsplit("-", 1)[1]  # older results lack it
    return *(verdict[side].removesuffix(f"-{model}") for side in "ab"), model


def main_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """All of up to three tokenizers; of more, the best one's against the others, by model."""
    verdicts = result["verdict"]
    if len(result["experiment"]["tokenizers"]) <= 3:
        return verdicts
    groups = by_model(result["arms"])
    best = {
        model: min((g for g in groups if g[0]["model"] == model), key=bits_of)[0]["tokenizer"]
        for model in {arm["model"] for arm in result["arms"]}
    }
    pairs = ((v, *pair_of(v)) for v in verdicts)
    return [v for v, a, b, model in pairs if best[model] in (a, b)]


def span_title(verdict: dict[str, Any]) -> str:
    a, b, model = pair_of(verdict)
    return f"Where {a} saves most and least over {b} under {model}, bits/byte"


def span_rows(verdict: dict[str, Any]) -> list[tuple[str, str]]:
    """The stretches where the better tokenizer saves most, then least: bits per byte, and text."""
    spans = verdict["spans"]
    return [
        (f"{span['bits_per_byte']:+.2f}", printable(span["text"].replace("\n", "⏎")))
        for span in (*spans["most"], *reversed(spans["least"]))
    ]


def leader(
    result: dict[str, Any],
) -> tuple[list[dict[str, Any]], float, dict[str, Any] | None]:
    """The tokenizer and model of the lowest loss: its seeds, the loss, and how the next fares."""
    seeds = min(by_model(result["arms"]), key=bits_of)
    name = f"{seeds[0]['tokenizer']}-{seeds[0]['model']}"
    rivals = [v for v in result["verdict"] if v["a"] == name]
    closest = min(rivals, key=lambda v: v["delta_bits_per_byte"], default=None)
    return seeds, bits_of(seeds), closest


def headline(result: dict[str, Any]) -> str:
    """Which tokenizer wins, by how much over the next, and whether it depends on the model."""
    seeds, bits, closest = leader(result)
    arm, corpus = seeds[0], result["corpus"]["name"]
    train = arm["train"]
    by = result["match"]["by"]
    if by == "time":
        spent = f"{train['seconds']:.0f} s of training"
    elif by == "tokens":
        spent = f"training on {short(train['tokens'])} tokens"
    elif by == "flops" and train["flops"]:
        spent = f"{short(train['flops'])} FLOPs of training"
    else:
        spent = f"{short(train['bytes'])}B of training"
    figure = f"{bits:.3f} bits per byte with {arm['model']}"
    if closest is None:
        return printable(f"{arm['tokenizer']} models {corpus} after {spent}: {figure}.")
    robust = result.get("robustness") or {"depends_on_model": False, "says": ""}
    if robust["depends_on_model"]:
        lowest = f"The lowest loss on {corpus} after {spent}: {arm['tokenizer']}, {figure}."
        return printable(f"{robust['says']} {lowest}")
    says = f"{arm['tokenizer']} models {corpus} best after {spent}: {figure}."
    if closest["told_apart"] is False:
        a, b, _ = pair_of(closest)
        says = f"{a} and {b} model {corpus} alike after {spent}: {figure}."
    return printable(f"{says} {closest['says']}. {robust['says']}".rstrip())


def model_rows(result: dict[str, Any]) -> list[list[str]]:
    """Each tokenizer's loss under every model and its rank there, the best on the whole first.

    ≈ marks what cannot be told apart from the best. No rows where `robustness` has none.
    """
    robust = result.get("robustness")
    if robust is None:
        return []
    bits = {(g[0]["tokenizer"], g[0]["model"]): bits_of(g) for g in by_model(result["arms"])}
    tokenizers = list(dict.fromkeys(t for t, _ in bits))
    ranks = {model: sorted(tokenizers, key=lambda t: bits[t, model]) for model in robust["best"]}
    rows = []
    for t in sorted(tokenizers, key=lambda t: sum(order.index(t) for order in ranks.values())):
        cells = []
        for model, order in ranks.items():
            unsure = " ≈" if t in robust["best"][model]["not_told_apart"] else ""
            cells.append(f"{bits[t, model]:.3f} ({order.index(t) + 1}){unsure}")
        rows.append([t, *cells])
    return rows


def verdict_note(result: dict[str, Any]) -> str | None:
    """What ± and the correction mean; None where no verdict has an interval."""
    if not any(v["ci95"] for v in result["verdict"]):
        return None
    return (
        "± in a verdict is half of a 95 % interval, the widest of three: a paired block bootstrap "
        "over the text, a t interval over the seeds, and both together. Which pairs can be told "
        f"apart is Holm-corrected for all {len(result['verdict'])}."
    )
