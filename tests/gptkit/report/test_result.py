"""Result: what a user has of an experiment in Python."""

import io

import numpy as np
import pandas as pd
import pytest
from factories import make_arm, make_loss, make_results, make_verdict
from msgspec.structs import replace
from rich.console import Console

import gptkit
from gptkit.errors import ConfigError, RunError
from gptkit.files import write_json
from gptkit.report.result import Result
from gptkit.report.sentences import headline
from gptkit.results.schema import CurvePoint


def curve(*bits):
    return [
        CurvePoint(step=100 * i, train_bytes=102_400 * i, seconds=7.0 * i, val_bits_per_byte=b)
        for i, b in enumerate(bits, 1)
    ]


def result():
    """Three tokenizers under one model, two seeds each."""
    arms = [
        make_arm(
            t,
            bits=bits + 0.1 * seed,
            seed=seed,
            vocab_size=size,
            curve=curve(3.0 + bits + 0.1 * seed, bits + 0.1 * seed),
        )
        for t, size, bits in (("char", 65, 2.5), ("bpe:512", 512, 2.3), ("gpt2", 50_257, 2.4))
        for seed in (0, 1)
    ]
    verdict = [make_verdict("bpe:512", "gpt2"), make_verdict("bpe:512", "char", delta=0.2)]
    return Result(make_results(*arms, verdict=verdict))


def test_a_frame_has_a_row_per_arm_and_flat_columns():
    found = result()
    frame = found.to_frame()
    assert list(frame.columns[:5]) == ["id", "tokenizer", "model", "seed", "bits_per_byte"]
    assert list(frame["id"]) == [arm.id for arm in found.arms]
    assert list(frame["bits_per_byte"]) == [2.5, 2.6, 2.3, 2.4, 2.4, 2.5]
    one = frame.set_index("id").loc["gpt2-decoder-s1"]
    assert one["vocab_size"] == 50_257
    assert one["params_total"] == 50_257 * 256 + 589_824
    assert one["train_bytes"] == 600_064
    assert one["last_step"] == 586
    assert one["val_bits_per_byte"] == 2.5
    assert one["val_nats_per_token"] == 2.0
    assert one["sample"].startswith("Speak, ")
    assert not frame.map(lambda cell: isinstance(cell, dict | list)).any(axis=None)
    assert "test_bits_per_byte" not in frame.columns
    means = frame.groupby("tokenizer")["bits_per_byte"].mean()
    assert means.idxmin() == "bpe:512"


def test_a_frame_reports_the_test_text_where_there_is_one():
    arm = make_arm("char", bits=2.5, test=make_loss(2.7))
    frame = Result(make_results(arm, reported_split="test")).to_frame()
    (row,) = frame.to_dict("records")
    assert (row["bits_per_byte"], row["val_bits_per_byte"], row["test_bits_per_byte"]) == (
        *(2.7, 2.5, 2.7),
    )


def test_curves_have_a_row_per_evaluation():
    frame = result().curves()
    assert list(frame.columns) == [
        *("id", "tokenizer", "model", "seed"),
        *("step", "train_bytes", "seconds", "val_bits_per_byte"),
    ]
    assert len(frame) == 12
    of_gpt2 = frame[frame["id"] == "gpt2-decoder-s1"]
    assert list(of_gpt2["step"]) == [100, 200]
    assert list(of_gpt2["train_bytes"]) == [102_400, 204_800]
    assert list(of_gpt2["val_bits_per_byte"]) == [5.5, 2.5]
    last = frame.groupby("id")["val_bits_per_byte"].last()
    losses = result().to_frame().set_index("id")["bits_per_byte"]
    pd.testing.assert_series_equal(last.sort_index(), losses.sort_index(), check_names=False)


def test_a_plot_of_curves_has_a_line_per_tokenizer_of_the_mean_over_seeds():
    axes = result().plot()
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["char, decoder", "bpe:512, decoder", "gpt2, decoder"]
    assert list(lines["gpt2, decoder"].get_xdata()) == [102_400, 204_800]
    assert list(lines["gpt2, decoder"].get_ydata()) == pytest.approx([5.45, 2.45])
    assert axes.get_xlabel() == "training text, bytes"
    assert axes.get_ylabel() == "bits per byte"


def test_a_plot_of_vocabularies_goes_from_the_smallest_to_the_largest():
    axes = result().plot(kind="vocabulary")
    (container,) = axes.containers
    line, _, (bars,) = container.lines
    assert list(line.get_xdata()) == [65, 512, 50_257]
    assert list(line.get_ydata()) == pytest.approx([2.55, 2.35, 2.45])
    heights = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    assert heights == pytest.approx([0.1 / 2**0.5] * 3)  # the deviation of two seeds 0.1 apart
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["char\n65", "bpe:512\n512", "gpt2\n50,257"]


def test_there_is_no_other_kind_of_plot():
    with pytest.raises(ConfigError, match=r"there is no kind of plot 'vocabularies'.*vocabulary"):
        result().plot(kind="vocabularies")


def test_a_notebook_shows_the_headline_and_the_losses():
    found = result()
    html = found._repr_html_()
    assert f"<b>{headline(found.data)}</b>" in html
    assert html.count("<table>") == 1
    for cell in ('<th scope="row">char</th>', "50,257", ">2.350<", ">0.071<"):
        assert cell in html
    assert 'class="number best"' in html


def test_a_notebook_shows_no_markup_from_outside():
    results = result().data
    corpus = replace(results.corpus, name="</script><script>alert(1)</script>")
    html = Result(replace(results, corpus=corpus))._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_result_is_read_as_it_was_written(tmp_path):
    found = result()
    write_json(tmp_path / "results.json", found.data)
    again = gptkit.load_result(tmp_path)
    assert again.data == found.data
    assert again.to_dict() == found.to_dict()
    assert again.folder == tmp_path
    assert (again.arms, again.verdict) == (found.arms, found.verdict)
    assert again.to_dict()["arms"][0]["val"]["bits_per_byte"] == 2.5


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: data | {"format": 2},
        lambda data: data | {"kind": "speed"},
        lambda data: data | {"unknown": 1},
        lambda data: {key: value for key, value in data.items() if key != "arms"},
        lambda data: data | {"seconds": "long"},
        lambda data: data | {"arms": [data["arms"][0] | {"told": 1}]},
        lambda data: data | {"experiment": data["experiment"] | {"sedes": 3}},
    ],
    ids=[
        *("format", "kind", "unknown key", "missing key", "wrong type"),
        *("unknown key of an arm", "unknown key of the experiment"),
    ],
)
def test_what_is_not_results_is_refused(tmp_path, break_it):
    write_json(tmp_path / "results.json", break_it(result().to_dict() | {"kind": "experiment"}))
    with pytest.raises(RunError, match="does not hold results in the format of this"):
        gptkit.load_result(tmp_path)


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"has no results\.json"):
        gptkit.load_result(tmp_path)


def test_stretches_need_the_folder_of_the_runs():
    with pytest.raises(RunError, match="no folder"):
        result().spans("gpt2", "char")


def test_stretches_need_a_model_and_tokenizers_of_the_experiment(tmp_path):
    found = Result(result().data, tmp_path)
    with pytest.raises(ConfigError, match="there is no model 'fast'"):
        found.spans("gpt2", "char", model="fast")
    with pytest.raises(ConfigError, match="there is no tokenizer 'bytes'"):
        found.spans("gpt2", "bytes")


def test_a_plot_of_vocabularies_names_all_tokenizers_of_one_size():
    arms = [make_arm(name, vocab_size=300) for name in ("bpe:300", "unigram:300", "wordpiece:300")]
    axes = Result(make_results(*arms)).plot(kind="vocabulary")
    shown = " ".join(label.get_text() for label in axes.get_xticklabels())
    assert all(arm.tokenizer in shown for arm in arms)


def test_the_table_of_losses_is_for_a_console():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(Result(make_results()).table())
    assert "Bits/byte compares tokenizers" in console.export_text()
