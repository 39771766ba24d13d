import json

import numpy as np

from gptkit_tokenizers import get_tokenizer, token_lengths


def test_a_wrong_table_is_told_and_fails(gptkit, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = tmp_path / "text.txt"
    text.write_text("여기 naïve 🦆 the king\n" * 50, encoding="utf-8")
    tokenizer = get_tokenizer("gpt2")
    decoded = (tokenizer.token_bytes(i).decode(errors="replace") for i in range(50257))
    np.save(tmp_path / "theirs.npy", np.array([len(token.encode()) for token in decoded]))
    arguments = ("bytes", "gpt2", "-d", text, "--check", tmp_path / "theirs.npy")
    code, out, err = gptkit(*arguments)
    assert (code, err) == (1, "")
    shown = " ".join(out.split())
    assert "counted as U+FFFD of three bytes" in shown
    assert "too low on this text" in shown
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = gptkit(*arguments, "--json")
    found = json.loads(out)
    assert code == 1
    true = len(text.read_bytes())
    assert found["check"]["error"] == true / found["check"]["table_bytes"] - 1

    code, out, _ = gptkit("bytes", "gpt2", "-d", text, "--out", tmp_path / "out")
    assert code == 0
    table = np.load(tmp_path / "out/token_bytes.npy")
    assert table[:-1].tolist() == token_lengths(tokenizer)[:-1].tolist()
    assert np.load(tmp_path / "out/text_token_bytes.npy").sum() == true
    code, out, _ = gptkit("bytes", "gpt2", "-d", text, "--check", tmp_path / "out/token_bytes.npy")
    assert code == 0
    assert "has the true bytes of every id" in " ".join(out.split())


def test_bad_input_is_one_message(gptkit, tmp_path, text_file):
    for arguments, message in (
        (["gpt2", "-d", "gone.txt"], "gone.txt"),
        (["nothing", "-d", text_file], "nothing"),
        (["gpt2", "-d", text_file, "--check", tmp_path / "t.csv"], "ends in .npy"),
        (["gpt2", "-d", text_file, "--out", text_file / "x"], "cannot be written"),
    ):
        code, out, err = gptkit("bytes", *arguments)
        assert (code, out) == (2, "")
        assert message in err
