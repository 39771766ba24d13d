"""What is shown of many verdicts."""

import pytest

from gptkit.results.summary import main_verdicts


def arm(tokenizer, bits):
    return {"tokenizer": tokenizer, "model": "decoder", "seed": 0, "val": {"bits_per_byte": bits}}


def verdict(a, b):
    return {"a": f"{a}-decoder", "b": f"{b}-decoder"}


@pytest.mark.parametrize(("names", "shown"), [("abc", 3), ("abcd", 3)])
def test_of_many_pairs_those_of_the_best_are_shown(names, shown):
    result = {
        "experiment": {"tokenizers": list(names)},
        "arms": [arm(name, 2.0 + i) for i, name in enumerate(names)],
        "verdict": [verdict(a, b) for a in names for b in names if a < b],
    }
    found = main_verdicts(result)
    assert len(found) == shown
    assert names == "abc" or all(v["a"] == "a-decoder" for v in found)
