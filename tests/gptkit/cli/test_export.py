import json

import pytest
from small_runs import train_small_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory, english):
    return train_small_runs(tmp_path_factory.mktemp("runs"), english, tokenizers=["byte"])


def test_export_says_what_it_measured(gptkit, runs, tmp_path):
    run = runs / "byte-qwen3-s0"
    bits = json.loads((run / "result.json").read_text())["val"]["bits_per_byte"]
    code, out, err = gptkit("export", run, "--out", tmp_path / "a b")
    assert code == 0
    assert (
        f"a model of type qwen3. Loaded again by transformers, it has the run's ids, and {bits:.4f}"
        in err
    )
    assert f"cd '{tmp_path}/a b' && lm-eval run" in out
    code, out, err = gptkit("export", run, "--to", "gguf")
    assert code == 0
    assert (run / "model.gguf").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("byte-bigram-s0", [], "Train decoder"),
        ("byte-fast-s0", ["--to", "gguf"], "Train decoder"),
        ("byte-decoder-s0", ["-d", "gone.txt"], "gone.txt"),
        ("nothing", [], "there is no folder"),
        (".", [], "holds several runs"),
    ],
)
def test_bad_input_is_one_message(name, options, message, gptkit, runs):
    code, out, err = gptkit("export", runs / name, *options)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert not (runs / name / "hf").exists()
