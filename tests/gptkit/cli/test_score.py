import json

import pytest
from small_runs import train_small_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory, english):
    return train_small_runs(tmp_path_factory.mktemp("runs"), english, tokenizers=["byte"])


def test_models_are_listed_and_compared(gptkit, runs, text_file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    given = [f"small={runs / 'byte-decoder-s0'}", runs / "byte-gpt2-s0"]
    code, out, err = gptkit("score", *given, "-d", text_file)
    assert (code, err) == (0, "")
    assert "small" in out
    assert "all/byte-gpt2" in out
    assert "bits per byte" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = gptkit("score", *given, "-d", text_file, "--json", "--stride-bytes", "20")
    found = json.loads(out)
    assert {model["name"] for model in found["models"]} == {"small", "all/byte-gpt2-s0"}
    assert found["bytes"] == len(text_file.read_bytes())


def test_an_export_has_its_own_text(gptkit, runs, tmp_path):
    gptkit("export", runs / "byte-qwen3-s0", "--out", tmp_path / "hf")
    _code, out, _err = gptkit("score", tmp_path / "hf", "--json")
    bits = json.loads((runs / "byte-qwen3-s0/result.json").read_text())["val"]["bits_per_byte"]
    assert json.loads(out)["models"][0]["loss"]["bits_per_byte"] == pytest.approx(bits, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "-d", "TEXT"], "there is no folder nowhere"),
        (["RUN"], "is no export, so it has no text of its own to score. Give --data TEXT"),
        (["nowhere"], "there is no folder nowhere"),
        (["RUN", "-d", "gone.txt"], "gone.txt"),
        (["RUN", "RUN", "-d", "TEXT"], "two models are named"),
        (["RUN", "-d", "TEXT", "--context", "7"], "always has a context of"),
        (["a=.", "-d", "TEXT"], "config.json is missing"),
    ],
)
def test_bad_input_is_one_message(arguments, message, gptkit, runs, text_file):
    places = {"RUN": runs / "byte-decoder-s0", "TEXT": text_file}
    code, out, err = gptkit("score", *(places.get(word, word) for word in arguments))
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
