"""Whether the answer depends on the model: who is best under each, and which pairs reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gptkit.report.formatting import listed
from gptkit.results.summary import bits_of, by_model, pair_of

PAIRS_IN_WORDS = 3  # reversals that the sentence names; it counts the others


def robustness(
    arms: list[dict[str, Any]], verdicts: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """`robustness` of results.json; None for a single model or a single tokenizer.

    Args:
        arms: their entries in results.json.
        verdicts: from `gptkit.results.verdict.verdict`, of all pairs under all models.

    Returns:
        `best`: by model, the `tokenizer` of the lowest loss, and those that are
        `not_told_apart` from it. `reversals`: see `find_reversals`. `depends_on_model`: whether
        the best tokenizer is not the same under all models. `says`: all of it in words.
    """
    groups = by_model(arms)
    models = list(dict.fromkeys(seeds[0]["model"] for seeds in groups))
    if len(models) < 2 or len(groups) == len(models):
        return None
    best = {}
    for model in models:
        leader = min((g for g in groups if g[0]["model"] == model), key=bits_of)[0]["tokenizer"]
        pairs = [(*pair_of(v), v["told_apart"]) for v in verdicts]
        unsure = [b for a, b, m, apart in pairs if (a, m) == (leader, model) and apart is False]
        best[model] = {"tokenizer": leader, "not_told_apart": unsure}
    reversals = find_reversals(verdicts)
    return {
        "best": best,
        "reversals": reversals,
        "depends_on_model": len({of["tokenizer"] for of in best.values()}) > 1,
        "says": in_words(best, reversals),
    }


def find_reversals(verdicts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs that models tell apart in opposite directions, the widest apart first.

    Each has `a` and `b`; `a_better_under` and `b_better_under`, the models; `bits_per_byte`, the
    smaller of the largest differences in either direction; and `told_apart`, which is null
    where there is but one seed: then the text alone tells them apart.
    """
    by_pair: dict[tuple[str, ...], dict[str, list[dict[str, Any]]]] = {}
    for v in verdicts:
        better, worse, _ = pair_of(v)
        if v["told_apart"] is not False:
            by_pair.setdefault(tuple(sorted((better, worse))), {}).setdefault(better, []).append(v)
    reversals = []
    for sides in by_pair.values():
        if len(sides) < 2:
            continue
        (a, under_a), (b, under_b) = sides.items()
        both = under_a + under_b
        largest = [max(v["delta_bits_per_byte"] for v in side) for side in (under_a, under_b)]
        reversals.append(
            {
                "a": a,
                "b": b,
                "a_better_under": [pair_of(v)[2] for v in under_a],
                "b_better_under": [pair_of(v)[2] for v in under_b],
                "bits_per_byte": min(largest),
                "told_apart": True if all(v["told_apart"] for v in both) else None,
            }
        )
    return sorted(reversals, key=lambda r: -r["bits_per_byte"])


def in_words(best: dict[str, dict[str, Any]], reversals: Sequence[dict[str, Any]]) -> str:
    """Who is best under which models, and which pairs reverse.

    >>> in_words({m: {"tokenizer": "gpt2", "not_told_apart": []} for m in ("a", "b")}, [])
    'gpt2 is best under both models.'
    """
    under: dict[str, list[str]] = {}
    for model, of in best.items():
        under.setdefault(of["tokenizer"], []).append(model)
    if len(under) == 1:
        (name,) = under
        said = f"{name} is best under {'both' if len(best) == 2 else f'all {len(best)}'} models"
    else:
        (name, models), *others = under.items()
        said = f"The answer depends on the model: {name} is best under {listed(models)}"
        said += "".join(f", {other} under {listed(of)}" for other, of in others)
    if unsure := [model for model, of in best.items() if of["not_told_apart"]]:
        said += f"; under {listed(unsure)} that lead is not told apart from chance"
    sentences = [f"{said}."]
    for r in reversals[:PAIRS_IN_WORDS]:
        doubt = "" if r["told_apart"] else ", at one seed"
        sentences.append(
            f"{r['a']} and {r['b']} change places{doubt}: {r['a']} is better under "
            f"{listed(r['a_better_under'])}, {r['b']} under {listed(r['b_better_under'])}."
        )
    if (more := len(reversals) - PAIRS_IN_WORDS) > 0:
        sentences.append(f"So do {more} more pairs.")
    return " ".join(sentences)
