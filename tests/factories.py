"""Typed results for tests, whole but small; every test changes what it is about.

`msgspec.structs.replace(result, field=…)` changes a field.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from gptkit.data.corpus_facts import CorpusFacts
from gptkit.events.losses import Baseline, Loss
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.results.balance import QUANTITIES
from gptkit.results.schema import (
    ArmResult,
    LastEvaluation,
    Machine,
    Match,
    Params,
    Results,
    Sample,
    Stretch,
    Stretches,
    Training,
    Verdict,
)

VAL_BYTES = 111_540


def make_loss(bits: float, *, tokens: int = VAL_BYTES, **changes: Any) -> Loss:
    """The loss of a validation text of tiny Shakespeare's size."""
    loss = Loss(
        bytes=VAL_BYTES,
        chars=VAL_BYTES,
        tokens=tokens,
        nats_per_token=2.0,
        nats_per_char=1.7,
        bits_per_byte=bits,
    )
    return replace(loss, **changes)


def make_arm(
    tokenizer: str = "char",
    model: str = "decoder",
    bits: float = 2.5,
    *,
    seed: int = 0,
    vocab_size: int = 65,
    vocab_seen: int | None = None,
    **changes: Any,
) -> ArmResult:
    """An arm of the default budget."""
    seen = vocab_size if vocab_seen is None else vocab_seen
    arm = ArmResult(
        id=f"{tokenizer}-{model}-s{seed}",
        tokenizer=tokenizer,
        model=model,
        seed=seed,
        vocab_size=vocab_size,
        vocab_seen=seen,
        block_size=128,
        context_bytes=160.0,
        batch_size=8,
        steps=586,
        learning_rate=0.01,
        params=Params(
            embedding=vocab_size * 128,
            body=589_824,
            head=vocab_size * 128,
            total=vocab_size * 256 + 589_824,
        ),
        train=Training(
            bytes=600_064,
            tokens=600_064,
            epochs=0.6,
            flops=2.1e12,
            flops_full_softmax=2.1e12 if seen == vocab_size else 7.7e12,
            seconds=40.0,
        ),
        last=LastEvaluation(step=586, bits_per_byte=bits),
        curve=[],
        best_step=586,
        val=make_loss(bits),
        samples=[Sample(prompt="\n", text="Speak, \x1b[2Jspeak | <b>no</b>.\n\nThou")],
    )
    return replace(arm, **changes)


def make_verdict(
    a: str = "gpt2",
    b: str = "char",
    model: str = "decoder",
    delta: float = 0.1,
    *,
    significant: bool | None = None,
    **changes: Any,
) -> Verdict:
    """A verdict of one seed, which the text alone tells apart."""
    verdict = Verdict(
        a=a,
        b=b,
        model=model,
        delta_bits_per_byte=delta,
        ci95=None,
        ci95_text=(delta - 0.005, delta + 0.005),
        ci95_seeds=None,
        ci95_both=None,
        p_holm=None,
        seeds=1,
        significant=significant,
        message=f"{a} vs {b} under {model}: {a} is better by {delta:.3f} bits per byte; "
        "one seed: no interval across seeds",
        stretches=Stretches(
            most=[make_stretch("my lord\nand\x1b[2J", 2.206), make_stretch("of", 1.5)],
            least=[make_stretch("HIC", -1.3), make_stretch("<b>|", -1.07)],
        ),
    )
    return replace(verdict, **changes)


def make_stretch(text: str, bits: float) -> Stretch:
    return Stretch(start=0, end=60, text=text, bits_per_byte=bits)


def make_results(*arms: ArmResult, **changes: Any) -> Results:
    """Results of arms; by default char and gpt2 under the decoder, with a verdict."""
    if not arms:
        gpt2 = make_arm("gpt2", bits=2.406, vocab_size=50_257, vocab_seen=11_234)
        gpt2 = replace(gpt2, val=make_loss(2.406, tokens=36_059))
        arms = (
            make_arm("char", bits=2.506),
            replace(gpt2, train=replace(gpt2.train, tokens=180_000)),
        )
        changes = {"verdict": [make_verdict()]} | changes
    models = tuple(dict.fromkeys(arm.model for arm in arms))
    results = Results(
        gptkit="0.1.0",
        name="x",
        experiment=ExperimentConfig(
            tokenizers=tuple(dict.fromkeys(arm.tokenizer for arm in arms)),
            models=models,
            data="tinyshakespeare",
            seeds=len({arm.seed for arm in arms}),
        ),
        corpus=CorpusFacts(
            name="tinyshakespeare",
            sha256="86c4",
            train_bytes=1_003_854,
            val_bytes=VAL_BYTES,
            train_chars=1_003_854,
            val_chars=VAL_BYTES,
        ),
        reported_split="val",
        match=Match(
            by="bytes",
            notes=[],
            equal=["train_bytes"],
            unequal=["seconds"],
            max_over_min={
                model: dict.fromkeys(QUANTITIES, 1.0) | {"train_tokens": 3.334} for model in models
            },
        ),
        machine=Machine(torch="2.13.0", device="cpu", threads=2, arms_at_a_time=1),
        tuning=[],
        arms=list(arms),
        baselines=[
            Baseline(name="uniform", tokenizer="char", bits_per_byte=6.022),
            Baseline(name="bigram", tokenizer="char", bits_per_byte=3.586),
            Baseline(name="uniform", tokenizer="gpt2", bits_per_byte=5.049),
            Baseline(name="bigram", tokenizer="gpt2", bits_per_byte=3.2),
            Baseline(name="zlib", primer_bytes=32_768, bits_per_byte=3.101),
            Baseline(name="bz2", primer_bytes=0, bits_per_byte=2.635),
        ],
        verdict=[],
        robustness=None,
        warnings=["there is one seed, and another may turn it."],
        seconds=100.0,
    )
    return replace(results, **changes)
