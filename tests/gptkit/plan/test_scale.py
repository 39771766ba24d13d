"""The experiments of a ladder's rungs."""

import re
from dataclasses import replace

import pytest

from gptkit.errors import ConfigError
from gptkit.experiment.scale import ScaleLadder
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.recipes import decoder
from gptkit.plan.scale import ScaleConfig, check_epochs, rung_configs


def budgets(configs):
    return [config.budget for config in configs.values()]


def test_rungs_of_bytes_shrink_by_the_factor():
    configs = rung_configs(ExperimentConfig(models=("decoder",), budget="9.6MB"), ScaleConfig())
    assert budgets(configs) == ["1200000B", "2400000B", "4800000B", "9600000B"]
    assert list(configs) == ["1-1.2MB", "2-2.4MB", "3-4.8MB", "4-9.6MB"]


def test_rungs_of_sizes_have_the_factor_in_the_bodys_parameters():
    scale = ScaleConfig(axis="params", rungs=3, factor=4)
    configs = rung_configs(ExperimentConfig(models=("decoder", "qwen3")), scale)
    assert len(set(budgets(configs))) == 1
    widths = [config.recipes()["decoder"].model.n_embd for config in configs.values()]
    hidden = [config.recipes()["decoder"].model.n_hidden for config in configs.values()]
    assert (widths, hidden) == ([32, 64, 128], [64, 128, 256])
    assert configs["3-600kB"].models == ("decoder", "qwen3")  # the top is the recipe's own


def test_both_shrink_together():
    configs = rung_configs(
        ExperimentConfig(models=("decoder",)), ScaleConfig(axis="both", rungs=3, factor=4)
    )
    assert budgets(configs) == ["37500B", "150000B", "600000B"]
    assert [c.recipes()["decoder"].model.n_embd for c in configs.values()] == [32, 64, 128]


def test_steps_are_a_budget_too():
    config = ExperimentConfig(models=("decoder",), budget="400steps")
    assert budgets(rung_configs(config, ScaleConfig(rungs=3)))[-1] == f"{400 * 1024}B"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": 2}, "rungs is 2; it must be from 3 to 12"),
        ({"factor": 1.0}, "factor is 1; it must be from 1.2 to 100"),
        ({"axis": "flops"}, "there is no axis 'flops'"),
        ({"extrapolate": 0.5}, "extrapolate is 0.5; it must be from 1 to 1000"),
    ],
)
def test_wrong_rungs_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ScaleConfig(**options)


def test_a_ladder_by_time_or_of_a_bigrams_size_is_refused():
    with pytest.raises(ConfigError, match="not matched by time"):
        rung_configs(ExperimentConfig(match="time", models=("decoder",)), ScaleConfig())
    with pytest.raises(ConfigError, match="equally many seeds at each rung"):
        rung_configs(ExperimentConfig(until="decided", models=("decoder",)), ScaleConfig())
    with pytest.raises(ConfigError, match="bigram has one size"):
        rung_configs(ExperimentConfig(models=("bigram",)), ScaleConfig(axis="params"))
    two = {"a": decoder(), "b": decoder().__class__(**{**decoder().__dict__, "budget": "1MB"})}
    with pytest.raises(ConfigError, match="budgets of their own"):
        rung_configs(ExperimentConfig(models=two), ScaleConfig())


@pytest.mark.parametrize(
    ("config", "scale", "message"),
    [
        ({"budget": "4KB"}, {"rungs": 4}, r"rung 1 of 4 would read 500 bytes, less than one step"),
        ({"budget": "3steps"}, {"rungs": 3, "factor": 1.2}, "rungs 1 and 2 of 3 .* same steps, 2"),
        (
            {"budget": "1MB"},
            {"rungs": 5, "factor": 10, "axis": "params"},
            "rungs 1 and 2 of 5 .* same width of decoder, 4",
        ),
        ({"tokenizers": ("char",)}, {}, "give at least two"),
    ],
)
def test_rungs_that_are_none_are_refused(config, scale, message):
    with pytest.raises(ConfigError, match=message):
        rung_configs(ExperimentConfig(models=("decoder",), **config), ScaleConfig(**scale))


def test_only_the_rungs_that_were_asked_for_are_checked():
    """The recipe's own budget, 600 kB, would have no twelve rungs."""
    config = ExperimentConfig(models=("decoder",), budget="100MB")
    ScaleLadder.from_configs(ScaleConfig(rungs=12), config, ExecutionConfig())


def test_more_than_four_epochs_are_refused():
    config = ExperimentConfig(models=("decoder",), budget="600KB")
    check_epochs(config, 150_000)
    with pytest.raises(ConfigError, match=r"reads 600,000 bytes, 4\.3 times the 140,000 bytes"):
        check_epochs(config, 140_000)


def test_the_budget_that_is_advised_is_taken():
    config = ExperimentConfig(models=("decoder",), budget="4MB")
    with pytest.raises(ConfigError) as refused:
        check_epochs(config, 999_900)
    advised = re.search(r"budget='(\w+)'", str(refused.value))[1]
    assert advised == "3999KB"
    check_epochs(replace(config, budget=advised), 999_900)
