"""Corpora, and the whole download path against a real HTTP server on loopback."""

import hashlib
import http.server
import json
import socket
import threading
import time
import warnings
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptkit.data.corpus as corpus_module
import gptkit.data.download as download_module
from gptkit.data import named_texts as named_module
from gptkit.data.corpus import load_corpus
from gptkit.data.named_texts import cache_folder
from gptkit.errors import ConfigError, CorpusError, CorpusWarning
from gptkit_tokenizers.reachability import CONNECT_SECONDS, reachable

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 500


class Server(http.server.ThreadingHTTPServer):
    """Serves TEXT at any path, in the manner that `mode` says."""

    daemon_threads = True
    mode = "well"

    def handle_error(self, request, client_address):
        """A client that hangs up is what some of these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        mode, body = self.server.mode, TEXT.encode()
        if mode == "missing":
            return self.send_error(404)
        if mode == "silent":
            return time.sleep(4)
        if mode == "other":
            body = body.replace(b"First", b"Worst")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[: len(body) // 2] if mode in ("cut", "stalling") else body)
            self.wfile.flush()
            if mode == "stalling":
                time.sleep(4)
        return None


@pytest.fixture
def server(monkeypatch):
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/input.txt"
        monkeypatch.setattr(named_module, "TINY_SHAKESPEARE_URL", url)
        digest = hashlib.sha256(TEXT.encode()).hexdigest()
        monkeypatch.setattr(named_module, "TINY_SHAKESPEARE_SHA256", digest)
        monkeypatch.setattr(download_module, "SILENCE_SECONDS", 1.0)
        yield server
        server.shutdown()


def cached_files():
    folder = cache_folder()
    return sorted(p.name for p in folder.rglob("*")) if folder.exists() else []


def test_a_text_is_downloaded_once_and_then_cached(server):
    corpus = load_corpus("tinyshakespeare")
    assert corpus.train + corpus.val == TEXT
    assert cached_files() == ["tinyshakespeare.txt"]
    server.mode = "missing"
    assert load_corpus("tinyshakespeare") == corpus
    assert load_corpus() == corpus


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("missing", "cannot be downloaded"),
        ("silent", "cannot be downloaded"),
        ("cut", "cannot be downloaded"),
        ("stalling", "cannot be downloaded"),
        ("other", "is not the expected one: sha256"),
    ],
)
def test_a_failed_download_is_said_and_leaves_nothing(server, mode, says):
    server.mode = mode
    with pytest.raises(CorpusError, match=says) as error:
        load_corpus("tinyshakespeare")
    assert "GPTKIT_DATA" in str(error.value)
    assert "python-docs" in str(error.value)
    assert cached_files() == []


def test_a_damaged_cache_is_downloaded_again(server):
    load_corpus("tinyshakespeare")
    cached = cache_folder() / "tinyshakespeare.txt"
    cached.write_text("half a te")
    assert load_corpus("tinyshakespeare").train.startswith("First Citizen")
    assert cached.read_text() == TEXT


def test_the_default_falls_back_visibly(server):
    server.mode = "missing"
    with pytest.warns(CorpusWarning, match="using python-docs, not tinyshakespeare: "):
        corpus = load_corpus()
    assert corpus.name == "python-docs"
    assert len(corpus.train) > 100_000


def test_no_network_is_noticed_within_five_seconds():
    began = time.monotonic()
    with pytest.warns(CorpusWarning, match="cannot be reached"):
        assert load_corpus().name == "python-docs"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("hangs", ["look-up", "connect"])
def test_a_network_that_swallows_everything_is_given_up_within_five_seconds(monkeypatch, hangs):
    released = threading.Event()

    def hang(*args, **kwargs):
        released.wait(30)
        raise OSError("released")

    if hangs == "look-up":
        monkeypatch.setattr(socket, "getaddrinfo", hang)
    else:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *args, **kwargs: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))],
        )
        monkeypatch.setattr(socket.socket, "connect", hang)
    monkeypatch.setitem(reachable.__kwdefaults__, "timeout", 0.5)
    began = time.monotonic()
    with pytest.raises(CorpusError, match="cannot be reached"):
        load_corpus("tinyshakespeare")
    with pytest.raises(CorpusError, match=r"huggingface\.co cannot be reached"):
        load_corpus("hf:somebody/something")
    assert time.monotonic() - began < 2 * (5 - CONNECT_SECONDS + 0.5)
    released.set()


def test_gptkit_data_is_used_first_and_checked(server, tmp_path, monkeypatch):
    (tmp_path / "tinyshakespeare.txt").write_text(TEXT)
    monkeypatch.setenv("GPTKIT_DATA", str(tmp_path))
    server.mode = "missing"
    assert load_corpus("tinyshakespeare").train.startswith("First Citizen")
    (tmp_path / "tinyshakespeare.txt").write_text("another")
    for spec in ("tinyshakespeare", None):  # a folder that was named is not passed over
        with pytest.raises(CorpusError, match="is not tiny Shakespeare"):
            load_corpus(spec)


@pytest.mark.corpus
def test_the_real_tiny_shakespeare(shakespeare_folder):
    corpus = load_corpus("tinyshakespeare")
    # nanoGPT, data/shakespeare_char/readme.md
    assert (len(corpus.train), len(corpus.val)) == (1_003_854, 111_540)
    assert len(set(corpus.train + corpus.val)) == 65


def test_files_are_read_byte_for_byte(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("one\r\ntwo\rthree\n\ufeffé\n".encode() * 9)
    corpus = load_corpus(str(path))
    assert (corpus.train + corpus.val).encode() == path.read_bytes()
    assert corpus.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert corpus.train_bytes + corpus.val_bytes == len(path.read_bytes())


def test_folders_and_globs_are_joined_in_order(tmp_path):
    for name, text in {"b.txt": "two ", "a/z.txt": "one ", "c.md": "three "}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def whole(spec):
        corpus = load_corpus(spec)
        return corpus.train + corpus.val

    assert whole(str(tmp_path)) == "one \ntwo "
    assert whole(str(tmp_path / "*.*")) == "two \nthree "


def test_the_split_is_by_characters(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("é" * 95, encoding="utf-8")
    assert len(load_corpus(str(path)).train) == int(0.9 * 95)
    assert len(load_corpus(str(path), split=0.5).train) == 47
    three = load_corpus(str(path), split=(0.8, 0.1, 0.1))
    assert [len(part) for part in (three.train, three.val, three.test)] == [76, 9, 10]
    assert three.text == "é" * 95
    facts = three.facts()
    assert (facts.test_bytes, facts.test_chars) == (20, 10)
    assert b"test_bytes" not in msgspec.json.encode(load_corpus(str(path)).facts())


def test_shares_are_of_the_whole_text_to_the_character(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("x" * 1000)
    # 0.7 + 0.1 is 0.7999999999999999 in floating point
    three = load_corpus(str(path), split=(0.7, 0.1, 0.2))
    assert [len(part) for part in (three.train, three.val, three.test)] == [700, 100, 200]


@st.composite
def splits(draw):
    """Two or three positive shares that sum to 1."""
    cuts = draw(st.lists(st.integers(1, 99), min_size=1, max_size=2, unique=True))
    edges = [0, *sorted(cuts), 100]
    return tuple((b - a) / 100 for a, b in pairwise(edges))


@pytest.mark.parametrize("large", [False, True])
@settings(max_examples=100, deadline=None)
@given(text=st.text(min_size=1, max_size=300), split=splits())
def test_parts_of_a_split_concatenate_to_the_text(large, text, split, tmp_path_factory):
    path = tmp_path_factory.mktemp("split") / "t.txt"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        if large:  # a large text holds out fewer characters than asked for, and says so
            patch.setattr(corpus_module, "LARGE_TEXT_BYTES", 0)
            patch.setattr(corpus_module, "MAX_HELD_OUT_CHARS", 20)
            warnings.simplefilter("ignore", CorpusWarning)
        refused = None
        try:
            corpus = load_corpus(str(path), split=split)
        except CorpusError as error:
            refused = error
    if refused is not None:  # some part would be empty
        assert "cannot be split" in str(refused)
        assert min(split) * len(text) < 1 + 1e-9
        return
    parts = [corpus.train[:], corpus.val, *([] if corpus.test is None else [corpus.test])]
    assert "".join(parts) == text == corpus.text
    assert len(parts) == len(split)
    assert all(parts)
    if large:
        assert max(map(len, parts[1:])) <= 20
    else:
        for part, share in zip(parts, split, strict=True):
            assert abs(len(part) - share * len(text)) <= 1 + 1e-9  # both ends are rounded down


@pytest.mark.parametrize(
    "split",
    [0.0, 1.0, -0.5, (0.9, 0.2), (0.5, 0.3, 0.1, 0.1), (1.1, -0.1), (0.9, 0.1, 0.0), float("nan")],
)
def test_what_is_no_split_is_refused(split):
    with pytest.raises(ConfigError, match="positive shares of train, val and test that sum to 1"):
        load_corpus("python-docs", split=split)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"a", r"cannot be split at 0\.9, 0\.1: of its 1 characters 0 and 1"),
        (b"caf\xe9 au lait", r"is not UTF-8: byte 0xe9 at offset 3"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, says):
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=says):
        load_corpus(str(path))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("tinyshakespear", r"Did you mean tinyshakespeare\?"),
        ("no/such/*.txt", "no corpus or file"),
        ("", "has no name"),
        ("hf:", "names no dataset"),
        ("/dev/null", "is not a regular file"),
    ],
)
def test_an_unknown_corpus_is_answered_with_what_there_is(spec, says):
    with pytest.raises(CorpusError, match=says):
        load_corpus(spec)


def test_a_folder_without_text_says_how_to_name_other_files(tmp_path):
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(CorpusError, match=r"has no .txt file. Name others by a glob"):
        load_corpus(str(tmp_path))


def dataset(folder: Path, rows: str) -> str:
    folder.mkdir()
    (folder / "train.jsonl").write_text(rows)
    return f"hf:{folder}"


def test_a_dataset_is_its_text_column(tmp_path):
    spec = dataset(tmp_path / "d", '{"id": 1, "text": "one"}\n{"id": 2, "text": "two é"}\n')
    corpus = load_corpus(spec)
    assert corpus.train + corpus.val == "one\ntwo é"


def test_a_dataset_without_a_text_column_is_refused(tmp_path):
    spec = dataset(tmp_path / "d", '{"title": "a", "body": "b"}\n')
    with pytest.raises(CorpusError, match="its columns are title, body"):
        load_corpus(spec)


def parquet(folder: Path, table: pa.Table) -> str:
    folder.mkdir()
    pq.write_table(table, folder / "train.parquet")
    return f"hf:{folder}"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_dataset_has_text_of_either_width(tmp_path, kind):
    table = pa.table({"text": pa.array(["one", "two é"], kind)})
    corpus = load_corpus(parquet(tmp_path / "d", table))
    assert corpus.train + corpus.val == "one\ntwo é"


def test_a_column_beside_the_text_is_never_decoded(tmp_path):
    sound = pa.array(
        [{"bytes": b"RIFF", "path": "a.wav"}] * 2,
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    )
    features = {"text": {"dtype": "string", "_type": "Value"}, "audio": {"_type": "Audio"}}
    table = pa.table({"text": ["one", "two"], "audio": sound}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    corpus = load_corpus(parquet(tmp_path / "d", table))
    assert corpus.train + corpus.val == "one\ntwo"


@pytest.mark.parametrize("large", [10**9, 10])
def test_a_text_of_files_knows_which_are_held_out(large, tmp_path, monkeypatch):
    monkeypatch.setattr("gptkit.data.corpus.LARGE_TEXT_BYTES", large)
    for name, n in (("a", 800), ("b", 900), ("c", 100)):
        (tmp_path / f"{name}.txt").write_text("é " * n)
    found = load_corpus(str(tmp_path), split=(0.8, 0.1, 0.1))
    assert found.facts().held_out_files == (str(tmp_path / "b.txt"), 2, 3)
    assert load_corpus(str(tmp_path), split=0.1).held_out_files is None
    assert load_corpus(str(tmp_path / "a.txt")).held_out_files is None
