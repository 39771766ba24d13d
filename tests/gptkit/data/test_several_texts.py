"""Several texts: each split by itself, joined, and found again."""

import json

import pytest

from gptkit.data.corpus import load_corpus, reload_corpus
from gptkit.data.parity import compare_tokens, gini
from gptkit.data.several_texts import named_texts
from gptkit.errors import CorpusError


@pytest.fixture
def texts(tmp_path):
    """Three texts: one ends with a line break, one has letters of two and three bytes."""
    written = {"en": "abc d" * 40, "de": "äöü\n" * 50, "ja": "日本語 " * 30}
    for name, text in written.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return tmp_path, written


def spec(folder):
    return ",".join(str(folder / f"{name}.txt") for name in ("en", "de", "ja"))


@pytest.mark.parametrize("split", [0.9, (0.8, 0.1, 0.1)])
def test_each_text_is_split_by_itself(texts, split):
    folder, written = texts
    corpus = load_corpus(spec(folder), split=split)
    assert corpus.part_texts() == written
    reported = corpus.val if corpus.test is None else corpus.test
    data = reported.encode()
    ranges = corpus.reported_ranges()
    assert list(ranges) == ["en", "de", "ja"]
    assert [start for start, _ in ranges.values()] == [0, *(e for _, e in ranges.values())][:-1]
    assert list(ranges.values())[-1][1] == len(data)
    for name, (start, end) in ranges.items():
        part = data[start:end].decode()
        assert part.rstrip("\n") in written[name]
        assert len(part.rstrip("\n")) == pytest.approx(0.1 * len(written[name]), abs=2)


def test_inspect_counts_the_tokens_of_each(texts, gptkit):
    folder, written = texts
    code, out, err = gptkit("inspect", "-t", "byte,bpe:258", "-d", spec(folder), "--json")
    assert code == 0, err
    found = json.loads(out)
    by_byte = next(row for row in found["tokens"] if row["tokenizer"] == "byte")
    sizes = {name: len(text.encode()) for name, text in written.items()}
    assert by_byte["tokens"] == sizes
    assert by_byte["parity"] == {name: size / sizes["en"] for name, size in sizes.items()}
    assert "worst" in gptkit("inspect", "-t", "byte,bpe:258", "-d", spec(folder))[1]


def test_a_folder_of_texts_is_the_same(texts):
    folder, _ = texts
    assert list(named_texts(f"texts:{folder}")) == ["de", "en", "ja"]
    assert load_corpus(f"texts:{folder}").reported_ranges().keys() == {"de", "en", "ja"}


def test_a_run_finds_its_texts_again_or_says_which_changed(texts):
    folder, _ = texts
    corpus = load_corpus(spec(folder))
    again = reload_corpus(corpus.facts())
    assert (again.train, again.val, again.sha256) == (corpus.train, corpus.val, corpus.sha256)
    (folder / "de.txt").write_text("other")
    with pytest.raises(CorpusError, match=r"de\.txt is not the text of the run"):
        reload_corpus(corpus.facts())


def test_a_file_with_a_comma_is_one_text(tmp_path):
    path = tmp_path / "a,b.txt"
    path.write_text("x" * 100)
    assert named_texts(str(path)) == {}
    assert load_corpus(str(path)).parts == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{0}/en.txt,{0}/nothing.txt", "there is no corpus or file"),
        ("{0}/en.txt,{0}/other/en.txt", "two texts are named en"),
        ("texts:{0}/other", "there is no folder"),
        ("texts:{0}/empty", "has no .txt file"),
    ],
)
def test_wrong_texts_are_refused(texts, given, message):
    folder, _ = texts
    (folder / "empty").mkdir(exist_ok=True)
    with pytest.raises(CorpusError, match=message):
        load_corpus(given.format(folder))


def test_parity_is_the_ratio_of_the_counts():
    found = compare_tokens("gpt2", {"en": 300, "de": 450, "ja": 900})
    assert found.parity == {"en": 1.0, "de": 1.5, "ja": 3.0}
    assert found.worst == "ja"
    # By the definition: pairs differ by 150, 600 and 450, each twice; n = 3, mean = 550.
    assert found.gini == pytest.approx(2 * (150 + 600 + 450) / (2 * 9 * 550))


def test_gini_is_scale_free_and_zero_for_equals():
    assert gini([5, 5]) == 0
    assert gini([1, 2, 3]) == pytest.approx(gini([10, 20, 30]))
