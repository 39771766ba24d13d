"""Arms on a Ray cluster of local nodes: the same numbers, and nothing is lost with a node."""

import logging
import os
import socket
import threading
from itertools import pairwise

import pytest
import torch

import gptkit
from gptkit.engines import ray_cluster
from gptkit.errors import ConfigError
from gptkit.events import ArmDone, Evaluated, StepDone
from gptkit.plan.execution_config import ExecutionConfig

SMALL = {
    "tokenizers": ["char", "byte"],
    "models": ["decoder"],
    "budget": "20steps",
    "bytes_per_step": 500,
    "context_bytes": 32,
    "sample_bytes": 20,
    "jobs": 1,
}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
    yield made
    ray.shutdown()
    made.shutdown()


pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(result):
    return [(arm.val, arm.samples, [p.val_bits_per_byte for p in arm.curve]) for arm in result.arms]


@pytest.fixture(params=[2, 3])
def nodes(request, cluster):
    """So many nodes of one core."""
    extra = [cluster.add_node(num_cpus=1) for _ in range(request.param - 2)]
    cluster.wait_for_nodes()
    yield request.param
    for node in extra:
        cluster.remove_node(node)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_cluster_trains_what_this_machine_trains(nodes, text_file, tmp_path):
    options = SMALL | {"seeds": 2}  # four arms
    alone = gptkit.compare(data=str(text_file), out=tmp_path, name="alone", **options)
    heard = []
    there = gptkit.compare(
        data=str(text_file),
        out=tmp_path,
        name="there",
        engine="ray",
        on_event=lambda arm, event: heard.append((arm.id, type(event))),
        **options,
    )
    assert numbers(there) == numbers(alone)
    for arm in there.arms:
        kinds = [kind for name, kind in heard if name == arm.id]
        assert kinds.count(StepDone) == 20
        assert kinds.count(Evaluated) == 4
        assert kinds[-1] is ArmDone
        run = gptkit.load_run(tmp_path / "there" / arm.id)
        assert run.model.num_params().total == arm.params.total
    names = {path.name for path in (tmp_path / "there").iterdir()}
    assert names == {"results.json", "events.jsonl", *(arm.id for arm in there.arms)}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_an_arm_whose_node_is_removed_goes_on_from_its_checkpoint(cluster, text_file, tmp_path):
    options = SMALL | {"budget": "250steps", "save_every": "10steps", "seeds": 2}  # on all cores
    alone = gptkit.compare(data=str(text_file), out=tmp_path, name="alone", **options)
    extra = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    steps, removed = {}, threading.Event()

    def on_event(arm, event):
        if isinstance(event, StepDone):
            steps.setdefault(arm.id, []).append(event.step)
            if not removed.is_set() and min(map(max, steps.values())) > 30 and len(steps) == 4:
                removed.set()
                cluster.remove_node(extra)

    there = gptkit.compare(
        data=str(text_file), out=tmp_path, name="there", engine="ray", on_event=on_event, **options
    )
    assert removed.is_set()
    assert numbers(there) == numbers(alone)
    resumed = [b for seen in steps.values() for a, b in pairwise(seen) if b != a + 1]
    assert resumed  # an arm went back to its checkpoint
    assert all(step % 10 == 1 and step > 1 for step in resumed)


@pytest.mark.slow
def test_arms_matched_by_time_are_refused_on_several_nodes(cluster, text_file, tmp_path):
    with pytest.raises(ConfigError, match="must be trained on one machine"):
        gptkit.compare(
            data=str(text_file),
            out=tmp_path,
            engine="ray",
            match="time",
            **SMALL | {"budget": "0.2s"},
        )


def test_ray_that_is_missing_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'gptkit\[ray\]'"):
        ray_cluster.connect(None)


@pytest.mark.parametrize(
    "address", ["nonsense", "host:", "http://host:1", "ray://", "host:99999999"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match=r"is no address\. Give auto, HOST:PORT"):
        ray_cluster._check_address(address)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_answers_is_refused_soon(scheme):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConfigError, match="nothing answers at the Ray address"):
            ray_cluster._check_address(address)
        free.listen()
        ray_cluster._check_address(address)


def test_an_address_needs_the_engine():
    with pytest.raises(ConfigError, match="engine is not 'ray'"):
        ExecutionConfig(ray_address="auto")
    with pytest.raises(ConfigError, match=r"there is no engine 'rayy'.*Did you mean ray"):
        ExecutionConfig(engine="rayy")


def test_a_task_sends_events_checkpoints_and_the_run(text_file, tmp_path):
    """What runs on a node, run here."""
    import pickle

    experiment = gptkit.Experiment(
        data=str(text_file), out=str(tmp_path), **SMALL | {"save_every": "5steps"}
    )
    prepared = experiment.prepare()
    from gptkit.engines.job import make_jobs

    plan = experiment.plan()
    (job, _) = make_jobs(
        plan.arms, prepared, experiment.config, experiment.execution, tmp_path / "x"
    )
    text = pickle.dumps(prepared.texts[job.arm.tokenizer])
    messages = list(ray_cluster.train(job, text, {}))
    events = [event for message in messages for event in message.events]
    assert [type(event) for event in events].count(StepDone) == 20
    assert messages[-1].result.id == job.arm.id
    ray_cluster._write_run(job.folder, messages[-1].run)
    assert gptkit.load_run(job.folder).result == messages[-1].result
    assert not (tmp_path / "x" / ".claims").exists()


def test_each_event_is_sent_once_though_the_arm_ends_between_two_messages(tmp_path, monkeypatch):
    import pickle
    from types import SimpleNamespace

    first_sent, ended = threading.Event(), threading.Event()

    def run_arm(job, text, on_event):
        on_event(None, "first")
        assert first_sent.wait(20)
        on_event(None, "last")
        ended.set()
        return "the result"

    monkeypatch.setattr(ray_cluster, "run_arm", run_arm)
    monkeypatch.setattr(ray_cluster, "replace", lambda job, folder: SimpleNamespace(folder=folder))
    monkeypatch.setattr(ray_cluster, "SEND_SECONDS", 0.01)
    job = SimpleNamespace(arm=SimpleNamespace(id="a"))
    task = ray_cluster.train(job, pickle.dumps(None), {})
    messages = [next(task)]
    first_sent.set()
    assert ended.wait(20)
    for thread in threading.enumerate():
        if thread.name.endswith("(work)"):
            thread.join()
    messages += task
    assert [event for message in messages for event in message.events] == ["first", "last"]
    assert messages[-1].result == "the result"
