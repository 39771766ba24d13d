"""Estimates say what an experiment will cost."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from gptkit.cli import app
from gptkit.engines.cost import _makespan
from gptkit.experiment import Experiment
from gptkit.models import MODELS


def cost(flops, slow, fast):
    return SimpleNamespace(flops=flops, seconds={1: slow, 2: fast})


@pytest.mark.parametrize(
    ("arms", "processes", "seconds"),
    [
        ([(1, 8, 5), (1, 4, 3)], 1, 8),  # one after another, each with both cores
        ([(1, 8, 5), (1, 8, 5)], 2, 8),  # side by side, a core each
        ([(2, 8, 4), (1, 4, 2)], 2, 8),  # an arm keeps its core when the other is done
        ([(1, 4, 3)] * 3, 2, 7),  # the last one has both cores
        ([(1, 4, 3)] * 4, 4, 8),  # four processes on two cores: half a core each
        ([(1, 2, 1), (3, 6, 4), (2, 4, 2)], 2, 6),  # the longest first: 4 + 2 beside 6
    ],
)
def test_busy_processes_share_the_cores(arms, processes, seconds):
    costs = [cost(*arm) for arm in arms]
    assert _makespan(costs, processes=processes, threads=2) == pytest.approx(seconds)


@pytest.mark.usefixtures("soon")
def test_a_cost_is_counted_without_training(text_file, tmp_path):
    experiment = Experiment(
        data=str(text_file),
        budget="20KB",
        evaluations=1,
        sample_bytes=9,
        out=tmp_path / "runs",
    )
    found = experiment.cost()
    assert not (tmp_path / "runs").exists()
    arms = experiment.plan().arms
    assert [arm.id for arm in found.arms] == [arm.id for arm in arms]
    for arm, planned in zip(found.arms, arms, strict=True):
        V = {"char": None, "gpt2": 50_257}[planned.tokenizer]
        if V is not None:
            model = MODELS[planned.model.architecture]
            counts = model.count_params(
                planned.model, vocab_size=V, block_size=planned.schedule.block_size
            )
            assert arm.params == counts.total
        assert arm.steps == 20
        assert arm.memory_bytes > 0
        assert arm.seconds > 0
    result = experiment.run()
    flops = {arm.id: arm.train.flops for arm in result.arms}
    for arm in found.arms:  # windows of average length: a few per cent off on so short a text
        assert arm.flops == pytest.approx(flops[arm.id], rel=0.1)
    assert found.memory_bytes > 50e6  # PyTorch alone takes more


@pytest.mark.usefixtures("soon")
def test_the_command_prints_a_table_or_a_document(text_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["compare", "-d", str(text_file), "--budget", "20KB", "--dry-run"]
    table = CliRunner().invoke(app, words)
    assert "What it would cost" in table.stdout
    assert "one arm at a time." in table.stdout
    document = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    keys = {"arms", "device", "processes", "memory_bytes", "seconds", "cluster"}
    assert document.keys() == keys
    assert list(tmp_path.glob("runs")) == []
