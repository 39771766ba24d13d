"""Fixtures for all tests. No test reaches the network, and none touches the user's cache."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:  # a test process per core, so a thread for each
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)

DATA = os.environ.get("GPTKIT_DATA")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    there = DATA is not None and (Path(DATA) / "tinyshakespeare.txt").is_file()
    skip = pytest.mark.skip(reason="GPTKIT_DATA names no folder with tinyshakespeare.txt")
    for item in items:
        if item.get_closest_marker("corpus") and not there:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loopback only; an empty cache; no data folder unless a test asks for it."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            raise OSError(f"no network in tests: {address}")
        return connect(self, address)

    def guarded_look_up(host, *args, **kwargs):
        if host not in ("127.0.0.1", "::1", "localhost", None):
            raise socket.gaierror(f"no network in tests: {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "tiktoken"))
    monkeypatch.delenv("GPTKIT_DATA", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def shakespeare_folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the real tiny Shakespeare; for tests marked `corpus`."""
    assert DATA is not None
    monkeypatch.setenv("GPTKIT_DATA", DATA)
    return Path(DATA)


@pytest.fixture(scope="session")
def english() -> str:
    """A small English-like text with words that repeat, accents and a duck: some 12,000 bytes."""
    rng = random.Random(0)
    words = "the king shall not speak of love and so naïve a 🦆 must die before morning"
    lines = [" ".join(rng.choices(words.split(" "), k=rng.randint(4, 9))) for _ in range(300)]
    return ".\n".join(lines)


@pytest.fixture
def text_file(tmp_path: Path, english: str) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(english, encoding="utf-8")
    return path


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an estimate, time a step or three of each arm, no more."""
    monkeypatch.setattr("gptkit.engines.cost.CALIBRATION_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same random numbers for each test, and the threads that it has left as they were."""
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
