"""Signals, kills and two commands on one folder, with real processes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import gptkit
from gptkit.config import ModelConfig, OptimConfig, Recipe
from gptkit.engines import processes
from gptkit.engines.checkpoint import read_header
from gptkit.engines.claims import claim, claimed_by
from gptkit.engines.job import make_jobs
from gptkit.engines.worker import READY
from gptkit.errors import RunError
from gptkit.experiment import Experiment
from gptkit.train.interrupts import Interrupted, signals_raise, uncut

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


TINY = """
[models.tiny.model]
n_layer = 2
n_head = 2
n_embd = 16
n_hidden = 32
[models.tiny.optim]
learning_rate = 0.01
"""


@pytest.fixture
def start(text_file, tmp_path):
    """Start `gptkit compare` with two short arms; stop what still runs at the end."""
    started = []
    (tmp_path / "tiny.toml").write_text(TINY)

    def call(*words):
        common = ["-t", "char,byte", "--sample-bytes", "20", "--evaluations", "2"]
        sizes = ["--budget", "150steps", "--bytes-per-step", "256", "--context-bytes", "32"]
        command = [sys.executable, "-m", "gptkit", "compare", "--name", "a"]
        places = ["--config", tmp_path / "tiny.toml", "-d", text_file, "--out", tmp_path]
        started.append(
            subprocess.Popen(
                [*command, *common, *sizes, *places, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=ENV,
                start_new_session=True,
            )
        )
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def workers(parent):
    """Return the ids of the living children of a process."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_stopped_and_resumed_gives_the_numbers_of_one_left_alone(start, text_file, tmp_path):
    folder = tmp_path / "a"

    def is_training():
        return list((folder / ".checkpoints").glob("*/*.safetensors"))

    killed = start("--jobs", "2", "--save-every", "20steps")
    wait_for(is_training)
    (worker,) = workers(killed.pid)
    killed.kill()
    killed.communicate()
    wait_for(lambda: not is_alive(worker), 20)  # no orphan
    assert is_training()

    stopped = start("--jobs", "1", "--resume")
    arms = [folder / "char-tiny-s0", folder / "byte-tiny-s0"]
    wait_for(lambda: any(f"process {stopped.pid} " in (claimed_by(arm) or "") for arm in arms))
    stopped.send_signal(signal.SIGTERM)
    _, err = stopped.communicate()
    assert stopped.returncode == 128 + signal.SIGTERM
    assert "give the same command with --resume --name a" in err

    last = start("--jobs", "1", "--resume")
    _, err = last.communicate()
    assert last.returncode == 0, err
    assert "continues after step" in err
    assert not list(folder.glob(".*"))
    model = ModelConfig(n_layer=2, n_head=2, n_embd=16, n_hidden=32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = gptkit.compare(
        tokenizers=["char", "byte"],
        models={"tiny": Recipe(model=model, optim=OptimConfig(learning_rate=0.01))},
        budget="150steps",
        bytes_per_step=256,
        context_bytes=32,
        evaluations=2,
        sample_bytes=20,
        data=str(text_file),
        out=tmp_path / "alone",
        jobs=1,
    )
    torch.set_num_threads(threads)
    found = gptkit.load_result(folder)
    assert [(arm.val, arm.samples) for arm in found.arms] == [
        (arm.val, arm.samples) for arm in alone.arms
    ]


@pytest.mark.parametrize("end", ["stdin", "stdout"])
def test_a_worker_that_loses_its_parent_saves_its_arm(text_file, tmp_path, end):
    """A parent that dies closes both pipes; each alone is enough."""
    recipe = Recipe(model=ModelConfig(n_layer=1, n_embd=8), optim=OptimConfig(learning_rate=0.01))
    experiment = Experiment(
        tokenizers=["char"],
        models={"tiny": recipe},
        data=str(text_file),
        budget="9000steps",
        bytes_per_step=256,
        context_bytes=32,
        evaluations=1,
        save_every="9000steps",
    )
    prepared = experiment.prepare()
    (job,) = make_jobs(
        experiment.plan().arms, prepared, experiment.config, experiment.execution, tmp_path
    )
    worker = processes._Worker()
    assert worker.receive() == READY
    worker.send_job(job, prepared.texts["char"])
    for _ in range(3):
        step = worker.receive().step
    pipes = {"stdin": worker.process.stdin, "stdout": worker.process.stdout}
    pipes.pop(end).close()
    try:
        if end == "stdin":
            with suppress(EOFError):
                while True:
                    step = worker.receive().step
        worker.process.wait(timeout=30)
    finally:
        worker.process.kill()
        worker.process.wait()
        for pipe in pipes.values():
            with suppress(BrokenPipeError):
                pipe.close()
    (saved,) = (tmp_path / ".checkpoints" / job.arm.id).glob("*.safetensors")
    assert read_header(saved).progress.step >= step
    assert not job.folder.exists()


def receive(numbers, done):
    """Receive signals in a part that must not be cut, and note how far it came."""
    with uncut():
        for number in numbers:
            signal.raise_signal(number)
            done.append(number)


def test_a_signal_waits_for_the_end_of_a_step_and_a_second_does_not():
    done = []
    with signals_raise():
        with pytest.raises(Interrupted) as stop:
            receive([signal.SIGINT], done)
        assert stop.value.number == signal.SIGINT
        with pytest.raises(Interrupted):
            receive([signal.SIGTERM, signal.SIGTERM], done)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert done == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_raise():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_claim_is_for_one_and_ends_with_it(tmp_path):
    arm = tmp_path / "arm"
    with claim(arm):
        assert claimed_by(arm) == f"process {os.getpid()} on {os.uname().nodename}"
        with pytest.raises(RunError, match="is being trained by process"), claim(arm, timeout=0.1):
            pass
    assert claimed_by(arm) is None
    assert not list((tmp_path / ".claims").iterdir())


def test_a_claim_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from gptkit.engines.claims import claim\n"
        "with claim(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    arm = tmp_path / "arm"
    holder = subprocess.Popen([sys.executable, "-c", code, arm], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert claimed_by(arm) == f"process {holder.pid} on {os.uname().nodename}"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert (tmp_path / ".claims" / "arm.lock").exists()
    with claim(arm, timeout=0):
        pass
    assert claimed_by(arm) is None
