"""Read results, and check that their parts speak of the same tokenizers and models."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from gptkit.files import read_bytes
from gptkit.plan.experiment_config import find_unknown
from gptkit.results.scale_schema import Scale
from gptkit.results.schema import COUNTED_BIGRAM, Results
from gptkit.results.studies import Study


def read_checked(file: Path) -> Results | Study | Scale:
    """Read a results.json or scale.json.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else, or parts that do not fit together.
    """
    data = read_bytes(file)
    try:
        found = msgspec.json.decode(
            data, type=Scale if file.name == "scale.json" else Results | Study
        )
        plain = msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_numbers(plain)
    if isinstance(found, Results | Scale):
        if unknown := find_unknown(plain["experiment"], found.experiment):
            raise ValueError(f"an experiment has no field {unknown!r}")
        check_results(found) if isinstance(found, Results) else check_scale(found)
    return found


def _check_numbers(value: Any) -> None:
    """Raise a ValueError for a whole number beyond 64 bits, which a float may not hold."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_numbers(item)
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"it has a number of {value.bit_length()} bits")


def check_results(results: Results) -> None:
    """Raise a ValueError if a part names a tokenizer or a model that no arm has.

    Every tokenizer has an arm under every model.
    """
    pairs = {(arm.tokenizer, arm.model) for arm in results.arms}
    tokenizers, models = {t for t, _ in pairs}, {m for _, m in pairs}
    _check("arms", product(tokenizers, models), pairs)
    if len({arm.id for arm in results.arms}) < len(results.arms):
        raise ValueError("arms has an id twice")
    if any(arm.steps < 1 for arm in results.arms):
        raise ValueError("an arm has no steps")
    if any(not arm.samples for arm in results.arms):
        raise ValueError("an arm has no sample")
    if any(not 0 <= arm.reported.bits_per_byte < math.inf for arm in results.arms):
        raise ValueError("a loss is no positive number")
    first = {(arm.tokenizer, arm.model) for arm in results.arms if arm.seed == 0}
    _check("the first seed's arms", pairs, first)
    named: dict[str, Iterable[str]] = {
        "verdict": [name for verdict in results.verdict for name in (verdict.a, verdict.b)],
        "baselines": [one.tokenizer for one in results.baselines if one.tokenizer is not None],
        "tuning": [tuning.tokenizer for tuning in results.tuning],
        "marginals": [marginal.tokenizer for marginal in results.marginals],
        "perturbed": [perturbed.tokenizer for perturbed in results.perturbed],
    }
    modelled: dict[str, Iterable[str]] = {
        "verdict": [verdict.model for verdict in results.verdict],
        "tuning": [tuning.model for tuning in results.tuning],
        "marginals": [m.model for m in results.marginals if m.model != COUNTED_BIGRAM],
        "perturbed": [perturbed.model for perturbed in results.perturbed],
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
    if not scale.rungs:
        raise ValueError("it has no rungs")
    if not len(scale.predicted) == len(scale.found) == len(whole):
        raise ValueError(
            f"it has {len(scale.predicted)} predictions, {len(scale.found)} findings and "
            f"{len(whole)} pairs"
        )
    places = {(rung.tokenizer, rung.model, rung.folder) for rung in scale.rungs}
    tokenizers, models, folders = (set(names) for names in zip(*places, strict=True))
    if len(places) < len(tokenizers) * len(models) * len(folders):
        raise ValueError("a rung has not every tokenizer under every model")
    _check("crossovers", [name for pair in whole for name in (pair.a, pair.b)], tokenizers)
    _check("crossovers", [pair.model for pair in whole], models)
    if set(scale.says) != models:
        raise ValueError(f"it says something of {', '.join(scale.says)}, which are not its models")


def _check(part: str, names: Iterable[object], known: Iterable[object]) -> None:
    if unknown := set(names) - set(known):
        raise ValueError(f"{part} has {sorted(map(str, unknown))[0]!r}, which no arm has")
