"""A step in parts, and an arm trained by several processes, are those of one process."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import gptkit
from gptkit.config import Schedule
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.eval.evaluation import sweep
from gptkit.eval.group import Group
from gptkit.events import StepDone
from gptkit.models import build_model
from gptkit.plan.recipes import RECIPES
from gptkit.train.loop import Training

SCHEDULE = Schedule(block_size=16, steps=6, bytes_per_step=100, evaluations=2, batch_size=6)


@pytest.fixture(scope="module")
def encoded():
    text = "To be, or not to be, that is the question: whether 'tis nobler in the mind.\n" * 40
    return encode_corpus(
        Corpus(name="x", sha256="", train=text[:2500], val=text[2500:3000]), "byte"
    )


def train(encoded, **shared):
    recipe = RECIPES["decoder"]()
    model_config = replace(recipe.model, n_layer=1, n_embd=32, n_head=2, n_hidden=64)
    model = build_model(
        model_config, block_size=16, vocab_size=256, train_ids=encoded.train.ids, seed=0
    )
    training = Training(model, encoded, recipe.optim, SCHEDULE, **shared)
    losses = [event.loss for event in training if isinstance(event, StepDone)]
    return losses, training.best.evaluation.bits_per_byte, training.progress


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 100])
def test_a_step_in_parts_is_the_step(encoded, micro_batch):
    whole, whole_bits, progress = train(encoded)
    parts, bits, other = train(encoded, micro_batch=micro_batch)
    assert parts == pytest.approx(whole, abs=1e-6)
    assert bits == pytest.approx(whole_bits, abs=1e-4)
    assert (other.train_tokens, other.train_bytes) == (progress.train_tokens, progress.train_bytes)


def test_shares_of_a_sweep_add_up_to_it(encoded):
    model = build_model(
        RECIPES["bigram"]().model,
        block_size=16,
        vocab_size=256,
        train_ids=encoded.train.ids,
        seed=0,
    )
    whole = sweep(model, encoded.val.ids, before=encoded.train.ids)
    shares = []
    for rank in range(3):
        group = Group(rank, 3)
        object.__setattr__(group, "add", lambda tensor: tensor)
        shares.append(sweep(model, encoded.val.ids, before=encoded.train.ids, group=group))
    assert np.sum(shares, axis=0) == pytest.approx(whole, abs=0)


def command(words, *, processes=None):
    runner = ["-m", "gptkit"]
    if processes is not None:
        nodes = ["--standalone", f"--nproc-per-node={processes}"]
        runner = ["-m", "torch.distributed.run", *nodes, "-m", "gptkit"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, *runner, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="uses the loopback interface's name")
@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_torchrun_trains_what_one_process_trains(text_file, tmp_path, processes):
    words = ["compare", "-t", "char", "-m", "decoder", "-d", text_file, "--budget", "15steps"]
    words += ["--bytes-per-step", 300, "--context-bytes", 32, "--split", "0.8,0.1,0.1"]
    words += ["--jobs", 1, "--out", tmp_path, "--sample-bytes", 20]
    command([*words, "--name", "one"])
    said = command([*words, "--name", "all"], processes=processes)
    assert said.stdout.count("Test loss on") == 1  # only the first process prints
    one, several = (gptkit.load_run(tmp_path / name / "char-decoder-s0") for name in ("one", "all"))
    losses = [
        [metric.loss for metric in run.metrics if isinstance(metric, StepDone)]
        for run in (one, several)
    ]
    assert len(losses[0]) == 15
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    for split in ("val", "test"):
        bits = [getattr(run.result, split).bits_per_byte for run in (one, several)]
        assert bits[1] == pytest.approx(bits[0], abs=1e-4)
    assert one.result.train.tokens == several.result.train.tokens
    machine = gptkit.load_result(tmp_path / "all").data.machine
    assert machine.processes_per_arm == processes
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("one", "all")] in (
        [],
        [text_file.name],
    )


def test_more_processes_than_windows_give_the_same_sums():
    starts = np.arange(2)
    assert [Group(rank, 3).share(starts).tolist() for rank in range(3)] == [[0], [1], []]
    from gptkit.config import OptimConfig
    from gptkit.train.step import take_shared_step

    model = build_model(
        RECIPES["bigram"]().model,
        block_size=4,
        vocab_size=8,
        train_ids=np.arange(8),
        seed=0,
    )
    before = [p.detach().clone() for p in model.parameters()]
    empty = torch.empty((0, 4), dtype=torch.int64)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    loss = take_shared_step(
        model,
        [],
        empty,
        empty,
        8,
        config=OptimConfig(learning_rate=0.1),
        nll=model.nll,
        group=Group(),
        micro_batch=None,
    )
    assert loss == 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
