"""Arms in several processes: the same results, small messages, and failures that are reported."""

import io
import pickle
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

import gptkit
from gptkit.data.corpus import Corpus
from gptkit.engines import processes
from gptkit.engines.arm import run_arm
from gptkit.engines.job import make_jobs
from gptkit.engines.processes import LocalEngine, choose_processes
from gptkit.errors import RunError, TrainingError
from gptkit.events import ArmDone, Evaluated, StepDone
from gptkit.experiment import Experiment

SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 20}


def timeless(value):
    if isinstance(value, dict):
        return {
            k: timeless(v)
            for k, v in value.items()
            if k not in ("seconds", "arms_at_a_time", "name")
        }
    return [timeless(v) for v in value] if isinstance(value, list) else value


def jobs_of(experiment, folder):
    arms, prepared = experiment.plan().arms, experiment.prepare()
    return make_jobs(arms, prepared, experiment.config, experiment.execution, folder)


@pytest.fixture
def one_thread():
    """Every arm has one thread, alone or beside another: PyTorch rounds by their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_two_at_a_time_give_what_one_after_another_gives(text_file, tmp_path):
    heard, results = [], []
    for jobs in (1, 2):
        events = Counter()
        result = gptkit.compare(
            data=str(text_file),
            tokenizers=["char"],
            models=["decoder"],
            seeds=2,
            out=tmp_path,
            jobs=jobs,
            on_event=lambda arm, event, events=events: events.update([(arm.id, type(event))]),
            **SMALL,
        )
        heard.append(events)
        results.append(result.to_dict())
    assert heard[0] == heard[1]
    arms = {arm for arm, _ in heard[0]}
    assert len(arms) == 2
    for arm in arms:
        assert heard[1][arm, ArmDone] == 1
        assert heard[1][arm, Evaluated] == 4
        assert heard[1][arm, StepDone] == 20
    assert results[1]["machine"]["arms_at_a_time"] == 2
    assert timeless(results[0]) == timeless(results[1])


@pytest.mark.parametrize("command", ["import sys; sys.exit(3)", "print(1)"])
def test_a_worker_that_dies_is_reported(text_file, tmp_path, monkeypatch, command):
    monkeypatch.setattr(processes, "COMMAND", command)
    with pytest.raises(TrainingError, match=r"(?s)with code .* before it was ready.*jobs=1"):
        gptkit.compare(data=str(text_file), seeds=2, out=tmp_path, jobs=2, **SMALL)


def test_an_error_of_a_worker_is_raised_here_and_stops_the_others(text_file, tmp_path, monkeypatch):
    started, real = [], subprocess.Popen

    def start(*args, **kwargs):
        started.append(real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)

    def occupied(job, encoded, on_event):
        """Train an arm here until the worker has failed with the other."""
        while True:
            on_event(job.arm, StepDone(step=1, loss=1, seconds=1, train_bytes=1, train_tokens=1))

    monkeypatch.setattr(processes, "run_arm", occupied)
    experiment = Experiment(data=str(text_file), models=["bigram"], out=tmp_path, jobs=2, **SMALL)
    for arm in experiment.plan().arms:  # a worker cannot write where a file is
        (tmp_path / "taken").mkdir(exist_ok=True)
        (tmp_path / "taken" / arm.id).write_text("")
    monkeypatch.setattr("gptkit.experiment.single.make_folder", lambda *args: tmp_path / "taken")
    with pytest.raises(RunError, match=r"(?s)bigram-s0 cannot be made: .*The arm is finished, in "):
        experiment.run()
    assert len(started) == 1
    assert started[0].wait(10) is not None


def processes_for(text_file, **options):
    experiment = Experiment(data=str(text_file), **options)
    arms, texts = experiment.untuned_plan().arms, experiment.prepare().texts
    return choose_processes(arms, texts, experiment.execution)


def test_small_experiments_and_timed_ones_stay_in_one_process(text_file):
    assert processes_for(text_file, match="time", budget="60s", seeds=5) == 1
    assert processes_for(text_file, **SMALL) == 1
    assert processes_for(text_file, jobs=2, **SMALL) == 2
    assert processes_for(text_file, jobs=9, **SMALL) == 4


def test_equal_arms_are_trained_side_by_side_and_a_long_one_has_all_threads(text_file, monkeypatch):
    monkeypatch.setattr(processes, "MIN_FLOPS_FOR_PROCESSES", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert processes_for(text_file, tokenizers=["char", "byte"], **SMALL) == 2
    assert processes_for(text_file, tokenizers=["char"], **SMALL) == 1  # one, and a bigram


def test_a_script_without_a_main_guard_may_compare(text_file, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import gptkit\ngptkit.compare(data={str(text_file)!r}, models=['bigram'], "
        f"tokenizers=['char', 'byte'], out={str(tmp_path)!r}, jobs=2, budget='20KB', "
        "sample_bytes=20)\nprint('once')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr


@pytest.fixture
def planned(text_file, tmp_path):
    """An experiment's jobs, two seeds under each of two tokenizers, and the encoded texts."""
    experiment = Experiment(
        data=str(text_file), tokenizers=["char", "byte"], models=["bigram"], seeds=2, **SMALL
    )
    (tmp_path / "runs").mkdir()
    return jobs_of(experiment, tmp_path / "runs"), experiment.prepare().texts


def test_a_worker_receives_an_encoded_corpus_once(planned, monkeypatch):
    jobs, texts = planned
    pipe = io.BytesIO()
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: SimpleNamespace(stdin=pipe))
    worker = processes._Worker()
    for job in jobs:
        worker.send_job(job, texts[job.arm.tokenizer])
    pipe.seek(0)
    sent = []
    while pipe.tell() < len(pipe.getvalue()):
        kind, *content = pickle.load(pipe)
        sent.append((kind, content[0].arm.id if kind == "job" else content[0]))
    assert sent == [
        ("corpus", "char"),
        ("job", "char-bigram-s0"),
        ("job", "char-bigram-s1"),
        ("corpus", "byte"),
        ("job", "byte-bigram-s0"),
        ("job", "byte-bigram-s1"),
    ]


def test_a_job_holds_no_text(english, tmp_path):
    large = english * 100
    corpus = Corpus(name="large", train=large, val=english, sha256="0")
    experiment = Experiment(data=corpus, tokenizers=["byte"], **SMALL)
    jobs = jobs_of(experiment, tmp_path)
    assert len(pickle.dumps(experiment.prepare().texts)) > len(large)
    for job in jobs:
        assert len(pickle.dumps(job)) < 4000


def test_events_are_small(planned):
    jobs, texts = planned
    events = []
    run_arm(jobs[0], texts["char"], lambda arm, event: events.append(event))
    assert {type(event) for event in events} == {StepDone, Evaluated, ArmDone}
    assert max(len(pickle.dumps(event)) for event in events) < 500


def test_an_engine_gives_each_arms_result_by_its_id(planned):
    jobs, texts = planned
    found = LocalEngine(texts, processes=1).run(jobs, lambda arm, event: None)
    assert list(found) == [job.arm.id for job in jobs]
    assert all(found[job.arm.id].id == job.folder.name for job in jobs)
    assert all((job.folder / "weights.safetensors").is_file() for job in jobs)


def test_a_worker_imports_nothing_from_the_current_folder(text_file, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit(7)\n")
    monkeypatch.chdir(tmp_path)
    result = gptkit.compare(
        data=str(text_file), models=["bigram"], out=tmp_path / "out", jobs=2, **SMALL
    )
    assert result.data.machine.arms_at_a_time == 2


def test_a_worker_that_died_with_unread_messages_is_closed():
    dead = subprocess.Popen(
        [sys.executable, "-c", "raise SystemExit(3)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    dead.wait()
    dead.stdin.write(b"unread")  # in the buffer; closing would write it
    worker = processes._Worker.__new__(processes._Worker)
    worker.process = dead
    assert worker.close() == 3
    assert dead.stdin.closed
