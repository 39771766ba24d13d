"""Find warnings about a result in its numbers: what a careful reader would ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gptkit.config import TRIAL_PART, Recipe
from gptkit.results.balance import is_equal
from gptkit.results.schema import ArmResult, Results
from gptkit.results.statistics import MIN_BLOCKS, block_bytes_for

OVERFIT_RATIO = 1.01  # loss of the last evaluation / loss of the best one
MAX_EPOCHS = 4  # up to this, repeated text is nearly as good as new: Muennighoff et al., 2023
MIN_TRIAL_STEPS = 50  # shorter trials favour high learning rates
MATCHED_QUANTITIES = {
    "bytes": "train_bytes",
    "tokens": "train_tokens",
    "flops": "train_flops",
    "params": "total_params",
    "time": "seconds",
}
WIDE_INTERVAL = 0.01  # bits per byte; with a wider interval, one decimal is left


def check_result(results: Results) -> list[str]:
    """Return the warnings about a result; those that weigh most come first."""
    return [
        *_check_losses(results),
        *_check_matching(results),
        *_check_marginals(results),
        *_check_text(results),
        *_check_tuning(results),
        *_check_asked(results),
    ]


def _check_asked(results: Results) -> list[str]:
    messages = []
    if results.verdict and results.n_seeds == 1:
        messages.append(
            "there is one seed, and another may change the sign of a small difference. Give "
            "seeds=5."
        )
    if results.verdict and _is_fast_alone(results.experiment.models):
        messages.append(
            "fast is the only model, and it favours small vocabularies. The order may differ "
            'under models that people train. Give models="decoder,fast".'
        )
    return messages


def _is_fast_alone(models: Sequence[str] | Mapping[str, Recipe]) -> bool:
    """Return whether the only model has inputs that favour small vocabularies."""
    if len(models) != 1:
        return False
    if not isinstance(models, Mapping):
        return models[0] == "fast"
    (recipe,) = models.values()
    return recipe.model.token_shift or recipe.model.ngram_rows is not None


def _check_losses(results: Results) -> list[str]:
    uniform, bigram = (
        {row.tokenizer: row.bits_per_byte for row in results.baselines if row.name == name}
        for name in ("uniform", "bigram")
    )

    def bits(arm: ArmResult) -> float:
        return arm.reported.bits_per_byte

    checks: list[tuple[Callable[[ArmResult], bool], Callable[[ArmResult], str]]] = [
        (
            lambda arm: bits(arm) > uniform[arm.tokenizer],
            lambda arm: (
                f"worse than guessing: {bits(arm):.3f} bits per byte; uniform guessing gives "
                f"{uniform[arm.tokenizer]:.3f}"
            ),
        ),
        (
            lambda arm: arm.reported.lost_bytes > 0,
            lambda arm: (
                f"its tokenizer loses {arm.reported.lost_bytes:,} of {arm.reported.bytes:,} bytes; "
                "its bits per byte include the cost of restoring them"
            ),
        ),
        (
            lambda arm: arm.last.bits_per_byte > OVERFIT_RATIO * arm.val.bits_per_byte,
            lambda arm: (
                f"overfitted: {arm.last.bits_per_byte:.3f} bits per byte at the end, "
                f"{arm.val.bits_per_byte:.3f} at its best, step {arm.best_step}, which is what is "
                "reported"
            ),
        ),
        (
            lambda arm: arm.params.body > 0 and bits(arm) > bigram[arm.tokenizer],
            lambda arm: (
                f"worse than bigram counts: {bits(arm):.3f} bits per byte; counting pairs of ids "
                f"gives {bigram[arm.tokenizer]:.3f}. A larger budget may change the order"
            ),
        ),
        (
            lambda arm: arm.train.epochs > MAX_EPOCHS,
            lambda arm: (
                f"read the training text {arm.train.epochs:.1f} times; beyond {MAX_EPOCHS}, "
                "repeated text is worth less than new text"
            ),
        ),
    ]
    return [text for applies, says in checks if (text := _first_of(results.arms, applies, says))]


def _first_of(
    arms: Sequence[ArmResult],
    applies: Callable[[ArmResult], bool],
    says: Callable[[ArmResult], str],
) -> str | None:
    """Return one sentence about an arm that a check applies to, and how many more there are.

    It is the one that loses most bytes, else the first one.
    """
    found = sorted((arm for arm in arms if applies(arm)), key=_lost_share, reverse=True)
    if not found:
        return None
    more = len(found) - 1
    others = f" (and {more} more {'arm' if more == 1 else 'arms'})" if more else ""
    return f"{found[0].id}{others}: {says(found[0])}."


def _lost_share(arm: ArmResult) -> float:
    return arm.reported.lost_bytes / arm.reported.bytes


def _check_text(results: Results) -> list[str]:
    """Warn if the text that the losses are from is too small."""
    split, n_bytes = results.reported_split, results.reported_bytes
    block_bytes = block_bytes_for(n_bytes)
    blocks = n_bytes // block_bytes
    messages = []
    if held_out := results.corpus.held_out_files:
        name, number, n_files = held_out
        messages.append(
            f"the {split} text is from the end of {n_files} files in the order of their names: "
            f"from {name}, file {number}, on. If the files differ, say in language, the losses are "
            "about these alone. Mix the files, or give texts of one kind."
        )
    if results.verdict and blocks < MIN_BLOCKS:
        messages.append(
            f"the {split} text has {n_bytes:,} bytes. Intervals need at least {MIN_BLOCKS} blocks "
            f"of {block_bytes:,} bytes to be exact. Give a longer text."
        )
    widest = max(
        (v.ci95_text[1] - v.delta_bits_per_byte for v in results.verdict if v.ci95_text),
        default=0.0,
    )
    if widest >= WIDE_INTERVAL:
        messages.append(
            f"the {split} text is too small for three decimals: a difference below "
            f"{widest:.3f} bits per byte may be chance."
        )
    return messages


def _check_matching(results: Results) -> list[str]:
    """Warn if the matched quantity is not equal, except for models that the notes name."""
    by = results.match.by
    quantity = MATCHED_QUANTITIES[by]
    with_body = {arm.model for arm in results.arms if arm.params.body}
    return [
        f"matched by {by}, but under {model} {quantity} differ by more than 1 %. The budget has "
        "too few steps."
        for model, ratios in results.match.max_over_min.items()
        if not is_equal(ratios[quantity]) and (model in with_body or by != "params")
    ]


def _check_tuning(results: Results) -> list[str]:
    steps = {(arm.tokenizer, arm.model): arm.steps for arm in results.arms}
    messages = []
    if any(steps[t.tokenizer, t.model] < TRIAL_PART * MIN_TRIAL_STEPS for t in results.tuning):
        messages.append(
            f"learning rates were chosen by trials of under {MIN_TRIAL_STEPS} steps, which favour "
            "high rates. Give a larger budget, or tune=False."
        )
    for tuned in results.tuning:
        factors = [trial.factor for trial in tuned.trials]
        if tuned.factor in (min(factors), max(factors)):
            messages.append(
                f"{tuned.tokenizer}-{tuned.model}: the best learning rate, {tuned.factor:g} times "
                "the recipe's, is at the edge of the tried rates."
            )
    return messages


def _check_marginals(results: Results) -> list[str]:
    """Warn where the losses over all tokenizations would change a verdict's difference by more."""
    gaps = {(row.tokenizer, row.model): row.gap for row in results.marginals}
    messages = []
    for v in results.verdict:
        ends = (v.a, v.model), (v.b, v.model)
        if not all(end in gaps for end in ends):
            continue
        shift = gaps[ends[1]] - gaps[ends[0]]
        if abs(shift) > v.delta_bits_per_byte:
            messages.append(
                f"over all tokenizations, the difference of {v.a} and {v.b} under {v.model} would "
                f"be {v.delta_bits_per_byte - shift:+.3f}, not {v.delta_bits_per_byte:+.3f} bits "
                "per byte: what canonical tokenization costs them differs by more than they differ."
            )
    return messages
