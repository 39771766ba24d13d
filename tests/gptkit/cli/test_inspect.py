"""gptkit inspect, lossy tokenizers in an experiment, and the curve over vocabularies."""

import json
import math
import re
import sys

import numpy as np
import pytest
from msgspec.structs import replace
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import gptkit_tokenizers.registry as registry
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus, encode_text
from gptkit.errors import ConfigError
from gptkit.eval.evaluation import Evaluation
from gptkit.experiment import Experiment
from gptkit.report.markdown import markdown
from gptkit.report.plots import PLOTS, to_svg
from gptkit.report.result import load_result
from gptkit.results.byte_losses import read_losses
from gptkit_tokenizers import TokenizerError, get_tokenizer
from gptkit_tokenizers.byte import ByteTokenizer

SMALL = {"budget": "8steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 30}


class EverySecond(ByteTokenizer):
    """Drops every second letter."""

    name = "every-second"

    def encode(self, text):
        return list(text.encode()[::2])

    def encode_array(self, text):
        return np.frombuffer(text.encode()[::2], np.uint8)


@pytest.fixture
def every_second(monkeypatch):
    class Kind(registry.Kind):
        def rebuild(self, data):
            return EverySecond()

    kind = Kind(
        names={},
        owns=lambda spec: spec == "every-second",
        load=lambda spec, text: EverySecond(),
        describes=lambda data: data["name"] == "every-second",
        home="",
    )
    monkeypatch.setattr(registry, "KINDS", (kind, *registry.KINDS))


@pytest.fixture
def lowering(tmp_path, english):
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([english], trainer)
    made.save(str(tmp_path / "lower.json"))
    return str(tmp_path / "lower.json")


@pytest.fixture
def capitals(tmp_path, english):
    path = tmp_path / "capitals.txt"
    path.write_text(english.title())
    return str(path)


def test_a_tokenizer_that_drops_every_second_letter_does_not_win(every_second, text_file, tmp_path):
    result = Experiment(
        tokenizers=("byte", "every-second"),
        models=("decoder",),
        data=str(text_file),
        lossy_ok=True,
        out=tmp_path,
        budget="30KB",
    ).run()
    honest, lossy = (arm.val.bits_per_byte for arm in result.arms)
    assert result.arms[1].val.lost_bytes == result.arms[1].val.bytes // 2
    # Half the bytes at eight bits, and which half they are at a bit for each place: over 5 in all.
    assert lossy > 4.9 > honest
    by_counts = [b.bits_per_byte for b in result.data.baselines if b.tokenizer == "every-second"]
    assert by_counts
    assert min(by_counts) > 4.9


def test_the_loss_on_disk_is_the_reported_loss(every_second, text_file, tmp_path):
    result = Experiment(
        tokenizers=("every-second",), data=str(text_file), lossy_ok=True, out=tmp_path, **SMALL
    ).run()
    for arm in result.arms:
        losses = read_losses(result.folder / arm.id, arm.reported.bytes)
        bits = losses.nats.sum(dtype=np.float64) / math.log(2) / len(losses.text)
        assert bits == pytest.approx(arm.val.bits_per_byte, rel=1e-6)


def test_what_is_lost_is_in_the_totals():
    evaluation = Evaluation(
        nats=np.array([1.0, 2.0]), n_bytes=8, n_chars=8, lost_bytes=4, lost_nats=5.0
    )
    assert evaluation.total_nats == 8
    assert evaluation.bits_per_byte == 1 / math.log(2)


def test_ends_reach_the_end_of_the_text(lowering, capitals):
    encoded = encode_corpus(load_corpus(capitals), lowering, lossy_ok=True)
    assert encoded.train.ends[-1] == encoded.train.n_bytes
    assert (np.diff(encoded.train.ends) >= 0).all()
    text = load_corpus(capitals).train
    assert encoded.train.lost_bytes == sum(c.isupper() for c in text)


def test_a_tokenizer_that_spells_nothing_is_refused_even_so(text_file):
    class Nothing(ByteTokenizer):
        def token_bytes(self, token):
            return b""

        def decode_bytes(self, ids):
            return b""

    with pytest.raises(TokenizerError, match="spells nothing"):
        encode_text(Nothing(), text_file.read_text(), lossy_ok=True)


def test_a_lossy_tokenizer_is_refused_unless_asked_for(lowering, capitals, tmp_path, gptkit):
    words = ["compare", "-t", lowering, "-d", capitals, "-m", "bigram", "--budget", "8steps"]
    words += ["--out", tmp_path / "runs"]
    code, _, err = gptkit(*words)
    assert code == 2
    assert "fails the audit" in err
    assert "--lossy-ok" in err
    code, out, _ = gptkit(*words, "--lossy-ok")
    assert code == 0
    assert "loses" in out
    assert "bits per byte include" in " ".join(out.split())
    again = gptkit(*words, "--lossy-ok", "--json")
    assert json.loads(again[1])["experiment"]["lossy_ok"] is True


def test_inspect_measures_tokenizers_on_a_text(text_file, gptkit):
    code, out, _ = gptkit("inspect", "-t", "char,gpt2,bpe:300", "-d", text_file)
    assert code == 0
    for words in ("vocabulary", "50,257", "Rényi efficiency", "exact", "0.00%", "│", "bpe:300"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80


def test_inspect_shows_what_a_lossy_tokenizer_loses(lowering, capitals, gptkit):
    words = ["inspect", "-t", f"byte,{lowering}", "-d", capitals]
    code, out, _ = gptkit(*words)
    assert code == 0
    assert "not exact" in out
    assert "fails the audit" in " ".join(out.split())
    found = json.loads(gptkit(*words, "--json")[1])
    exact, lossy = found["tokenizers"]
    assert (exact["audit"], exact["lost_bytes"]) == ("passes", 0)
    assert lossy["lost_bytes"] > 0
    # A character that is cut is shown as U+FFFD for each of its parts.
    shown = "".join(exact["cut"]).replace("\ufffd", "")
    assert shown == "".join(c for c in found["stretch"] if c.isascii())
    assert "".join(lossy["cut"]) == found["stretch"].lower()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, english):
    """Three vocabularies, trained once for this file."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "text.txt").write_text(english, encoding="utf-8")
    return Experiment(
        tokenizers=("bpe:256", "bpe:290", "bpe:310"),
        models=("bigram",),
        data=str(folder / "text.txt"),
        seeds=2,
        out=folder / "runs",
        **SMALL,
    ).run()


def draw(experiments):
    return to_svg(PLOTS["vocabulary"](experiments))


def test_the_curve_is_drawn(sweep, gptkit, tmp_path):
    code, _, err = gptkit("report", sweep.folder, "--out", tmp_path / "page")
    assert (code, err) == (0, "")
    svg = (tmp_path / "page" / "vocabulary.svg").read_text()
    for words in ("bpe:256", "bpe:290", "bpe:310", "bigram, matched by bytes", "bits per byte"):
        assert words in svg
    assert "(vocabulary.svg)" in (tmp_path / "page" / "report.md").read_text()
    assert draw([sweep.data]) == draw([sweep.data])


def test_the_curve_of_another_matching_joins_it(sweep):
    flops = replace(sweep.data, match=replace(sweep.data.match, by="flops"))
    svg = draw([sweep.data, flops])
    assert b"matched by bytes" in svg
    assert b"matched by flops" in svg
    page = markdown(sweep.data, beside=[flops])
    assert page.count("gptkit compare") == 2


def test_without_matplotlib_the_page_is_written_without_it(sweep, gptkit, tmp_path, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    code, _, err = gptkit("report", sweep.folder, "--out", tmp_path / "page")
    assert code == 0
    assert "pip install 'gptkit[plots]'" in err
    assert "vocabulary.svg" not in (tmp_path / "page" / "report.md").read_text()
    assert load_result(tmp_path / "page").data == sweep.data


def test_a_tokenizer_that_drops_line_breaks_is_given_a_prompt_that_it_keeps(text_file, tmp_path):
    made = Tokenizer(models.WordPiece({"[UNK]": 0, "king": 1, "the": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "bert.json"))
    asked = {
        "tokenizers": (str(tmp_path / "bert.json"), "byte"),
        "models": ("bigram",),
        "data": str(text_file),
        "lossy_ok": True,
        "out": tmp_path / "runs",
    }
    first = Experiment(**asked, **SMALL).run().arms[0]
    assert first.samples[0].prompt.strip()
    with pytest.raises(ConfigError, match=r"bert.json drops all of the prompt '\\n'"):
        Experiment(**asked, **SMALL, prompt="\n").run()
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_quoted_text_stands_as_it_is(lowering, tmp_path, gptkit):
    text = tmp_path / "chat.txt"
    text.write_text("go :smile: [b]Now[/b] \\[x] to be or not to be\n" * 200)
    code, shown, err = gptkit("inspect", "-t", lowering, "-d", text)
    assert (code, err) == (0, "")
    assert ":smile: [b]Now[/b]" in shown
    assert "With --lossy-ok, compare takes it" in shown


TRANSLATED = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with "
    "reason and conscience.\n",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft "
    "und Gewissen begabt.\n",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。\n",
}  # Article 1 of the Universal Declaration of Human Rights


def test_several_texts_are_counted_beside_the_first(tmp_path, gptkit, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in TRANSLATED.items():
        (tmp_path / f"{name}.txt").write_text(text * 100, encoding="utf-8")
    texts = [word for name in TRANSLATED for word in ("-d", f"{name}.txt")]
    code, out, err = gptkit("inspect", "-t", "byte,gpt2", *texts, "--json")
    assert (code, err) == (0, "")
    counted = {one["name"]: one["tokens"] for one in json.loads(out)["texts"]}
    gpt2 = get_tokenizer("gpt2")
    for name, text in TRANSLATED.items():
        whole = text * 100
        assert counted[f"{name}.txt"] == {
            "byte": len(whole.encode()),
            "gpt2": len(gpt2.encode(whole)),
        }
    shown = gptkit("inspect", "-t", "byte,gpt2", *texts)[1]
    assert "Tokens of each text, and relative to the first text" in shown
    for figure in ("2,200 (1.00)", "4,000 (1.82)", "5,800 (2.64)", "12,700 (1.17)"):
        assert figure in shown


def test_tokenizers_learn_from_all_texts_as_compare_does(tmp_path, gptkit, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in TRANSLATED.items():
        (tmp_path / f"{name}.txt").write_text(text * 100, encoding="utf-8")
    words = ("-t", "char,bpe:300", "-d", "en.txt,de.txt,ja.txt", "--json")
    code, out, err = gptkit("inspect", *words, "--html")
    assert (code, err) == (0, "")
    more = ("-m", "bigram", "--budget", "2steps", "--out", "o")
    code, compared, err = gptkit("compare", *words, *more)
    assert code == 0, err
    assert json.loads(out)["tokens"] == json.loads(compared)["by_text"]["tokens"]


def test_what_each_part_does_is_shown(text_file, gptkit):
    spec = "bpe:300:digits=1:case=factored"
    code, out, _ = gptkit("inspect", "-t", f"byte,a={spec}", "-d", text_file, "--json")
    assert code == 0
    parts = json.loads(out)["parts"]
    assert [(p["part"], p["without"]) for p in parts] == [
        ("digits=1", "bpe:300:case=factored"),
        ("case=factored", "bpe:300:digits=1"),
    ]
    corpus = load_corpus(str(text_file))
    for part in parts:
        for name, tokens in ((part["without"], part["tokens_without"]), (spec, part["tokens"])):
            tokenizer = get_tokenizer(name, corpus.train)
            assert len(tokenizer.encode(corpus.text)) == tokens
    assert "What each part does" in gptkit("inspect", "-t", spec, "-d", text_file)[1]
    assert "What each part does" not in gptkit("inspect", "-t", "bpe:300", "-d", text_file)[1]


def test_inspect_writes_a_page_with_seconds_and_memory(text_file, tmp_path, gptkit):
    out = tmp_path / "page"
    words = ("inspect", "-t", "byte,mine=gpt2,bpe:300:digits=2", "-d", text_file)
    code, _, err = gptkit(*words, "-d", text_file, "--out", out)
    assert (code, err) == (0, "")
    costs = json.loads((out / "inspection.json").read_text())["costs"]
    assert list(costs) == ["byte", "mine", "bpe:300:digits=2"]
    for cost in costs.values():
        assert 0 < cost["load_seconds"] + cost["encode_seconds"] < 60
        assert 10e6 < cost["peak_bytes"] < 2e9
    assert costs["mine"]["peak_bytes"] > costs["byte"]["peak_bytes"]
    page = (out / "inspection.md").read_text()
    for title in ("Tokens of each text", "What each part does", "Tokenizers on", "What they cost"):
        assert f"\n## {title}" in page
    for line in page.splitlines():  # every table is whole
        assert not line.startswith("|") or line.endswith(" |")


def test_two_tokenizers_of_one_name_are_refused(text_file, gptkit):
    code, _, err = gptkit("inspect", "-t", "a=byte,a=gpt2", "-d", text_file)
    assert code == 2
    assert "tokenizers has a name twice: a, a" in " ".join(err.split())


@pytest.mark.parametrize("names", ["", ","])
def test_no_tokenizers_are_refused(names, text_file, gptkit):
    code, _, err = gptkit("inspect", "-t", names, "-d", text_file)
    assert code == 2
    assert "tokenizers is empty; give at least one." in err


def test_a_page_is_not_written_over_a_file(text_file, gptkit):
    code, _, err = gptkit("inspect", "-t", "byte", "-d", text_file, "--out", text_file)
    assert code == 2
    assert "is a file. Give a folder" in " ".join(err.split())


def test_a_byte_that_is_lost_is_not_shown_as_none(lowering, tmp_path, gptkit):
    text = tmp_path / "text.txt"
    text.write_text("the king " * 3000 + "The king")
    out = gptkit("inspect", "-t", lowering, "-d", text)[1]
    assert re.search(r"bytes lost +<0\.01%", out)
