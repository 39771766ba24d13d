"""Byte accounting: what other people's tables get wrong, and by how much."""

import pickle

import numpy as np
import pytest
import safetensors.numpy
import torch

from gptkit.errors import ConfigError
from gptkit.export.byte_accounting import account_bytes, find_cause, read_table
from gptkit.report.byte_accounting import check_sentences
from gptkit_tokenizers import get_tokenizer, token_lengths
from gptkit_tokenizers.bytelevel import write

KOREAN = "정직한 사실 위에, 공정한 시선을 더하다 — naïve “quotes” 🦆 and some English words.\n" * 20


@pytest.fixture(scope="module")
def gpt2():
    return get_tokenizer("gpt2")


@pytest.fixture(scope="module")
def as_decoded(gpt2):
    """The table of a trainer that decodes each id alone and counts the bytes of the result."""
    texts = (gpt2.token_bytes(i).decode("utf-8", errors="replace") for i in range(50257))
    return np.array([len(text.encode()) for text in texts])


def test_the_arrays_are_the_bytes_of_ids_and_of_tokens(gpt2):
    found = account_bytes(gpt2, KOREAN, text_name="k")
    ids = gpt2.encode(KOREAN)
    expected = [len(gpt2.token_bytes(i)) for i in ids]
    assert found.text_token_bytes.tolist() == expected
    assert sum(expected) == found.summary.text_bytes == len(KOREAN.encode())
    assert found.token_bytes.tolist() == [*token_lengths(gpt2)[:-1].tolist(), 0]  # <|endoftext|>
    partial = {i for i in ids if "\ufffd" in gpt2.token_bytes(i).decode(errors="replace")}
    assert found.summary.partial_ids == len(partial)
    assert found.summary.partial_tokens == sum(i in partial for i in ids)


def test_replacement_characters_are_caught_with_the_right_percentage(gpt2, as_decoded, tmp_path):
    np.save(tmp_path / "t.npy", as_decoded)
    check = account_bytes(gpt2, KOREAN, text_name="k", check=tmp_path / "t.npy").summary.check
    counted = sum(
        len(gpt2.token_bytes(i).decode(errors="replace").encode()) for i in gpt2.encode(KOREAN)
    )
    true = len(KOREAN.encode())
    assert check.table_bytes == counted > true
    # bits per byte = nats / ln 2 / bytes, so theirs over the true one is true / counted
    assert check.error == pytest.approx(true / counted - 1)
    assert check.error < -0.1
    (cause,) = check.causes
    assert cause.name == "part of a character, counted as U+FFFD of three bytes"
    assert cause.bytes == counted - true
    assert len(check.worst) == 10
    for wrong in check.worst:
        assert wrong.given != wrong.true == len(bytes.fromhex(wrong.hex))


def test_the_true_table_passes_however_it_is_kept(gpt2, tmp_path):
    table = token_lengths(gpt2)
    np.save(tmp_path / "t.npy", table)
    torch.save(torch.from_numpy(table), tmp_path / "t.pt")
    torch.save({"token_bytes": torch.from_numpy(table)}, tmp_path / "d.pt")
    padded = np.concatenate([table, np.zeros(47, dtype=table.dtype)]).astype(np.float32)
    safetensors.numpy.save_file({"bytes": padded}, tmp_path / "t.safetensors")
    for name in ("t.npy", "t.pt", "d.pt", "t.safetensors"):
        check = account_bytes(gpt2, KOREAN, text_name="k", check=tmp_path / name).summary.check
        assert (check.error, check.causes, check.zero) == (0.0, [], 0)
        assert check.entries == (len(padded) if "safe" in name else len(table))
    np.save(tmp_path / "short.npy", table[:50000])
    found = account_bytes(gpt2, "to be", text_name="t", check=tmp_path / "short.npy").summary
    assert "50,000 entries for 50,257 ids" in " ".join(check_sentences(found))


@pytest.mark.parametrize(
    ("token", "given", "cause"),
    [
        (b" the", 3, "the space in front is not counted"),
        (b" the", 6, "a space, counted as ▁ of three bytes"),
        (b" the", len(write(b" the").encode()), "as it is written in the byte-level alphabet"),
        (b"\n", 6, "a byte, counted as its name"),
        ("é".encode(), 1, "characters, not bytes"),
        (b"\xf0\x9f", 3, "U+FFFD of three bytes"),
        (b"\n\n", 0, "blanks are not counted"),
        (b"", 13, "spells nothing"),
        (b"abc", 0, "has no bytes"),
        (b"abc", 17, "another number"),
    ],
)
def test_the_cause_is_named(token, given, cause):
    assert cause in find_cause(token, given)


def test_special_tokens_with_bytes_and_ids_without_are_said(tmp_path):
    tokenizer = get_tokenizer("gpt2")
    table = token_lengths(tokenizer)
    assert table[50256] == len("<|endoftext|>")
    used = tokenizer.encode("the king")
    table[used[0]] = 0
    np.save(tmp_path / "t.npy", table)
    check = account_bytes(tokenizer, "the king", text_name="k", check=tmp_path / "t.npy")
    assert check.summary.check.unused_with_bytes == 1
    assert check.summary.check.zero == 1
    assert check.summary.check.error == pytest.approx(8 / 5 - 1)


def test_what_is_no_table_is_refused(gpt2, tmp_path):
    np.save(tmp_path / "short.npy", np.ones(100, dtype=int))
    np.save(tmp_path / "matrix.npy", np.ones((2, 50257)))
    np.save(tmp_path / "half.npy", np.full(50257, 0.5))
    np.save(tmp_path / "minus.npy", np.full(50257, -1))
    np.save(tmp_path / "zero.npy", np.zeros(50257))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    (tmp_path / "table.csv").write_text("1,2")
    torch.save({"a": torch.ones(5), "b": torch.ones(5)}, tmp_path / "two.pt")
    messages = {
        "short.npy": "has 100 entries, and the text has id",
        "matrix.npy": "does not hold the bytes of each id",
        "half.npy": "does not hold the bytes of each id",
        "minus.npy": "does not hold the bytes of each id",
        "zero.npy": "0 bytes for every id",
        "objects.npy": "cannot be read",
        "broken.npy": "cannot be read",
        "two.pt": "does not hold the bytes of each id",
        "table.csv": "ends in .npy",
        "gone.npy": "there is no file",
    }
    for name, message in messages.items():
        with pytest.raises(ConfigError, match=message):
            account_bytes(gpt2, KOREAN, text_name="k", check=tmp_path / name)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('this code was run')",))


def test_a_pickle_is_not_run(tmp_path):
    for name in ("t.pt", "t.npy"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(ConfigError, match="cannot be read"):
            read_table(tmp_path / name)
