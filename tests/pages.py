"""Pages for tests: results with losses by byte on a text of one's own, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from factories import make_arm, make_loss, make_results
from msgspec.structs import replace

from gptkit.report.html.experiment import experiment_page
from gptkit.results.byte_losses import ByteLosses, to_byte_losses
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import CurvePoint, Results, Sample
from gptkit.results.verdict import judge
from gptkit_tokenizers import get_tokenizer


def make_losses(tokenizer: str, text: str, *, seed: int = 0) -> ByteLosses:
    """Losses drawn at random for the tokens that a tokenizer makes of a text."""
    if tokenizer == "char":
        lengths = [len(c.encode()) for c in text]
    else:
        built = get_tokenizer(tokenizer)
        lengths = [len(built.token_bytes(i)) for i in built.encode(text)]
    nats = np.random.default_rng([seed, len(tokenizer)]).exponential(2.0, len(lengths))
    return to_byte_losses(nats * np.array(lengths), np.cumsum(lengths), text.encode())


def make_experiment(
    text: str,
    *,
    tokenizers: Mapping[str, str] | None = None,
    models: Sequence[str] = ("bigram", "decoder"),
    seeds: int = 1,
    sample: str = "Speak, my lord.",
) -> tuple[Results, dict[str, ByteLosses]]:
    """Results of tokenizers (specs by name) on a text, and each arm's losses by its id."""
    arms, losses = [], {}
    for model in models:
        for name, spec in (tokenizers or {"char": "char", "gpt2": "gpt2"}).items():
            for seed in range(seeds):
                found = make_losses(spec, text, seed=seed + 10 * len(model))
                bits = float(found.nats.sum(dtype=np.float64)) / np.log(2) / len(found.text)
                n = len(found.borders)
                loss = make_loss(bits, tokens=n, bytes=len(found.text), chars=len(text))
                arm = make_arm(name, model, bits, seed=seed, val=loss)
                losses[arm.id] = found
                samples = [Sample(prompt="\n", text=sample)]
                arms.append(replace(arm, samples=samples, curve=make_curve(bits)))
    verdict = judge(arms, lambda arm: losses[arm.id])
    robustness = assess_robustness(arms, verdict)
    return make_results(*arms, verdict=verdict, robustness=robustness), losses


def make_curve(bits: float) -> list[CurvePoint]:
    """Three evaluations, down to a loss."""
    return [
        CurvePoint(
            step=200 * i,
            train_bytes=200_000 * i,
            seconds=13.0 * i,
            val_bits_per_byte=bits + 1 - i / 3,
        )
        for i in (1, 2, 3)
    ]


def make_page(results: Results, losses: Mapping[str, ByteLosses]) -> str:
    """The page with its loss map."""
    return experiment_page(results, lambda arm: losses[arm.id])
