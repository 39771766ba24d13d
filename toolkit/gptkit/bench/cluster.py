"""Compare planned with measured times of sweeps on one, two and three local Ray nodes.

The nodes have a core each and share this machine. So each plan is calibrated as they train: as many
calibrations as there are nodes run side by side.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from statistics import mean

import torch

from gptkit.engines.job import Job
from gptkit.engines.ray_cluster import RayEngine
from gptkit.errors import ConfigError
from gptkit.events import OnEvent
from gptkit.experiment import Experiment
from gptkit.results.cluster_schema import ClusterRun, ClusterSpeed
from gptkit.results.schema import ArmResult

NODES = (1, 2, 3)
STEPS, EVALUATIONS = 100, 1
SWEEPS = {
    "8 equal arms": {"tokenizers": "char", "models": "decoder", "seeds": 8},
    "char and gpt2, 2 models, 2 seeds": {
        "tokenizers": "char,gpt2",
        "models": "bigram,decoder",
        "seeds": 2,
    },
}


def measure_cluster(*, rounds: int, on_run: Callable[[str], None]) -> ClusterSpeed:
    """Run each sweep on each number of nodes, in turns.

    Args:
        on_run: told what is measured next.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        raise ConfigError("this needs Ray: pip install 'gptkit[ray]'.") from None
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    runs = {
        (sweep, n): ClusterRun(sweep=sweep, arms=8, nodes=n, planned=[], measured=[])
        for sweep in SWEEPS
        for n in NODES
    }
    for i in range(rounds):
        for (sweep, n), run in runs.items():
            on_run(f"{sweep} on {n} node{'s' if n > 1 else ''}, round {i + 1} of {rounds}")
            run.planned.append(_plan(sweep, n))
            cluster = Cluster()
            for _ in range(n):
                cluster.add_node(num_cpus=1, include_dashboard=False)
            try:
                ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
                run.measured.append(_measure(sweep))
            finally:
                ray.shutdown()
                cluster.shutdown()
    return ClusterSpeed(
        gptkit=version("gptkit"),
        torch=str(torch.__version__),
        ray=ray.__version__,
        cores=os.cpu_count(),
        runs=[*runs.values()],
    )


def _plan(sweep: str, n: int) -> float:
    options = [word for key, value in SWEEPS[sweep].items() for word in (f"--{key}", str(value))]
    words = ["compare", *options, "--budget", f"{STEPS}steps", "--dry-run", "--json"]
    words += ["--evaluations", str(EVALUATIONS)]
    calibrations = [
        subprocess.Popen(
            [sys.executable, "-m", "gptkit", *words, "--cluster", f"{n}xcpu:1"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
        )
        for _ in range(n)
    ]
    found = [json.loads(process.communicate()[0]) for process in calibrations]
    return mean(cost["cluster"][0]["seconds"] for cost in found)


def _measure(sweep: str) -> float:
    options = SWEEPS[sweep]
    with tempfile.TemporaryDirectory(prefix="gptkit-") as out:
        experiment = Experiment(
            tokenizers=str(options["tokenizers"]).split(","),
            models=str(options["models"]).split(","),
            seeds=options["seeds"],
            budget=f"{STEPS}steps",
            evaluations=EVALUATIONS,
            out=out,
        )
        engine = _Timed(RayEngine(experiment.prepare().texts, address=None))
        experiment.run(engine=engine)
    return engine.seconds


class _Timed:
    """An engine that notes how long another one takes."""

    def __init__(self, engine: RayEngine) -> None:
        self._engine = engine
        self.seconds = 0.0

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        began = time.perf_counter()
        found = self._engine.run(jobs, on_event)
        self.seconds += time.perf_counter() - began
        return found
