"""A ladder's results, stage by stage, as the rows that the terminal and the report both show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gptkit.plan.ladder import SCALED, STAGES, ladder, ladder_preset
from gptkit.plan.recipes import Recipe
from gptkit.results.balance import LEVEL
from gptkit.results.summary import bits_of, by_model, claimed, deviation_of

SHOWN = ("bigram", "norm", "today")  # whose samples tell the story


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """A stage under a tokenizer, over its seeds.

    Attributes:
        gain: bits per byte less than the stage before; None for the first.
        deviation: of `bits` over seeds; None with one.
        published: of char, in nats per character, as in "2.24–2.27"; empty where there is none.
    """

    stage: str
    adds: str
    params: int
    train_bytes: float
    nats_per_token: float
    bits: float
    deviation: float | None
    gain: float | None
    published: str


def preset_of(result: dict[str, Any]) -> str | None:
    """The preset of the ladder that an experiment was; None if it was none."""
    models = result["experiment"]["models"]
    if not isinstance(models, Mapping):
        return None
    return ladder_preset({name: Recipe.from_dict(data) for name, data in models.items()})


def stage_rows(result: dict[str, Any]) -> dict[str, list[StageRow]]:
    """By tokenizer, a row for each stage that was trained, in the ladder's order."""
    rows: dict[str, list[StageRow]] = {}
    for seeds in by_model(result["arms"]):
        arm, bits = seeds[0], bits_of(seeds)
        so_far = rows.setdefault(arm["tokenizer"], [])
        stage = STAGES[arm["model"]]
        so_far.append(
            StageRow(
                stage=arm["model"],
                adds=stage.adds,
                params=arm["params"]["total"],
                train_bytes=fmean(seed["train"]["bytes"] for seed in seeds),
                nats_per_token=fmean(claimed(seed)["nats_per_token"] for seed in seeds),
                bits=bits,
                deviation=deviation_of(seeds) if len(seeds) > 1 else None,
                gain=so_far[-1].bits - bits if so_far else None,
                published=published(arm["model"], result) if arm["tokenizer"] == "char" else "",
            )
        )
    return rows


def published(stage: str, result: dict[str, Any], *, bits: bool = False) -> str:
    """What a stage reached elsewhere, char on tiny Shakespeare, in nats or bits per character.

    A character of tiny Shakespeare is a byte.
    """
    low_high = STAGES[stage].published
    if low_high is None or result["corpus"]["name"] != "tinyshakespeare":
        return ""
    shown = [f"{nats / math.log(2) if bits else nats:.2f}" for nats in low_high]
    on_a_gpu = " GPU" if stage == "scaled" else ""
    return "–".join(dict.fromkeys(shown)) + on_a_gpu


def ladder_note(result: dict[str, Any], *, spread: bool) -> str:
    """How the stages were trained, what a gain is, and whose figures are published.

    Args:
        spread: whether deviations are shown beside it.
    """
    preset = preset_of(result)
    assert preset is not None
    trained = {arm["model"] for arm in result["arms"]}
    asked = result["experiment"]
    own = {name: recipe.budget for name, recipe in ladder(preset).items() if name in trained}
    given = asked["match"] == "time" or {asked["budget"]} not in ({None}, set(own.values()))
    said = []
    if given:
        said.append(f"Each stage was trained for {asked['budget']}, not for its own budget.")
    elif trained - {"scaled", "today"}:
        said.append("Up to norm, as in the lecture: 5,000 steps of 32 windows of 8 bytes.")
    if "scaled" in trained:
        said.append(SCALED[preset])
    if "today" in trained and not given:
        said.append("today is the kit's decoder at its default, 600kB of text.")
    read = [arm["train"]["bytes"] for arm in result["arms"]]
    if max(read) > LEVEL * min(read):
        said.append("Stages read different amounts of text.")
    said.append("Gain: bits per byte less than the row before.")
    tokenizers = {arm["tokenizer"] for arm in result["arms"]}
    if len(tokenizers) > 1:
        said.append(f"Under one stage, tokenizers are matched by {asked['match']}.")
    if spread:
        said.append("±: standard deviation over seeds.")
    if (len(tokenizers) > 1 or "char" in tokenizers) and any(
        published(stage, result) for stage in trained
    ):
        said.append("Published: char, by the lecture and by one write-up that followed it.")
    return " ".join(said)
