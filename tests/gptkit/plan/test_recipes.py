"""The recipes: what they are. `export/test_layouts.py` tests their shapes."""

from dataclasses import replace

import msgspec
import pytest

from gptkit.config import ModelConfig, OptimConfig, Recipe
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.events import StepDone
from gptkit.models import build_model
from gptkit.plan.matching import Request, match_bytes
from gptkit.plan.recipes import RECIPES
from gptkit.train.loop import Training

STANDARD = ("decoder", "large", "gpt2", "lecture", "qwen3")


def test_no_standard_recipe_has_what_transformers_lacks():
    for name in STANDARD:
        model = RECIPES[name]().model
        assert (model.token_shift, model.ngram_rows) == (False, None)


def test_fast_is_the_decoder_of_version_0_1_0():
    # Config and defaults of `decoder` as gptkit 0.1.0 had them, commit ca3f82d.
    assert RECIPES["fast"]() == Recipe(
        model=ModelConfig(
            n_layer=2,
            n_head=2,
            n_embd=128,
            n_hidden=256,
            norm="rms",
            positions="rotary",
            qk_norm=True,
            embedding_norm=True,
            token_shift=True,
            ngram_rows=4096,
            activation="relu2",
            init="unit",
            zero_init_residual=True,
        ),
        optim=OptimConfig(
            learning_rate=1e-2,
            embedding_learning_rate=0.1,
            muon_learning_rate=2e-2,
            muon_iterations=3,
            muon_momentum=0.95,
            betas=(0.9, 0.999),
            weight_decay=0.2,
            decay_fraction=1.0,
        ),
        budget="600KB",
        context_bytes=160,
        bytes_per_step=1024,
    )


def test_a_recipe_survives_json():
    for make in RECIPES.values():
        assert msgspec.json.decode(msgspec.json.encode(make()), type=Recipe) == make()


# Losses of the first 20 steps of version 0.1.0's `decoder` (commit ca3f82d) on `english`, torch
# 2.13.0 on a CPU with AVX-512, where `fast` gives the same bits.
FIRST_LOSSES = {
    "char": [
        *(3.1780545711517334, 2.7227859497070312, 2.193697690963745, 1.7518831491470337),
        *(1.364856243133545, 1.136320948600769, 0.9660508036613464, 0.8506917953491211),
        *(0.8133413195610046, 0.769758403301239, 0.7087298035621643, 0.7288342714309692),
        *(0.6659073233604431, 0.6894320249557495, 0.7081214189529419, 0.7041234374046326),
        *(0.68289715051651, 0.7025565505027771, 0.6789054870605469, 0.6741607189178467),
    ],
    "gpt2": [
        *(10.824904441833496, 10.228001594543457, 9.248826026916504, 7.903310775756836),
        *(6.232530117034912, 4.393618106842041, 3.05859637260437, 2.7278904914855957),
        *(2.526033401489258, 2.4097979068756104, 2.50158429145813, 2.34676456451416),
        *(2.438162088394165, 2.296241283416748, 2.2654218673706055, 2.2709527015686035),
        *(2.2260773181915283, 2.1877553462982178, 2.2848381996154785, 2.284038543701172),
    ],
}


@pytest.mark.parametrize("tokenizer", FIRST_LOSSES)
def test_fast_still_learns_as_version_0_1_0_did(english, tokenizer):
    corpus = Corpus(name="text", train=english[:-1000], val=english[-1000:], sha256="")
    encoded = encode_corpus(corpus, tokenizer)
    recipe = replace(RECIPES["fast"](), budget="20steps")
    (arm,) = match_bytes({tokenizer: encoded}, Request(recipes={"fast": recipe}, seeds=(0,))).arms
    model = build_model(
        arm.model,
        block_size=arm.schedule.block_size,
        vocab_size=encoded.tokenizer.vocab_size,
        train_ids=encoded.train.ids,
        seed=0,
    )
    events = Training(model, encoded, arm.optim, replace(arm.schedule, evaluations=1))
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    # Other kernels round otherwise: with one thread in place of two the same CPU gives losses up
    # to 3e-7 apart over these steps. 1e-4 leaves room for other CPUs; any change of the recipe
    # shows in the second decimal.
    assert losses == pytest.approx(FIRST_LOSSES[tokenizer], rel=0, abs=1e-4)
