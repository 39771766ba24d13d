"""Small runs of `gptkit stress`: mutated files, random texts, and the harness itself."""

import random
import re
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gptkit.bench import hostile_files, kills
from gptkit.bench.mutations import mutate
from gptkit.bench.random_texts import SPECS, failure, random_text
from gptkit.bench.readers import KINDS, make_files
from gptkit.errors import GptkitError
from gptkit.report.studies import study_page
from gptkit.results.byte_losses import read_losses
from gptkit.results.stress_schema import Durability, FileRow, KillRow, TextRow
from gptkit_tokenizers import TokenizerError, get_tokenizer

FILES = 60  # of each kind; `gptkit stress files` reads 10,000
TEXTS = (
    10_000  # through all tokenizers together; `gptkit stress texts` sends a million through each
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    make_files(folder / "whole")
    return folder / "whole"


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_gives_a_result_or_one_message(files, kind, tmp_path):
    place = tmp_path / "mutated"
    shutil.copytree(files, place)
    paths = sorted(place.glob(KINDS[kind].pattern))
    whole = {path: path.read_bytes() for path in paths}
    rng = random.Random(kind)
    for path in paths:
        KINDS[kind].read(path)  # the whole file is read
    for _ in range(FILES if kind != "checkpoint" else FILES // 6):
        path = rng.choice(paths)
        path.write_bytes(mutate(whole[path], path.name, rng))
        with suppress(GptkitError, TokenizerError, OSError):
            KINDS[kind].read(path)
        path.write_bytes(whole[path])


def smaller(spec):
    """Return a spec with a vocabulary that the tests' text can fill."""
    return re.sub("[345]00|512", lambda size: "258" if size[0] == "400" else "260", spec)


@pytest.mark.parametrize("spec", [*map(smaller, SPECS)])
def test_random_texts_come_back_byte_for_byte(spec, english):
    tokenizer = get_tokenizer(spec, text=english)
    rng = random.Random(spec)
    for _ in range(TEXTS // len(SPECS)):
        text = random_text(rng)
        assert failure(tokenizer, text) is None, text


def test_a_tokenizer_that_loses_bytes_is_found():
    class Short(type(get_tokenizer("byte"))):
        def encode_array(self, text):
            return super().encode_array(text)[:-1]

    class Other(type(get_tokenizer("byte"))):
        def encode_array(self, text):
            return super().encode_array(text)[::-1]

    assert failure(Short(), "ab") == "its tokens count 1 bytes of 2"
    assert failure(Other(), "ab") == "it comes back as b'ba'"


def test_readers_are_given_up_where_they_hang_die_or_grow(files, monkeypatch):
    path = str(files / "text.txt")
    monkeypatch.setattr(hostile_files, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(hostile_files, "MOST_BYTES", 10**12)
    command = (
        "import json, sys, time, os\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    what = json.loads(line)[0]\n"
        "    if what == 'hangs': time.sleep(9)\n"
        "    if what == 'dies': os._exit(7)\n"
        "    memory = 10**13 if what == 'grows' else 1\n"
        "    print(json.dumps({'is': 'accepted', 'note': '', 'memory': memory}), flush=True)\n"
    )
    monkeypatch.setattr(hostile_files, "COMMAND", command)
    reader = hostile_files.Reader()
    outcomes = {what: reader.read(what, Path(path)) for what in ("hangs", "dies", "grows", "reads")}
    reader.stop()
    assert {what: (o["is"], o["note"]) for what, o in outcomes.items()} == {
        "hangs": ("died", "no end in 0.5 s"),
        "dies": ("died", "died with code 7"),
        "grows": ("large", "took 10,000,000 MB"),
        "reads": ("accepted", ""),
    }


def test_differences_of_two_outputs_are_found(tmp_path):
    for side, loss in (("a", 1), ("b", 2)):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "results.json").write_text(f'{{"loss": {loss}, "seconds": {loss}}}')
        (folder / "same.json").write_text(f'{{"loss": 1, "seconds": {loss}}}')
        (folder / "weights").write_bytes(bytes([loss]))
    (tmp_path / "a" / "more").write_text("x")
    assert kills.differences(tmp_path / "a", tmp_path / "b") == [
        "more is on one side alone",
        "results.json differs",
        "weights differs",
    ]


def test_a_run_that_is_not_whole_is_found(files, tmp_path):
    shutil.copytree(files / "runs", tmp_path / "runs")
    assert kills.count_broken(tmp_path / "runs") == 0
    (weights,) = (tmp_path / "runs" / "done" / "char-tiny-s0").glob("weights*")
    weights.write_bytes(weights.read_bytes()[:-8])
    (tmp_path / "runs" / "ladder" / "scale.json").write_text("{")
    assert kills.count_broken(tmp_path / "runs") == 2


def test_the_page_has_every_figure():
    kill = KillRow(
        command="compare",
        kills=70,
        runs=35,
        blocked=1,
        orphans=2,
        half_written=3,
        differing=4,
        left_over=5,
        seconds=66.0,
        notes=["what went wrong"],
    )
    file = FileRow(
        kind="text",
        files=9,
        accepted=6,
        refused=2,
        findings=1,
        slowest=0.25,
        largest=3_000_000,
        notes=["text: a traceback"],
    )
    text = TextRow(tokenizer="byte", texts=1000, n_bytes=2_000_000, failures=0, seconds=6.0)
    page = study_page(
        Durability(
            gptkit="1", command="gptkit stress kills", kills=[kill], files=[file], texts=[text]
        )
    )
    assert "| compare | 70 | 35 | 1 | 2 | 3 | 4 | 5 | 1.1 |" in page
    assert "| text | 9 | 6 | 2 | 1 | 0.25 | 3 |" in page
    assert "| byte | 1,000 | 2.0 | 0 | 0.1 |" in page
    assert "    what went wrong\n    text: a traceback\n" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": np.zeros(300_000_000, np.uint8)}, "it unpacks to"),
        ({"nats": np.zeros(3, np.float32)}, "its arrays have the shapes"),
        ({"nats": np.full(600, np.nan, np.float32)}, "losses that are no numbers"),
        ({"borders": np.array([600, 5])}, "its borders are not ascending"),
    ],
)
def test_losses_that_do_not_fit_the_text_are_refused(files, tmp_path, change, said):
    folder = tmp_path / "arm"
    shutil.copytree(files / "runs" / "done" / "char-tiny-s0", folder)
    with np.load(folder / "nats.npz") as arrays:
        found = dict(arrays)
    n = len(found["text"])
    assert n == 600
    np.savez_compressed(folder / "nats.npz", **found | change)
    with pytest.raises(GptkitError, match=said):
        read_losses(folder, n)
