"""What a command does beside others that torchrun has started."""

import sys

import pytest

from gptkit.engines.torchrun import join_group
from gptkit.errors import ConfigError
from gptkit.plan.execution_config import ExecutionConfig

SECOND = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def second(monkeypatch):
    """Make this process the second of two, for one test."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    for name, value in SECOND.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("words", [("encode", "to be"), ("lecture", "trick"), ("doctor",)])
def test_only_the_first_process_prints(second, gptkit, words):
    assert gptkit(*words) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 2}, "jobs=2 trains several arms at a time"),
        ({"engine": "ray"}, "engine='ray' trains several arms at a time"),
    ],
)
def test_several_arms_at_a_time_are_refused(second, options, message):
    with pytest.raises(ConfigError, match=message):
        join_group(ExecutionConfig(**options))
