"""What a careful reader would ask about a result, asked first: warnings from its figures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gptkit.results.balance import LEVEL
from gptkit.results.statistics import FEWEST_BLOCKS, block_bytes_for
from gptkit.results.summary import claimed
from gptkit.train.tuning import TRIAL_PART

OVERFIT = 1.01  # the last evaluation over the best
MOST_EPOCHS = 4  # up to which repeated text is nearly as good as new: Muennighoff et al., 2023
SHORT_TRIAL = 50  # steps: fewer choose rates for another training than the arm's
PROMISED = {
    "bytes": "train_bytes",
    "tokens": "train_tokens",
    "flops": "train_flops",
    "params": "total_params",
    "time": "seconds",
}
UNSURE_DECIMAL = 0.01  # bits per byte: an interval this wide leaves one decimal


def cautions(result: dict[str, Any]) -> list[str]:
    """Warnings, one sentence each, for what results.json has but `warnings`."""
    arms = result["arms"]
    uniform, bigram = (
        {
            row["tokenizer"]: row["bits_per_byte"]
            for row in result["baselines"]
            if row["name"] == name
        }
        for name in ("uniform", "bigram")
    )
    said = []
    if result["verdict"] and len({arm["seed"] for arm in arms}) == 1:
        said.append("one seed: another may turn a small difference round. Give --seeds 5.")
    if result["verdict"] and _fast_alone(result["experiment"]["models"]):
        said.append(
            "fast is the only model, and it favours small vocabularies: the order may be another "
            "under models that people train. Give --models decoder,fast."
        )
    said += _of_arms(
        arms,
        lambda arm: arm["last"]["bits_per_byte"] > OVERFIT * arm["val"]["bits_per_byte"],
        lambda arm: (
            f"overfitted, {arm['last']['bits_per_byte']:.3f} bits per byte at the end, "
            f"{arm['val']['bits_per_byte']:.3f} at its best, step {arm['best_step']}, which "
            "is what is reported"
        ),
    )
    said += _of_arms(
        arms,
        lambda arm: claimed(arm)["bits_per_byte"] > uniform[arm["tokenizer"]],
        lambda arm: (
            f"worse than guessing, {claimed(arm)['bits_per_byte']:.3f} bits per byte, "
            f"{uniform[arm['tokenizer']]:.3f} for every id alike"
        ),
    )
    said += _of_arms(
        arms,
        lambda arm: (
            arm["params"]["body"] > 0 and claimed(arm)["bits_per_byte"] > bigram[arm["tokenizer"]]
        ),
        lambda arm: (
            "learned less than counting pairs of ids gives, "
            f"{claimed(arm)['bits_per_byte']:.3f} bits per byte, {bigram[arm['tokenizer']]:.3f} by "
            "counts. A larger budget may change the order"
        ),
    )
    said += _of_arms(
        arms,
        lambda arm: arm["train"]["epochs"] > MOST_EPOCHS,
        lambda arm: (
            f"read the training text {arm['train']['epochs']:.1f} times; beyond "
            f"{MOST_EPOCHS}, repeated text is worth less than new"
        ),
    )
    said += _of_arms(
        arms,
        lambda arm: claimed(arm).get("lost_bytes", 0) > 0,
        lambda arm: (
            f"its tokenizer loses {claimed(arm)['lost_bytes']:,} of "
            f"{claimed(arm)['bytes']:,} bytes; its bits per byte include what tells the text "
            "from what it spells"
        ),
    )
    return said + _of_text(result) + _of_matching(result) + _of_tuning(result)


def _fast_alone(models: Sequence[str] | Mapping[str, dict[str, Any]]) -> bool:
    """Whether the one model has what favours small vocabularies, by its name or by its recipe."""
    if len(models) != 1:
        return False
    if not isinstance(models, Mapping):
        return models[0] == "fast"
    (model,) = (recipe["model"] for recipe in models.values())
    return bool(model["token_shift"] or model["ngram_rows"])


def _of_text(result: dict[str, Any]) -> list[str]:
    """Where the text that the claim is from is too small."""
    split = result["claim"]
    n_bytes = result["corpus"][f"{split}_bytes"]
    said = []
    blocks = n_bytes // block_bytes_for(n_bytes)
    if result["verdict"] and blocks < FEWEST_BLOCKS:
        said.append(
            f"the {split} text has {n_bytes:,} bytes, {blocks} blocks of {block_bytes_for(n_bytes)}"
            f": intervals over fewer than {FEWEST_BLOCKS} are rough. Give a longer text."
        )
    widest = max(
        (v["ci95_text"][1] - v["delta_bits_per_byte"] for v in result["verdict"] if v["ci95_text"]),
        default=0.0,
    )
    if widest >= UNSURE_DECIMAL:
        said.append(
            f"the {split} text is too small for three decimals: over its blocks alone a "
            f"difference is known to ± {widest:.3f} bits per byte."
        )
    return said


def _of_matching(result: dict[str, Any]) -> list[str]:
    """Where what was to be equal is not, but for models that cannot follow and are noted."""
    by = result["match"]["by"]
    with_body = {arm["model"] for arm in result["arms"] if arm["params"]["body"]}
    said = []
    for model, spread in result["match"]["spread"].items():
        ratio = spread[PROMISED[by]]
        if (ratio is None or ratio > LEVEL) and (model in with_body or by != "params"):
            said.append(
                f"matched by {by}, but under {model} {PROMISED[by]} differ by more than 1 %: "
                "a step is too large a part of so small a budget."
            )
    return said


def _of_tuning(result: dict[str, Any]) -> list[str]:
    said = []
    steps = {(arm["tokenizer"], arm["model"]): arm["steps"] for arm in result["arms"]}
    short = [
        t for t in result["tuning"] if steps[t["tokenizer"], t["model"]] < TRIAL_PART * SHORT_TRIAL
    ]
    if short:
        said.append(
            f"learning rates were chosen by trials of under {SHORT_TRIAL} steps, which favour high "
            "ones. Give a larger budget, or leave out --tune."
        )
    for tuned in result["tuning"]:
        factors = [trial["factor"] for trial in tuned["trials"]]
        if tuned["factor"] in (min(factors), max(factors)):
            said.append(
                f"{tuned['tokenizer']}-{tuned['model']}: the best learning rate is at the edge "
                f"of those tried, {tuned['factor']:g} times the recipe's."
            )
    return said


def _of_arms(
    arms: list[dict[str, Any]],
    applies: Callable[[dict[str, Any]], bool],
    says: Callable[[dict[str, Any]], str],
) -> list[str]:
    """One sentence for all arms of a kind: what the first does, and how many more."""
    found = [arm for arm in arms if applies(arm)]
    if not found:
        return []
    more = len(found) - 1
    others = f" (and {more} more {'arm' if more == 1 else 'arms'})" if more else ""
    return [f"{found[0]['id']}{others}: {says(found[0])}."]
