"""Check that the parts of results speak of the same tokenizers and models."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from gptkit.results.scale_schema import Scale
from gptkit.results.schema import Results


def check_results(results: Results) -> None:
    """Raise a ValueError if a part names a tokenizer or a model that no arm has.

    Every tokenizer has an arm under every model.
    """
    pairs = {(arm.tokenizer, arm.model) for arm in results.arms}
    tokenizers, models = {t for t, _ in pairs}, {m for _, m in pairs}
    _check("arms", product(tokenizers, models), pairs)
    if len({arm.id for arm in results.arms}) < len(results.arms):
        raise ValueError("arms has an id twice")
    named: dict[str, Iterable[str]] = {
        "verdict": [name for verdict in results.verdict for name in (verdict.a, verdict.b)],
        "baselines": [one.tokenizer for one in results.baselines if one.tokenizer is not None],
        "tuning": [tuning.tokenizer for tuning in results.tuning],
        "marginals": [marginal.tokenizer for marginal in results.marginals],
    }
    modelled: dict[str, Iterable[str]] = {
        "verdict": [verdict.model for verdict in results.verdict],
        "tuning": [tuning.model for tuning in results.tuning],
        "marginals": [marginal.model for marginal in results.marginals],
        "match": results.match.max_over_min,
    }
    if robust := results.robustness:
        best = robust.best.values()
        named["robustness"] = [t for b in best for t in (b.tokenizer, *b.not_told_apart)]
        named["reversals"] = [t for r in robust.reversals for t in (r.a, r.b)]
        _check("robustness", models, set(robust.best))
        modelled["robustness"] = robust.best
    for part, names in named.items():
        _check(part, names, tokenizers)
    for part, names in modelled.items():
        _check(part, names, models)


def check_scale(scale: Scale) -> None:
    """Raise a ValueError if the parts of a ladder do not fit together."""
    whole = [pair for pair in scale.crossovers if pair.text is None]
    if not len(scale.predicted) == len(scale.found) == len(whole):
        raise ValueError(
            f"it has {len(scale.predicted)} predictions, {len(scale.found)} findings and "
            f"{len(whole)} pairs"
        )
    pairs = {(rung.tokenizer, rung.model) for rung in scale.rungs}
    tokenizers, models = {t for t, _ in pairs}, {m for _, m in pairs}
    _check("rungs", product(tokenizers, models), pairs)
    _check("crossovers", [name for pair in whole for name in (pair.a, pair.b)], tokenizers)
    _check("crossovers", [pair.model for pair in whole], models)
    _check("says", scale.says, models)


def _check(part: str, names: Iterable[object], known: Iterable[object]) -> None:
    if unknown := set(names) - set(known):
        raise ValueError(f"{part} has {sorted(map(str, unknown))[0]!r}, which no arm has")
