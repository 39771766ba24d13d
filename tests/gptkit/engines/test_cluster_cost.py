"""What an experiment would cost on a cluster: the nodes, the schedule, and the command."""

import json
from types import SimpleNamespace

import pytest
import torch

from gptkit.engines import cluster_cost
from gptkit.engines.cluster_cost import Task, estimate_on_cluster, makespan
from gptkit.errors import ConfigError
from gptkit.experiment import Experiment
from gptkit.plan.cluster import parse_cluster
from gptkit.report.cluster import cluster_table
from gptkit.results.cost import NodesCost


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cluster '' names no nodes"),
        ("4cpu", "cluster '4cpu' names no nodes"),
        ("2xcpu,", "'' in cluster '2xcpu,' names no nodes"),
        ("2xtpu", "cluster '2xtpu' names no nodes"),
        ("2xcpu:1.5", "names no nodes"),
        ("٤xcpu", "names no nodes"),
        ("0xcpu", "must have from 1 to 100,000 nodes"),
        ("100001xgpu", "must have from 1 to 100,000 nodes"),
        ("999999999xcpu:16", "must have from 1 to 100,000 nodes"),
        ("1xcpu,2xcpu:10000", "'2xcpu:10000' in cluster '1xcpu,2xcpu:10000' must have from 1 to"),
        ("2xcpu:0", "'2xcpu:0' must have from 1 to 9,999 cores in a node"),
        ("2xgpu:0.0", "must have a rate above 0 TFLOP/s"),
    ],
)
def test_what_is_no_cluster_is_refused(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_cluster(text)


@pytest.mark.parametrize(
    ("tasks", "nodes", "cores", "seconds"),
    [
        ([(1, 4)] * 8, 1, 1, 32),
        ([(1, 4)] * 8, 2, 1, 16),
        ([(1, 4)] * 8, 3, 1, 12),  # three, three, two
        ([(1, 4)] * 8, 1, 4, 8),  # four at a time on one node
        ([(2, 4)] * 4, 2, 3, 8),  # a third core is of no use
        ([(1, 9), (1, 5), (1, 4), (1, 2)], 2, 1, 11),  # 9 + 2 beside 5 + 4
        ([(2, 3), (1, 3), (1, 1)], 1, 2, 6),  # they wait in one line
        ([(1, 2), (2, 5)], 2, 2, 5),  # the next one goes where most cores are free
        ([], 2, 1, 0),
    ],
)
def test_the_schedule_is_the_line_of_a_cluster(tasks, nodes, cores, seconds):
    found = makespan([Task(*task) for task in tasks], nodes=nodes, cores=cores)
    assert found == pytest.approx(seconds)


def test_ten_thousand_arms_on_a_thousand_nodes_are_planned_at_once():
    tasks = [Task(1 + i % 3, 1.0) for i in range(10_000)]
    least = sum(task.cores for task in tasks) / 4000
    assert least <= makespan(tasks, nodes=1000, cores=4) <= 2 * least  # Graham's bound is 2 - 1/m


def experiment(text_file, **options):
    options = {"tokenizers": ["char"], "seeds": 4, "budget": "20KB"} | options
    return Experiment(data=str(text_file), **options)


def known_speed(monkeypatch, seconds):
    """Let each arm take some seconds by its number of cores, and a fresh process one second."""
    measured = SimpleNamespace(seconds=seconds)
    monkeypatch.setattr(cluster_cost, "measure_arms", lambda arms, *_: [measured] * len(arms))
    monkeypatch.setattr(cluster_cost, "_start_seconds", lambda: 1.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)


def estimate(made, cluster, processes=2):
    arms, texts = made.plan().arms, made.prepare().texts
    return estimate_on_cluster(parse_cluster(cluster), arms, texts, processes=processes)


def test_an_arm_takes_the_cores_that_it_takes_here(text_file, monkeypatch):
    known_speed(monkeypatch, {1: 9.0, 2: 5.0, 4: 3.0})
    made = experiment(text_file, models=["decoder"])
    (small, large, single) = estimate(made, "2xcpu:2,1xcpu:8,1xcpu:1")
    # Two at a time have two of four threads each, for all four arms.
    assert (small.arms_at_a_time, small.seconds, small.one_node_seconds) == (2, 12, 24)
    assert small.busy_share == pytest.approx(1)
    assert (large.arms_at_a_time, large.seconds, large.busy_share) == (4, 6, 1)
    assert (single.arms_at_a_time, single.seconds) == (1, 40)  # no more cores than a node has


def test_a_given_rate_makes_a_gpu_of_flops(text_file, monkeypatch):
    known_speed(monkeypatch, {1: 9.0, 4: 3.0})
    made = experiment(text_file, models=["decoder"])
    flops = made.cost().arms[0].flops
    (found,) = estimate(made, "2xgpu:0.001")  # a thousandth of a TFLOP/s
    trained = flops / 1e9
    assert 2 * (1 + trained) < found.seconds < 2 * (1 + 1.2 * trained)  # and evaluated
    assert found.one_node_seconds == pytest.approx(2 * found.seconds)
    assert found.cores is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would be measured")
def test_a_gpu_of_unknown_speed_is_refused(text_file):
    made = experiment(text_file)
    with pytest.raises(ConfigError, match=r"no GPU here.*\n.*as in 4xgpu:90"):
        estimate(made, "4xgpu")


def test_arms_matched_by_time_are_refused_on_several_nodes(text_file):
    made = experiment(text_file, match="time", budget="0.2s")
    with pytest.raises(ConfigError, match="must be trained on one machine"):
        estimate(made, "2xcpu:1")


@pytest.mark.usefixtures("soon")
def test_the_command_adds_it_to_the_estimate(text_file, gptkit):
    words = ("compare", "-t", "char,byte", "-d", text_file, "--budget", "20KB", "--dry-run")
    words += ("--seeds", "2")
    code, out, _ = gptkit(*words, "--cluster", "2xcpu:1,1xgpu:90")
    assert code == 0
    assert "2 nodes of 1 core" in out
    assert "1 GPU, 90 TFLOP/s" in out
    found = json.loads(gptkit(*words, "--cluster", "3xcpu:1", "--json")[1])["cluster"]
    assert [(nodes["nodes"], nodes["cores"]) for nodes in found] == [(3, 1)]
    assert found[0]["seconds"] >= 3  # eight processes start on three cores
    code, _, err = gptkit("compare", "--cluster", "2xcpu")
    assert code == 2
    assert "--cluster is for --dry-run" in err


@pytest.mark.usefixtures("soon")
def test_a_ladder_adds_up_its_rungs(text_file, gptkit):
    words = ("scale", "-t", "char,byte", "-m", "bigram", "-d", text_file, "--split", 0.5)
    words += ("--budget", "16KB", "--rungs", 3, "--dry-run", "--cluster", "2xcpu:1")
    code, out, _ = gptkit(*words)
    assert code == 0
    assert "What it would cost on a cluster" in out
    rungs = json.loads(gptkit(*words, "--json")[1])
    assert all(len(rung["cluster"]) == 1 for rung in rungs.values())


def test_experiments_follow_one_another_in_the_table():
    def part(seconds, busy):
        return NodesCost(
            kind="cpu",
            nodes=4,
            cores=2,
            tflops=None,
            arms_at_a_time=8,
            seconds=seconds,
            start_seconds=3.0,
            one_node_seconds=3 * seconds,
            node_hours=4 * seconds / 3600,
            busy_share=busy,
        )

    costs = [
        SimpleNamespace(cluster=[part(900.0, 1.0)]),
        SimpleNamespace(cluster=[part(2700, 0.6)]),
    ]
    (row,) = cluster_table(costs).sections[0].rows
    assert row == ["4 nodes of 2 cores", "8", "60 min", "3.0 h", "3.0", "4", "70%"]
