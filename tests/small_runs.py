"""Small runs of every standard recipe and of two that cannot be exported."""

from dataclasses import replace

import gptkit
from gptkit.plan.ladder import ladder
from gptkit.plan.recipes import RECIPES

TOKENIZERS = ("char", "byte", "bpe:300", "gpt2")
LADDER = ("norm", "scaled")
RECIPE_NAMES = ("decoder", "gpt2", "qwen3", "lecture", *LADDER)


def small(recipe):
    if recipe.model.architecture == "decoder":
        model = replace(recipe.model, n_layer=2, n_head=2, n_embd=16, n_hidden=32)
        recipe = replace(recipe, model=model)
    short = replace(recipe, budget="20steps", evaluations=1)
    return replace(short, context_bytes=40, bytes_per_step=200)


def train_small_runs(folder, english, *, tokenizers=TOKENIZERS):
    """Train an experiment in a folder and return its own; runs are `<tokenizer>-<recipe>-s0`."""
    text = folder / "text.txt"
    text.write_text(english[:8000], encoding="utf-8")
    recipes = {name: small(RECIPES[name]()) for name in RECIPE_NAMES if name not in LADDER}
    recipes |= {name: small(ladder()[name]) for name in LADDER}
    recipes |= {name: small(RECIPES[name]()) for name in ("bigram", "fast")}
    gptkit.compare(
        tokenizers=tokenizers,
        models=recipes,
        data=str(text),
        split=(0.8, 0.1, 0.1),
        sample_bytes=1,
        out=folder,
        name="all",
        jobs=1,
    )
    return folder / "all"
