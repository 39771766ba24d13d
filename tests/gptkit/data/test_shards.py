"""Texts too large for memory: read in pieces, encoded into shards, trained on from disk."""

import hashlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice

import msgspec
import numpy as np
import pytest
import torch

from gptkit.config import ModelConfig, OptimConfig, Schedule
from gptkit.data import batches, shards, text_on_disk, used_ids
from gptkit.data import corpus as corpus_module
from gptkit.data.batches import ids_read
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, EncodedText, encode_corpus, encode_text
from gptkit.data.hf_datasets import join_rows
from gptkit.data.shards import Shards, TokenBytes, encode_shards
from gptkit.data.text_on_disk import index_files
from gptkit.errors import CorpusError, CorpusWarning
from gptkit.experiment import Experiment
from gptkit.models import Bigram, Decoder
from gptkit.train.loop import Training
from gptkit.train.step import batches_of
from gptkit_tokenizers import LossyTokenizer, TokenizerError, get_tokenizer, token_lengths
from gptkit_tokenizers.byte import ByteTokenizer

SPECS = ["char", "byte", "gpt2", "bpe:300", "wordpiece:300"]


@pytest.fixture
def small(monkeypatch):
    """Pieces, shards and blocks so small that a short text has many of each."""
    monkeypatch.setattr(text_on_disk, "READ_CHUNK_BYTES", 1009)
    monkeypatch.setattr(shards, "SHARD_CHARS", 2000)
    monkeypatch.setattr(shards, "BLOCK_TOKENS", 16)
    monkeypatch.setattr(shards, "VERIFY_CHUNK_TOKENS", 100)
    monkeypatch.setattr(corpus_module, "LARGE_TEXT_BYTES", 5000)
    monkeypatch.setattr(corpus_module, "MAX_HELD_OUT_CHARS", 500)


@pytest.fixture
def text(small, text_file):
    return index_files([text_file])[0]


def test_a_large_text_is_the_text(small, text_file, english, tmp_path):
    second = tmp_path / "second.txt"
    second.write_bytes("🦆".encode() * 700)
    whole = english + ("" if english.endswith("\n") else "\n") + "🦆" * 700
    found, digest = index_files([text_file, second])
    assert len(found) == len(whole)
    assert found[:] == whole == "".join(found.pieces())
    assert found.n_bytes() == len(whole.encode())
    assert found.alphabet() == "".join(sorted(set(whole)))
    assert digest == hashlib.sha256(whole.encode()).hexdigest()
    rng = random.Random(0)
    for _ in range(50):
        a, b = sorted(rng.randrange(len(whole)) for _ in range(2))
        assert found[a:b] == whole[a:b]
        assert found[-b:][:5] == whole[-b:][:5]
        part = found.part(a, b)
        assert len(part) == b - a
        assert part[:] == whole[a:b]
        assert part.n_bytes() == len(whole[a:b].encode())


@pytest.mark.parametrize(
    ("data", "at"), [(b"ab" * 800 + b"\xff" + b"c" * 900, 1600), (b"a\xc3", 1)]
)
def test_a_large_text_that_is_no_text(small, tmp_path, data, at):
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(CorpusError, match=f"not UTF-8: byte 0x.. at offset {at:,}"):
        index_files([tmp_path / "bad.txt"])


@pytest.mark.parametrize("spec", SPECS)
def test_shards_read_as_the_arrays_they_hold(spec, text, english, tmp_path):
    tokenizer = get_tokenizer(spec, text=english)
    said = []
    found = encode_shards(
        tokenizer, text, tmp_path / "s", on_bytes=lambda *said_: said.append(said_)
    )
    assert len(found.ids.sizes) > 4
    ids = found.ids[:]
    ends = token_lengths(tokenizer)[ids].cumsum()
    assert tokenizer.decode_bytes(ids) == english.encode()
    assert ids.dtype == tokenizer.encode_array(english).dtype
    assert (found.n_bytes, found.n_chars) == (len(english.encode()), len(english))
    assert said[-1] == (found.n_bytes, found.n_bytes)
    assert [done for done, _ in said] == sorted(done for done, _ in said)

    n = len(ids)
    assert len(found.ids) == len(found.ends) == n
    assert found.ends[-1] == ends[-1]
    rng = np.random.default_rng(0)
    index_2d = rng.integers(0, n, size=(30, 7))
    assert np.array_equal(found.ids[index_2d], ids[index_2d])
    every = np.arange(n)
    assert np.array_equal(found.ends[every], ends)
    positions = np.concatenate([np.arange(0, ends[-1], 7), ends[:200], rng.random(200) * ends[-1]])
    assert np.array_equal(
        found.ends.searchsorted(positions, side="right"), ends.searchsorted(positions, side="right")
    )
    for a, b in rng.integers(-n - 5, n + 5, size=(50, 2)):
        assert np.array_equal(found.ids[a:b], ids[a:b])
    copy = pickle.loads(pickle.dumps(found.ids))
    assert np.array_equal(copy[n // 2 :], ids[n // 2 :])
    assert len(pickle.dumps(found.ids)) < 5000


def test_gpt2s_ids_are_those_of_the_text_in_one_go(text, english, tmp_path):
    gpt2 = get_tokenizer("gpt2")
    assert np.array_equal(
        encode_shards(gpt2, text, tmp_path / "s").ids[:], gpt2.encode_array(english)
    )


def test_supports_are_those_of_an_array(text, english, tmp_path, monkeypatch):
    from gptkit.models import bigram

    monkeypatch.setattr(used_ids, "READ_CHUNK_IDS", 500)
    monkeypatch.setattr(bigram, "READ_CHUNK_IDS", 500)
    gpt2 = get_tokenizer("gpt2")
    found = encode_shards(gpt2, text, tmp_path / "s").ids
    ids = gpt2.encode_array(english).astype(np.int64)
    assert Decoder.find_support(found, 50257).tolist() == sorted(set(ids.tolist()))
    pairs = {a * 50257 + b for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True)}
    assert Bigram.find_support(found, 50257).tolist() == sorted(pairs)


def test_what_is_there_is_not_encoded_again(text, tmp_path):
    class Counting(ByteTokenizer):
        calls = 0

        def encode_array(self, text):
            Counting.calls += 1
            return super().encode_array(text)

    first = encode_shards(Counting(), text, tmp_path)
    calls = Counting.calls
    assert calls == len(first.ids.sizes)
    encode_shards(Counting(), text, tmp_path)
    assert Counting.calls == calls

    (tmp_path / "manifest.json").unlink()  # as a run leaves it that was stopped before the end
    (tmp_path / "00002.json").unlink()
    (tmp_path / "00003.ids").write_bytes(b"x" * (tmp_path / "00003.ids").stat().st_size)
    (tmp_path / "00004.blocks").write_bytes(b"")
    left, written = (tmp_path / f".00005.ids.{name}.tmp" for name in ("killed", "now"))
    for path in (left, written):  # by a run that was killed, and by one that goes on
        path.write_bytes(b"half")
    os.utime(left, (0, time.time() - shards.LEFTOVER_SECONDS - 60))
    again = encode_shards(Counting(), text, tmp_path)
    assert Counting.calls == calls + 3
    assert np.array_equal(again.ids[:], first.ids[:])
    assert list(tmp_path.glob(".*")) == [written]


def test_a_shard_cut_short_later_is_noticed(text, tmp_path):
    first = encode_shards(ByteTokenizer(), text, tmp_path)
    path = tmp_path / "00001.ids"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileNotFoundError):
        Shards(tmp_path, ByteTokenizer())
    again = encode_shards(ByteTokenizer(), text, tmp_path)
    assert again.ids[:].tobytes() == text[:].encode()
    assert first.n_bytes == again.n_bytes


KILLED = """
import sys, time
from pathlib import Path
from gptkit.data import shards, text_on_disk
from gptkit.files import write_bytes
text_on_disk.READ_CHUNK_BYTES, shards.SHARD_CHARS = 1009, 300
from gptkit.data.text_on_disk import index_files
from gptkit_tokenizers import get_tokenizer
text, _ = index_files([Path(sys.argv[1])])
shards.encode_shards(get_tokenizer("gpt2"), text, Path(sys.argv[2]))
"""


def test_a_kill_at_any_moment_leaves_nothing_that_passes_for_whole(
    text_file, english, tmp_path, monkeypatch
):
    monkeypatch.setattr(text_on_disk, "READ_CHUNK_BYTES", 1009)
    monkeypatch.setattr(shards, "SHARD_CHARS", 300)
    gpt2 = get_tokenizer("gpt2")
    folder = tmp_path / "s"
    rng = random.Random(3)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", KILLED, text_file, folder])
        until = time.monotonic() + 60
        before = len(list(folder.glob("*.json")))
        while child.poll() is None and time.monotonic() < until:
            if len(list(folder.glob("*.json"))) > before + rng.randrange(4):
                child.send_signal(signal.SIGKILL)
                killed += 1
                break
        child.wait(timeout=60)
        if not (folder / "manifest.json").exists():
            with pytest.raises(FileNotFoundError):
                Shards(folder, gpt2)
    assert killed
    found = encode_shards(gpt2, index_files([text_file])[0], folder)
    assert gpt2.decode_bytes(found.ids[:]) == english.encode()


def test_two_runs_write_the_same_shards_at_a_time(text, tmp_path, monkeypatch):
    """The second runs from its beginning to its end while the first writes a file."""
    folder, second = tmp_path / "s", []
    real = os.replace

    def replace(source, target):
        if str(target).endswith("00001.ids"):
            monkeypatch.setattr(os, "replace", real)
            second.append(encode_shards(get_tokenizer("gpt2"), text, folder).ids[:])
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    first = encode_shards(get_tokenizer("gpt2"), text, folder).ids[:]
    assert np.array_equal(first, second[0])


def test_a_lossy_tokenizer_is_refused_and_says_where(text, tmp_path):
    class Lowering(ByteTokenizer):
        def encode_array(self, text):
            return super().encode_array(text.replace("k", "c"))

    with pytest.raises(LossyTokenizer, match="decode to another text, from byte"):
        encode_shards(Lowering(), text, tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        Shards(tmp_path / "s", Lowering())


def test_speller():
    gpt2 = get_tokenizer("gpt2")
    text = "the king 🦆\n" * 50
    ids = gpt2.encode_array(text)
    speller = TokenBytes(gpt2)
    assert speller.match(ids, text.encode())
    for data in (text.encode()[:-1], text.encode() + b"x", text.encode().replace(b"k", b"c", 1)):
        assert not speller.match(ids, data)


def test_a_large_corpus_keeps_little_in_memory(small, text_file, english):
    with pytest.warns(CorpusWarning, match="val is its last 500 characters"):
        corpus = load_corpus(str(text_file))
    assert isinstance(corpus.train, text_on_disk.LargeText)
    assert corpus.train[:] + corpus.val == english == corpus.text
    assert len(corpus.val) == 500
    assert corpus.facts().train_bytes == len(corpus.train[:].encode())
    with pytest.warns(CorpusWarning, match="val and test are"):
        three = load_corpus(str(text_file), split=(0.8, 0.1, 0.1))
    assert len(three.val) == len(three.test) == 500
    assert three.text == english


@pytest.mark.parametrize("spec", ["char", "gpt2", "bpe:280"])
def test_it_is_encoded_as_a_small_one_is(spec, small, text_file):
    with pytest.warns(CorpusWarning):
        corpus = load_corpus(str(text_file))
    encoded = encode_corpus(corpus, spec)
    whole = encode_text(encoded.tokenizer, corpus.train[:])
    assert encoded.train.bytes_per_token == pytest.approx(whole.bytes_per_token, rel=0.01)
    assert encoded.tokenizer.decode_bytes(encoded.train.ids[:]) == corpus.train[:].encode()


def test_an_experiment_from_disk_is_the_one_from_memory(
    small, text_file, tmp_path, monkeypatch, english
):
    asked = {
        "tokenizers": ("char", "bpe:300"),
        "data": str(text_file),
        "budget": "12steps",
        "bytes_per_step": 256,
        "context_bytes": 32,
        "evaluations": 1,
        "sample_bytes": 30,
    }
    heard = []
    from_disk = Experiment(**asked, out=tmp_path / "disk", jobs=2)
    with pytest.warns(CorpusWarning):
        from_disk.prepare(lambda *said: heard.append(said))
    found = from_disk.run()
    assert {spec for spec, *_ in heard} == {"char", "bpe:300"}
    monkeypatch.setattr(corpus_module, "LARGE_TEXT_BYTES", 10**9)
    split = 1 - 500 / len(english)
    known = Experiment(**asked, split=split, out=tmp_path / "memory", jobs=1).run()
    assert found.data.corpus.sha256 == known.data.corpus.sha256
    for a, b in zip(found.arms, known.arms, strict=True):
        # of a bigram on disk fewer pairs are kept: rounded otherwise
        val, same = (msgspec.to_builtins(arm.val) for arm in (a, b))
        assert val == pytest.approx(same, rel=1e-6 if a.model == "bigram" else 0)
        assert a.samples == b.samples
        assert a.train.bytes == b.train.bytes
    assert found.data.baselines == known.data.baselines


def test_a_bigram_keeps_the_pairs_that_training_reads(text, english, tmp_path, monkeypatch):
    gpt2 = get_tokenizer("gpt2")
    shards = encode_shards(gpt2, text, tmp_path / "s")
    on_disk = EncodedText(
        ids=shards.ids, ends=shards.ends, n_bytes=shards.n_bytes, n_chars=shards.n_chars
    )
    schedule = Schedule(block_size=8, steps=6, bytes_per_step=100)
    pairs = set(Bigram.find_support(ids_read(on_disk, schedule), 50257).tolist())
    read = set()
    for batch in islice(batches_of(on_disk, schedule, torch.device("cpu")), 6):
        read |= set((batch.ids * 50257 + batch.targets).flatten().tolist())
    assert read <= pairs
    everything = Bigram.find_support(on_disk.ids, 50257)
    assert len(pairs) < len(everything) / 2

    # the exact loss of the model that keeps every pair, but for rounding
    losses = []
    for support in (everything, torch.tensor(sorted(pairs))):
        model = Bigram(ModelConfig(architecture="bigram"), 50257, support, block_size=8)
        encoded = EncodedCorpus(
            tokenizer=gpt2, train=on_disk, val=encode_text(gpt2, english[-300:])
        )
        *_, last = Training(model, encoded, OptimConfig(learning_rate=0.3), schedule)
        losses.append(last.evaluation.nats)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0].std() > 0.1  # trained: no longer ln V everywhere
    by_clock = replace(schedule, steps=None, seconds=1.0)
    assert ids_read(on_disk, by_clock) is on_disk.ids
    monkeypatch.setattr(batches, "MAX_WINDOW_IDS", 40)
    assert ids_read(on_disk, schedule) is on_disk.ids


def test_a_large_dataset_is_joined_in_a_file(small, tmp_path):
    strings = [f"row {i} of it" for i in range(1000)]
    (path,) = join_rows(iter(strings), tmp_path / "texts" / "copy.txt", large=5000)
    assert path.read_text() == "\n".join(strings)
    assert os.listdir(path.parent) == ["copy.txt"]
    assert join_rows(iter(strings[:5]), path, large=5000) == "\n".join(strings[:5])


def test_a_file_changed_in_between_is_noticed(text, text_file):
    text_file.write_text("short")
    with pytest.raises(CorpusError, match="was changed while it was in use"):
        text[5000:5010]


def test_a_large_text_and_a_plug_in_that_cannot(text, tmp_path):
    char = get_tokenizer("char", text="abc")
    with pytest.raises(TokenizerError, match="char cannot encode"):
        encode_shards(char, text, tmp_path / "s")


READ_WINDOWS = """
import sys
from pathlib import Path
import numpy as np
from gptkit.data.shards import ShardedIds
ids = ShardedIds(Path(sys.argv[1]), [32_000_000, 32_000_000], np.dtype(np.uint16))
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
starts = np.random.default_rng(0).integers(0, len(ids) - 200, 2000)
ids.rows(starts[:10], 200)
before = resident()
rows = ids.rows(starts, 200)
windows = ids[starts[:, None] + np.arange(200)]
assert np.array_equal(rows, windows)
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_windows_are_read_without_loading_their_shards(tmp_path):
    ids = np.arange(64_000_000, dtype=np.uint16)  # 128 MB, of which 0.8 MB are read, twice
    for i, shard in enumerate(np.split(ids, 2)):
        shard.tofile(tmp_path / f"{i:05d}.ids")
    command = [sys.executable, "-c", READ_WINDOWS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert int(done.stdout) < 10_000_000
