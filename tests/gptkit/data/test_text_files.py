"""Text files: what is not UTF-8 is called what it is, and files are joined by a line break."""

import gzip

import pytest

from gptkit.data.corpus import load_corpus
from gptkit.data.text_on_disk import index_files
from gptkit.errors import CorpusError


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("to be".encode("utf-16"), "UTF-16. Convert it: iconv -f utf-16 -t utf-8"),
        (gzip.compress(b"to be", mtime=0), "a gzip archive. Unpack it: gzip -d"),
        (b"PAR1....PAR1", "a Parquet table. Give its folder as hf:FOLDER"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file"),
        (b"caf\xe9", "not UTF-8: byte 0xe9 at offset 3"),
    ],
)
def test_what_is_not_utf8_is_called_what_it_is(tmp_path, content, says):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    for read in (lambda: load_corpus(str(path)), lambda: index_files([path])):
        with pytest.raises(CorpusError) as error:
            read()
        assert says in str(error.value)


def test_files_are_joined_by_a_line_break_in_memory_and_on_disk(tmp_path):
    for name, text in (("a.txt", "the end"), ("b.txt", "Once upon\n"), ("c.txt", "a time")):
        (tmp_path / name).write_text(text)
    expected = "the end\nOnce upon\na time"
    assert load_corpus(str(tmp_path)).text == expected
    large, digest = index_files(sorted(tmp_path.glob("*.txt")))
    assert large[:] == expected
    assert (len(large), large.n_bytes()) == (len(expected), len(expected))
    assert digest == load_corpus(str(tmp_path)).sha256


def test_hidden_copies_and_files_found_twice_are_read_once(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be\n" * 10)
    hidden = tmp_path / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "a-checkpoint.txt").write_text("to be\n")
    once = load_corpus(str(tmp_path / "a.txt")).sha256
    assert load_corpus(str(tmp_path)).sha256 == once
    assert load_corpus(str(tmp_path / "**" / "**" / "a.txt")).sha256 == once
