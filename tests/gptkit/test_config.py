"""Configs refuse values that their fields do not have."""

import pytest

from gptkit.config import ModelConfig, OptimConfig, Recipe, Schedule
from gptkit.errors import ConfigError
from gptkit.plan.scale import ScaleConfig


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"activation": "tanh"}, "(?s)no activation 'tanh'.*There are: relu2, relu, gelu, swiglu"),
        ({"norm": "layernorm"}, "no norm 'layernorm'. Did you mean layer"),
        ({"positions": "sinusoidal"}, "(?s)no positions 'sinusoidal'.*rotary, learned"),
        ({"attention": "flash"}, "no attention 'flash'"),
        ({"init": "xavier"}, "no init 'xavier'"),
        ({"n_layer": 2.5}, "n_layer is 2.5; it must be a whole number"),
        ({"bias": "no"}, "bias is 'no'; it must be True or False"),
        ({"dropout": "0.1"}, "dropout is '0.1'; it must be a number or None"),
    ],
)
def test_a_model_has_no_value_that_it_does_not_know(options, says):
    with pytest.raises(ConfigError, match=says):
        ModelConfig(**options)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (OptimConfig, {"learning_rate": "0.1"}),
        (OptimConfig, {"learning_rate": 0.1, "betas": (0.9,)}),
        (Schedule, {"block_size": 8, "steps": 2.5}),
        (Recipe, {"model": "decoder", "optim": OptimConfig(learning_rate=1)}),
        (ScaleConfig, {"rungs": "4"}),
        (Recipe, {"model": ModelConfig(), "optim": OptimConfig(learning_rate=1), "budget": 600}),
    ],
)
def test_a_value_of_another_type_is_refused(config, options):
    with pytest.raises(ConfigError, match="; it must be a"):
        config(**options)
