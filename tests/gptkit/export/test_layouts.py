"""Each standard recipe has the shape of the model of transformers that it is named after."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from gptkit.errors import ConfigError
from gptkit.export.layouts import find_layout
from gptkit.models import build_model
from gptkit.plan.ladder import ladder
from gptkit.plan.recipes import RECIPES

V, T = 40, 24
TRAIN = np.random.default_rng(0).integers(0, 25, size=500).astype(np.uint8)  # 15 ids unused
MODELS = {name: RECIPES[name]().model for name in ("decoder", "large", "gpt2", "lecture", "qwen3")}
MODELS |= {name: ladder()[name].model for name in ("norm", "scaled", "today")}
TYPES = {"decoder": "nanochat", "large": "nanochat", "today": "nanochat", "qwen3": "qwen3"}


def model_of(config):
    return build_model(config, block_size=T, vocab_size=V, train_ids=TRAIN, seed=0).eval()


@pytest.mark.parametrize("name", MODELS)
def test_a_recipe_has_its_place_in_transformers(name):
    model = model_of(MODELS[name])
    torch.manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():  # no weight at its initial value, gains and biases included
            p.add_(torch.randn_like(p) * 0.1)
    layout = find_layout(model, name)
    assert layout.model_type == TYPES.get(name, "gpt2")
    config = transformers.CONFIG_MAPPING[layout.model_type](**layout.config)
    target = transformers.AutoModelForCausalLM.from_config(config)
    target.load_state_dict(layout.weights, strict=True)
    ids = torch.randint(0, V, (3, T))
    with torch.no_grad():
        theirs = target.eval()(ids).logits.log_softmax(-1)  # (3, T, V)
        for end in (1, T // 2, T):
            # float32 rounding through a few layers; the requirement on an export is 1e-4
            assert (model.next_log_probs(ids[:, :end]) - theirs[:, end - 1]).abs().max() < 1e-4


@pytest.mark.parametrize(
    "config",
    [
        *(RECIPES[name]().model for name in ("bigram", "fast")),
        *(ladder()[name].model for name in ("average", "head", "residual")),
        replace(RECIPES["decoder"]().model, token_shift=True),
        replace(RECIPES["gpt2"]().model, bias=False),
        replace(RECIPES["qwen3"]().model, activation="gelu"),
    ],
)
def test_another_shape_is_refused_with_the_recipes_to_use(config):
    with pytest.raises(ConfigError, match=r"mine cannot be exported.*\nTrain decoder, large, gpt2"):
        find_layout(model_of(config), "mine")
