"""`gptkit bench cluster`: its page, and a small run."""

import sys

import pytest

from gptkit.bench import cluster
from gptkit.report.studies import study_page
from gptkit.results.cluster_schema import ClusterRun, ClusterSpeed


def run(nodes, planned, measured):
    return ClusterRun(sweep="8 equal arms", arms=8, nodes=nodes, planned=planned, measured=measured)


def test_the_page_has_every_figure():
    found = ClusterSpeed(
        gptkit="1",
        torch="2.13",
        ray="2.60",
        cores=2,
        runs=[run(1, [80.0, 84.0], [90.0, 82.0]), run(2, [50.0, 50.0], [45.0, 55.0])],
    )
    page = study_page(found)
    assert "| 8 equal arms | 8 | 1 | 82.0 | 86.0 | 1.05 (0.98 to 1.12) | 1.00 |" in page
    assert "| 8 equal arms | 8 | 2 | 50.0 | 50.0 | 1.00 (0.90 to 1.10) | 0.58 |" in page
    assert "Medians over 2 rounds" in page


def test_without_ray_it_is_refused(gptkit, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, out, err = gptkit("bench", "cluster")
    assert (code, out) == (2, "")
    assert "pip install 'gptkit[ray]'" in err


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_sweep_is_planned_and_measured(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(cluster, "NODES", (1, 2))
    monkeypatch.setattr(cluster, "STEPS", 2)
    monkeypatch.setattr(
        cluster, "SWEEPS", {"two": {"tokenizers": "char", "models": "bigram", "seeds": 2}}
    )
    said = []
    found = cluster.measure_cluster(rounds=1, on_run=said.append)
    assert [run.nodes for run in found.runs] == [1, 2]
    assert said[0] == "two on 1 node, round 1 of 1"
    for run in found.runs:
        assert run.planned[0] > 0
        assert run.measured[0] > 0
