"""A small experiment, whose files the tests damage."""

import pytest

import gptkit

SMALL = {
    "tokenizers": ["byte", "char"],
    "models": ["bigram"],
    "budget": "8steps",
    "bytes_per_step": 256,
    "context_bytes": 32,
    "sample_bytes": 10,
    "jobs": 1,
    "name": "a",
}


@pytest.fixture
def compare(text_file, tmp_path):
    def call(**options):
        return gptkit.compare(data=str(text_file), out=tmp_path / "runs", **{**SMALL, **options})

    return call
