"""Measure training on a GPU in one call: speed, seconds to a known loss, and the best loss.

The text is tiny Shakespeare under characters, the model `large`, with the parameters of nanoGPT's
model for a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version

import torch

from gptkit.config import Recipe, Schedule
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.errors import ConfigError
from gptkit.events import StepDone
from gptkit.models import MODELS, Model, build_model
from gptkit.models.compact_softmax import head_columns
from gptkit.plan.recipes import RECIPES
from gptkit.results.gpu_schema import GpuRun, GpuSpeed, GpuStep
from gptkit.train.loop import Training

TARGET = 1.4697  # nats per character: nanoGPT's recipe for a GPU, its best of 5,000 steps
BEST_PUBLISHED = 1.4603  # the lowest credible published figure for this size
BLOCK_SIZE, BATCH_SIZE = 256, 64
STEPS_TO_TARGET = 600  # of a training that ends below `TARGET`
STEPS_TO_BEST, DROPOUT_TO_BEST = 1500, 0.3  # longer, and with more dropout against overfitting
SEEDS = 5
TIMED_STEPS, WARM_STEPS = 96, 32
MATRIX = 8192  # rows and columns of the product that gives the card's peak
SIZES = ("large", "large-gpt2", "large-qwen3")
TOKENIZERS = ("char", "gpt2")


def measure_gpu(*, on_run: Callable[[str], None] = lambda what: None) -> GpuSpeed:
    """Measure on the first GPU.

    Args:
        on_run: called with what is measured next.

    Raises:
        ConfigError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here.\nRun this on a machine that has one.")
    began, corpus = time.perf_counter(), load_corpus()
    texts = {name: encode_corpus(corpus, name) for name in TOKENIZERS}
    on_run("the largest matrix product")
    peak = matrix_flops()
    steps = []
    for recipe in SIZES:
        for name, encoded in texts.items():
            on_run(f"steps of {recipe} under {name}")
            steps.append(time_steps(recipe, name, encoded, peak))
    to_target, to_best = [], []
    chars, large = texts["char"], RECIPES["large"]()
    longer = replace(large, model=replace(large.model, dropout=DROPOUT_TO_BEST))
    for seed in range(SEEDS):
        on_run(f"seed {seed}")
        to_target.append(_train(large, chars, steps=STEPS_TO_TARGET, seed=seed))
        to_best.append(_train(longer, chars, steps=STEPS_TO_BEST, seed=seed, evaluations=10))
    return GpuSpeed(
        gptkit=version("gptkit"),
        torch=str(torch.__version__),
        card=torch.cuda.get_device_name(),
        peak_flops=peak,
        steps=steps,
        target=TARGET,
        to_target=to_target,
        best_published=BEST_PUBLISHED,
        to_best=to_best,
        seconds=time.perf_counter() - began,
    )


def matrix_flops() -> float:
    """Return the FLOPs per second of a large bf16 matrix product: the card's practical peak."""
    a = torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16)
    b = torch.randn_like(a)
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    began, n = time.perf_counter(), 20
    for _ in range(n):
        a @ b
    torch.cuda.synchronize()
    return n * 2 * MATRIX**3 / (time.perf_counter() - began)


def time_steps(recipe: str, tokenizer: str, encoded: EncodedCorpus, peak: float) -> GpuStep:
    """Time training steps of a recipe, after steps that warm up."""
    config = RECIPES[recipe]()
    training = _training(config, encoded, steps=WARM_STEPS + TIMED_STEPS, seed=0)
    events = list(_steps(training))
    first, last = events[WARM_STEPS - 1], events[-1]
    seconds, tokens = last.seconds - first.seconds, last.train_tokens - first.train_tokens
    columns = head_columns(encoded.vocab_seen, encoded.tokenizer.vocab_size)
    flops = MODELS[config.model.architecture].flops_per_token(
        config.model, columns=columns, block_size=BLOCK_SIZE
    )
    return GpuStep(
        recipe=recipe,
        tokenizer=tokenizer,
        params=training.model.num_params().total,
        milliseconds=1000 * seconds / (last.step - first.step),
        tokens_per_second=tokens / seconds,
        flops_per_second=flops * tokens / seconds,
        share_of_peak=flops * tokens / seconds / peak,
    )


def _steps(training: Training) -> Iterator[StepDone]:
    return (event for event in training if isinstance(event, StepDone))


def _training(
    recipe: Recipe, encoded: EncodedCorpus, *, steps: int, seed: int, evaluations: int = 1
) -> Training:
    model: Model = build_model(
        recipe.model,
        block_size=BLOCK_SIZE,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=seed,
    ).to(torch.device("cuda"))
    schedule = Schedule(
        block_size=BLOCK_SIZE,
        batch_size=BATCH_SIZE,
        steps=steps,
        evaluations=evaluations,
        seed=seed,
    )
    return Training(model, encoded, recipe.optim, schedule)


def _train(
    recipe: Recipe, encoded: EncodedCorpus, *, steps: int, seed: int, evaluations: int = 1
) -> GpuRun:
    training = _training(recipe, encoded, steps=steps, seed=seed, evaluations=evaluations)
    for _ in training:
        pass
    assert training.best is not None
    return GpuRun(
        seed=seed,
        steps=steps,
        seconds=training.progress.seconds,
        nats_per_char=training.best.evaluation.nats_per_char,
    )
