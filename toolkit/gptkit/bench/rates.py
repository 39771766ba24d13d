"""Study whether a recipe's learning rates favour a tokenizer, by the same grid for all.

The best rate depends on the tokenizer: one that makes few tokens of a text has noisier gradients.
So every tokenizer is trained at the same multiples of a recipe's rates, on training text alone.
Each at its own best rate is then compared with all at the rate they share, and with the recipe's
rule (`rates_follow_tokens`) if it has one.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from gptkit.config import RATES, Recipe
from gptkit.data.corpus import Corpus, load_corpus
from gptkit.errors import ConfigError, check_known
from gptkit.experiment import Experiment
from gptkit.plan.recipes import RECIPES
from gptkit.report.result import Result
from gptkit.results.schema import ArmResult
from gptkit.results.studies import RULE, PairDifference, RatesStudy, RecipeRates, Regret

FACTORS = (0.5, 0.71, 1.0, 1.41)  # of the recipe's rates
MAX_HELD_OUT_CHARS = 100_000  # at the end of the training text; at most a tenth of it
MAX_TRAINING_CHARS = 8_000_000  # of the training text before those

Losses = dict[str, list[float]]  # by setting, a factor or the rule: of each text and seed


def training_part(corpus: Corpus) -> Corpus:
    """Make a corpus of the training text alone; its val is the end of that text."""
    text = corpus.train[-(MAX_TRAINING_CHARS + MAX_HELD_OUT_CHARS) :]
    held_out = min(MAX_HELD_OUT_CHARS, len(text) // 10)
    return Corpus(
        name=f"{corpus.name}, training text",
        train=text[:-held_out],
        val=text[-held_out:],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def variants(name: str, factors: Sequence[float]) -> dict[str, Recipe]:
    """Return a recipe at each factor of its rates, and by its rule if it has one.

    >>> list(variants("decoder", (0.5, 1.0)))
    ['decoder-0.5', 'decoder-1', 'decoder-rule']
    """
    recipe = replace(RECIPES[name](), evaluations=1)
    at_factor = {
        f"{name}-{factor:g}": replace(
            recipe, optim=recipe.optim.at_rate(factor), rates_follow_tokens=False
        )
        for factor in factors
    }
    return at_factor | ({f"{name}-{RULE}": recipe} if recipe.rates_follow_tokens else {})


def study_rates(
    *,
    models: Sequence[str],
    tokenizers: Sequence[str],
    texts: Sequence[str],
    factors: Sequence[float] = FACTORS,
    seeds: int = 3,
    budget: str | None = None,
    out: Path = Path("runs"),
    resume: bool = False,
    jobs: int | None = None,
    run: Callable[[Experiment], Result] = Experiment.run,
) -> RatesStudy:
    """Train every tokenizer and recipe at every factor, and measure the cost of a shared rate.

    Args:
        texts: corpora, as `load_corpus` takes them; their validation text is not touched.
        factors: of the recipes' rates.
        budget: training text per arm; None for the recipes' own.
        out: the folder of the runs, with an experiment for each text.
        resume: whether to keep runs that are finished.
        run: trains an experiment, perhaps showing its progress.

    Raises:
        ConfigError: no such recipe, or fewer than two factors.
    """
    for model in models:
        check_known("model", model, RECIPES)
    if len(set(factors)) < 2 or min(factors) <= 0:
        raise ConfigError(
            f"factors are {','.join(map(str, factors))}; give at least two different positive ones."
        )
    recipes = {k: v for name in models for k, v in variants(name, factors).items()}
    corpora = [training_part(load_corpus(text)) for text in texts]
    results = []
    for text, corpus in zip(texts, corpora, strict=True):
        name = "rates-" + re.sub(r"[^\w.+-]+", "_", Path(text).stem)
        experiment = Experiment(
            tokenizers=tokenizers,
            models=recipes,
            data=corpus,
            seeds=seeds,
            budget=budget,
            sample_bytes=1,
            out=out,
            name=name,
            resume=resume and (out / name).is_dir(),
            jobs=jobs,
        )
        results.append(run(experiment))
    return RatesStudy(
        gptkit=results[0].data.gptkit,
        tokenizers=list(tokenizers),
        texts=[corpus.facts() for corpus in corpora],
        data=list(texts),
        factors=list(factors),
        seeds=seeds,
        budget=budget or RECIPES[models[0]]().budget,
        machine=results[0].data.machine,
        recipes=[summarise(name, [result.arms for result in results]) for name in models],
    )


def find_regret(losses: Losses, setting: str) -> Regret:
    """Compute a tokenizer's regret at a setting, against its best setting."""
    pairs = zip(losses[setting], losses[best_setting(losses)], strict=True)
    differences = [here - best for here, best in pairs]
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return Regret(mean=fmean(differences), error=error)


def best_setting(losses: Losses) -> str:
    """Return the setting with the lowest mean loss."""
    return min(losses, key=lambda setting: fmean(losses[setting]))


def shared_factor(by_tokenizer: dict[str, Losses]) -> str:
    """Return the factor whose largest regret over the tokenizers is smallest (minimax regret).

    >>> shared_factor({"a": {"0.5": [2.0], "1": [2.1]}, "b": {"0.5": [3.3], "1": [3.0]}})
    '1'
    """
    factors = [setting for setting in next(iter(by_tokenizer.values())) if setting != RULE]
    return min(
        factors, key=lambda f: max(find_regret(losses, f).mean for losses in by_tokenizer.values())
    )


def summarise(name: str, texts: Sequence[Sequence[ArmResult]]) -> RecipeRates:
    """Return a recipe's losses, its shared factor, and the cost of each way of choosing.

    Args:
        texts: the arms of each text's experiment.
    """
    by_text: list[dict[str, Losses]] = []
    for arms in texts:
        of_text: dict[str, Losses] = {}
        for arm in arms:
            model, _, setting = arm.model.rpartition("-")
            if model == name:
                losses = of_text.setdefault(arm.tokenizer, {})
                losses.setdefault(setting, []).append(arm.val.bits_per_byte)
        by_text.append(of_text)
    pooled = {
        tokenizer: {
            setting: [bits for of_text in by_text for bits in of_text[tokenizer][setting]]
            for setting in settings
        }
        for tokenizer, settings in by_text[0].items()
    }
    shared = shared_factor(pooled)
    ways = [shared, *([RULE] if RULE in next(iter(pooled.values())) else [])]
    optim = RECIPES[name]().optim
    return RecipeRates(
        model=name,
        rates={rate: value for rate in RATES if (value := getattr(optim, rate)) is not None},
        losses=by_text,
        own_best={tokenizer: best_setting(losses) for tokenizer, losses in pooled.items()},
        shared=shared,
        regret={way: {t: find_regret(losses, way) for t, losses in pooled.items()} for way in ways},
        pairs=_pairs(by_text, pooled, ways),
    )


def _pairs(
    by_text: Sequence[dict[str, Losses]], pooled: dict[str, Losses], ways: Sequence[str]
) -> list[PairDifference]:
    """Return b's loss minus a's for each text and pair, under each way of choosing rates."""
    best = {tokenizer: best_setting(losses) for tokenizer, losses in pooled.items()}
    return [
        PairDifference(
            text=i,
            a=a,
            b=b,
            own_best=fmean(of_text[b][best[b]]) - fmean(of_text[a][best[a]]),
            by_way={way: fmean(of_text[b][way]) - fmean(of_text[a][way]) for way in ways},
        )
        for i, of_text in enumerate(by_text)
        for a, b in itertools.combinations(of_text, 2)
    ]
