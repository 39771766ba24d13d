"""Write golden_losses.json, the losses of every recipe, for `test_golden_losses.py`.

    PYTHONPATH=toolkit:tokenizers python tests/gptkit/train/make_golden_losses.py

Run it only when a change is meant to alter what a recipe learns, and say so in the commit. With
--check it writes nothing and prints, for each recipe and tokenizer, the largest difference from
the file: run it so with another number of threads (--threads 2), or with the kernels of another
CPU (ATEN_CPU_CAPABILITY=avx2 or default, MKL_CBWR=COMPATIBLE), to see what rounding does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import torch

from gptkit.config import Recipe
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.data.markov import MarkovSource
from gptkit.events import StepDone
from gptkit.models import build_model
from gptkit.plan.matching import Request, match_bytes
from gptkit.plan.recipes import RECIPES
from gptkit.train.loop import Training

FILE = Path(__file__).with_name("golden_losses.json")
TOKENIZERS = ("char", "gpt2", "bpe:512")
STEPS, BYTES_PER_STEP = 20, 512  # half of the recipes' bytes, to save time
VAL_CHARS = 2_000


def make_corpus() -> Corpus:
    """Lines of some 130 made-up words, and a duck: enough to learn from in `STEPS` steps.

    The same everywhere, and nobody's text.
    """
    rng = random.Random(0)
    letters = MarkovSource.random(order=1, seed=0).write(3_000, seed=0)
    words = [*dict.fromkeys(letters.split()), "naïve", "🦆"]
    lines = [" ".join(rng.choices(words, k=rng.randint(4, 9))) for _ in range(500)]
    text = ".\n".join(lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Corpus(name="golden", train=text[:-VAL_CHARS], val=text[-VAL_CHARS:], sha256=digest)


def make_recipe(name: str) -> Recipe:
    """The recipe for `STEPS` steps of `BYTES_PER_STEP` bytes and one evaluation.

    The large ones are shrunk to 2 x 6 x 96: their 20 steps would take minutes. What they have of
    their own stays.
    """
    recipe = RECIPES[name]()
    if name.startswith("large"):
        recipe = replace(recipe, model=replace(recipe.model, n_layer=2, n_embd=96))
    return replace(recipe, budget=f"{STEPS}steps", bytes_per_step=BYTES_PER_STEP, evaluations=1)


def train_recipe(name: str, encoded: EncodedCorpus) -> tuple[list[float], float]:
    """The loss of each step, in nats per token, and the last validation loss, in bits per byte."""
    request = Request(recipes={name: make_recipe(name)}, seeds=(0,))
    (arm,) = match_bytes({"golden": encoded}, request).arms
    model = build_model(
        arm.model,
        block_size=arm.schedule.block_size,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=0,
    )
    *steps, scored = Training(model, encoded, arm.optim, arm.schedule)
    losses = [event.loss for event in steps if isinstance(event, StepDone)]
    return losses, scored.evaluation.bits_per_byte


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    corpus = make_corpus()
    golden = json.loads(FILE.read_text()) if options.check else {}
    found: dict[str, dict[str, dict[str, object]]] = {name: {} for name in RECIPES}
    for tokenizer in TOKENIZERS:
        encoded = encode_corpus(corpus, tokenizer)
        for name in RECIPES:
            losses, bits = train_recipe(name, encoded)
            found[name][tokenizer] = {"losses": losses, "val_bits_per_byte": bits}
            if options.check:
                known = golden["recipes"][name][tokenizer]
                steps = max(abs(a - b) for a, b in zip(losses, known["losses"], strict=True))
                val = abs(bits - known["val_bits_per_byte"])
                print(f"{name:8} {tokenizer:8} steps {steps:.1e} nats, val {val:.1e} bits")
    if not options.check:
        made_with = {"torch": torch.__version__, "text_sha256": corpus.sha256}
        FILE.write_text(json.dumps(made_with | {"recipes": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
