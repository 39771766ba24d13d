"""Fixtures for the toolkit's tests."""

import sys

import pytest

from gptkit.cli import main


@pytest.fixture
def gptkit(monkeypatch, capsys):
    """Call `gptkit ARGS` in this process -> (exit code, stdout, stderr)."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["gptkit", *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err

    return call
