"""Find whether the answer depends on the model, and which pairs of tokenizers change order."""

from __future__ import annotations

from collections.abc import Sequence

from gptkit.results.schema import ArmResult, Best, Reversal, Robustness, Verdict
from gptkit.results.summary import group_by_model, join_names, mean_bits

MAX_REVERSALS_SHOWN = 3  # pairs that the message names


def assess_robustness(arms: Sequence[ArmResult], verdicts: Sequence[Verdict]) -> Robustness | None:
    """Compare the answers under each model; None for a single model or a single tokenizer.

    Args:
        verdicts: from `gptkit.results.verdict.judge`, for all pairs under all models.
    """
    groups = group_by_model(arms)
    models = list(dict.fromkeys(seeds[0].model for seeds in groups))
    if len(models) < 2 or len(groups) == len(models):
        return None
    best = {}
    for model in models:
        leader = min((g for g in groups if g[0].model == model), key=mean_bits)[0].tokenizer
        unsure = [
            v.b for v in verdicts if (v.a, v.model) == (leader, model) and v.significant is False
        ]
        best[model] = Best(tokenizer=leader, not_told_apart=unsure)
    reversals = find_reversals(verdicts)
    return Robustness(
        best=best,
        reversals=reversals,
        depends_on_model=len({of.tokenizer for of in best.values()}) > 1,
        message=describe(best, reversals),
    )


def find_reversals(verdicts: Sequence[Verdict]) -> list[Reversal]:
    """Find pairs with significant differences in opposite directions, the largest first."""
    by_pair: dict[tuple[str, ...], dict[str, list[Verdict]]] = {}
    for v in verdicts:
        if v.significant is not False:
            by_pair.setdefault(tuple(sorted((v.a, v.b))), {}).setdefault(v.a, []).append(v)
    reversals = []
    for sides in by_pair.values():
        if len(sides) < 2:
            continue
        (a, under_a), (b, under_b) = sides.items()
        both = under_a + under_b
        largest = [max(v.delta_bits_per_byte for v in side) for side in (under_a, under_b)]
        reversals.append(
            Reversal(
                a=a,
                b=b,
                a_better_under=[v.model for v in under_a],
                b_better_under=[v.model for v in under_b],
                bits_per_byte=min(largest),
                significant=True if all(v.significant for v in both) else None,
            )
        )
    return sorted(reversals, key=lambda r: -r.bits_per_byte)


def describe(best: dict[str, Best], reversals: Sequence[Reversal]) -> str:
    """Say who is best under which models, and which pairs change order.

    >>> describe({m: Best(tokenizer="gpt2", not_told_apart=[]) for m in ("a", "b")}, [])
    'gpt2 is best under both models.'
    """
    under: dict[str, list[str]] = {}
    for model, of in best.items():
        under.setdefault(of.tokenizer, []).append(model)
    if len(under) == 1:
        (name,) = under
        said = f"{name} is best under {'both' if len(best) == 2 else f'all {len(best)}'} models"
    else:
        (name, models), *others = under.items()
        said = f"The answer depends on the model: {name} is best under {join_names(models)}"
        said += "".join(f", {other} under {join_names(of)}" for other, of in others)
    if unsure := [model for model, of in best.items() if of.not_told_apart]:
        said += f"; under {join_names(unsure)} that lead is not told apart from chance"
    sentences = [f"{said}."]
    for r in reversals[:MAX_REVERSALS_SHOWN]:
        doubt = "" if r.significant else ", at one seed"
        sentences.append(
            f"{r.a} and {r.b} change places{doubt}: {r.a} is better under "
            f"{join_names(r.a_better_under)}, {r.b} under {join_names(r.b_better_under)}."
        )
    if (more := len(reversals) - MAX_REVERSALS_SHOWN) > 0:
        sentences.append(f"So do {more} more pairs.")
    return " ".join(sentences)
