"""The lecture's ladder: recipes from the bigram to today's decoder, each with one idea more.

The lecture is Andrej Karpathy's "Let's build GPT: from scratch, in code, spelled out", 2023. The
stages are configs of gptkit's own models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gptkit.config import ModelConfig, OptimConfig, Recipe
from gptkit.errors import ConfigError, check_known
from gptkit.plan.recipes import decoder, lecture


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the ladder.

    Attributes:
        adds: what is new in this stage, in a word or two.
        published: the lowest and the highest published validation loss, in nats per character of
            tiny Shakespeare: from the lecture, and from a public write-up that followed it step
            by step. None if none is published.
    """

    adds: str
    published: tuple[float, float] | None = None


STAGES = {
    "bigram": Stage(adds="a table of pairs", published=(2.49, 2.49)),
    "average": Stage(adds="mean of the past"),
    "head": Stage(adds="attention", published=(2.40, 2.40)),
    "heads": Stage(adds="four heads", published=(2.28, 2.28)),
    "feed-forward": Stage(adds="an MLP", published=(2.24, 2.27)),
    "residual": Stage(adds="residuals, depth", published=(2.08, 2.09)),
    "norm": Stage(adds="LayerNorm", published=(2.06, 2.08)),
    "scaled": Stage(adds="size and context", published=(1.48, 1.48)),
    "today": Stage(adds="the kit's recipe"),
}

Preset = Literal["cpu", "gpu"]

SCALED: dict[Preset, str] = {
    "cpu": "scaled is small, for a CPU: 4 layers of 128, context 64; the lecture's is for a GPU.",
    "gpu": "scaled is the lecture's, for a GPU: 6 layers of 384, context 256.",
}


def ladder(preset: str = "cpu", *, stages: Sequence[str] | None = None) -> dict[str, Recipe]:
    """Return the ladder's recipes by stage, in order: `Experiment(models=ladder())` trains them.

    Stages up to `norm` have the lecture's small settings: windows of 8 bytes, 32 windows per step,
    32 channels, AdamW at 1e-3, 5,000 steps. The bigram table has a learning rate of 1e-2.

    Args:
        preset: the size of `scaled`: gpu for the lecture's own size, cpu for a smaller one.
        stages: only these of `STAGES`; None for all.

    Raises:
        ConfigError: an unknown preset or stage.

    >>> from gptkit.plan.ladder import ladder
    >>> [name for name, recipe in ladder().items() if recipe.model.residual][-4:]
    ['residual', 'norm', 'scaled', 'today']
    """
    check_known("preset", preset, SCALED)
    if stages is not None and not stages:
        raise ConfigError(f"stages is empty; name at least one of {', '.join(STAGES)}.")
    for stage in stages or ():
        check_known("stage", stage, STAGES)
    small = lecture()
    bigram = ModelConfig(architecture="bigram")
    average = replace(
        small.model,
        n_layer=1,
        n_head=1,
        n_embd=32,
        n_hidden=32,
        attention="average",
        mlp=False,
        residual=False,
        norm=None,
        dropout=None,
        init="torch",
    )
    head = replace(average, attention="softmax")
    heads = replace(head, n_head=4)
    feed_forward = replace(heads, mlp=True)
    residual = replace(feed_forward, residual=True, n_layer=3, n_hidden=None)
    norm = replace(residual, norm="layer")
    models = {
        "average": average,
        "head": head,
        "heads": heads,
        "feed-forward": feed_forward,
        "residual": residual,
        "norm": norm,
    }
    every = {
        "bigram": _small(bigram, replace(small.optim, learning_rate=1e-2)),
        **{name: _small(model, small.optim) for name, model in models.items()},
        "scaled": _scaled_for_gpu() if preset == "gpu" else _scaled_for_cpu(),
        "today": decoder(),
    }
    return {name: every[name] for name in STAGES if stages is None or name in stages}


def _small(model: ModelConfig, optim: OptimConfig) -> Recipe:
    return Recipe(model=model, optim=optim, budget="5000steps", context_bytes=8, bytes_per_step=256)


def _scaled_for_cpu() -> Recipe:
    recipe = lecture()
    return replace(
        recipe,
        model=replace(recipe.model, n_layer=4, dropout=None),
        budget="5000steps",
        context_bytes=64,
        bytes_per_step=768,
    )


def _scaled_for_gpu() -> Recipe:
    recipe = lecture()
    return replace(
        recipe,
        model=replace(recipe.model, n_layer=6, n_head=6, n_embd=384),
        optim=replace(recipe.optim, learning_rate=3e-4, bf16=True, compiled=True),
        evaluations=10,
        budget="5000steps",
        context_bytes=256,
        bytes_per_step=64 * 256,
    )


def ladder_preset(recipes: Mapping[str, Recipe]) -> Preset | None:
    """Return the preset whose ladder has these stages, in its order; None for other recipes.

    >>> ladder_preset(ladder(stages=["head", "heads"]))
    'cpu'
    """
    for preset in SCALED:
        known = ladder(preset)
        if list(recipes) == [name for name in known if recipes.get(name) == known[name]]:
            return preset
    return None
