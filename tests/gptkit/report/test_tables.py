import copy
import io

import pytest
from rich.console import Console

from gptkit.report.formatting import printable
from gptkit.report.markdown import command, markdown
from gptkit.report.terminal import loss_table, match_table, model_table, sample_table, span_table
from gptkit.results.robustness import robustness
from gptkit.results.summary import headline, model_rows

QUANTITIES = (
    *("train_bytes", "train_tokens", "steps", "bytes_per_step", "context_bytes", "block_size"),
    *("body_params", "total_params", "train_flops", "seconds"),
)
ARMS = (
    ("char", 65, 65, 600_064, 111_540, 2.506),
    ("gpt2", 50_257, 11_234, 180_000, 36_059, 2.406),
)


def arm_of(tokenizer, vocab, seen, tokens, val_tokens, loss, *, seed=0):
    return {
        "id": f"{tokenizer}-decoder-s{seed}",
        "tokenizer": tokenizer,
        "model": "decoder",
        "seed": seed,
        "vocab_size": vocab,
        "vocab_seen": seen,
        "block_size": 128,
        "context_bytes": 160.0,
        "batch_size": 8,
        "steps": 586,
        "learning_rate": 0.01,
        "params": {
            "embedding": vocab * 128,
            "body": 589_824,
            "head": vocab * 128,
            "total": vocab * 256 + 589_824,
        },
        "train": {
            "bytes": 600_064,
            "tokens": tokens,
            "epochs": 0.6,
            "flops": 2.1e12,
            "flops_full_softmax": 2.1e12 if vocab == seen else 7.7e12,
            "seconds": 40.0,
        },
        "val": {
            "bytes": 111_540,
            "tokens": val_tokens,
            "nats_per_token": 2.0,
            "bits_per_byte": loss,
        },
        "best_step": 586,
        "last": {"step": 586, "bits_per_byte": loss},
        "samples": [{"prompt": "\n", "text": "Speak, \x1b[2Jspeak | <b>no</b>.\n\nThou"}],
    }


def span(text, bits):
    return {"start": 0, "end": 60, "text": text, "bits_per_byte": bits}


RESULT = {
    "gptkit": "0.1.0",
    "experiment": {"tokenizers": ["char", "gpt2"], "models": ["decoder"], "seeds": 1, "name": "x"},
    "corpus": {"name": "tinyshakespeare", "val_bytes": 111_540, "sha256": "86c4"},
    "claim": "val",
    "match": {
        "by": "bytes",
        "notes": [],
        "equal": ["train_bytes"],
        "unequal": ["seconds"],
        "spread": {"decoder": dict.fromkeys(QUANTITIES, 1.0) | {"train_tokens": 3.334}},
    },
    "machine": {"torch": "2.13.0", "device": "cpu", "threads": 2},
    "tuning": [],
    "seconds": 100.0,
    "arms": [arm_of(*figures) for figures in ARMS],
    "baselines": [
        {"name": "uniform", "tokenizer": "gpt2", "bits_per_byte": 5.049},
        {"name": "zlib", "tokenizer": None, "primer_bytes": 32_768, "bits_per_byte": 3.101},
        {"name": "bz2", "tokenizer": None, "primer_bytes": 0, "bits_per_byte": 2.635},
    ],
    "verdict": [
        {
            "a": "gpt2-decoder",
            "b": "char-decoder",
            "delta_bits_per_byte": 0.1,
            "ci95": None,
            "ci95_text": [0.09, 0.11],
            "ci95_seeds": None,
            "told_apart": None,
            "says": "gpt2 vs char under decoder: gpt2 is better by 0.100 bits per byte; "
            "one seed: no interval across seeds",
            "spans": {
                "most": [span("my lord\nand\x1b[2J", 2.206), span("of", 1.5)],
                "least": [span("HIC", -1.3), span("<b>|", -1.07)],
            },
        }
    ],
    "warnings": ["one seed: another may turn it."],
}


def with_seeds(n):
    result = copy.deepcopy(RESULT)
    for seed in range(1, n):
        for *figures, loss in ARMS:
            result["arms"].append(arm_of(*figures, loss + 0.01 * seed, seed=seed))
    result["experiment"]["seeds"] = n
    return result


def rendered(renderable, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_losses_fit_a_terminal_unclipped(width):
    text = rendered(loss_table(RESULT), width)
    for cell in ("gpt2", "50,257", "(11,234)", "6.4M/590k/6.4M", "2.406", "3.09", "4.5k"):
        assert cell in text
    assert "…" not in text


def test_samples_stand_side_by_side_and_cannot_drive_the_terminal():
    text = rendered(sample_table(RESULT), 80)
    assert "\x1b" not in text
    assert text.count("␛[2J") == 2
    assert any(line.count("Speak,") == 2 for line in text.splitlines())


def test_many_tokenizers_stand_one_under_the_other():
    result = copy.deepcopy(RESULT)
    for name in ("a", "b"):
        arm = copy.deepcopy(result["arms"][0])
        result["arms"].append(arm | {"tokenizer": name, "id": f"{name}-decoder-s0"})
    text = rendered(sample_table(result), 80)
    assert all(line.count("Speak,") <= 1 for line in text.splitlines())
    assert text.count("Speak,") == 4


def test_the_headline_says_who_wins_by_how_much_and_how_surely():
    assert headline(RESULT) == (
        "gpt2 models tinyshakespeare best after 600kB of training: "
        "2.406 bits per byte with decoder. gpt2 vs char under decoder: gpt2 is better by 0.100 "
        "bits per byte; one seed: no interval across seeds."
    )


def test_the_headline_names_no_winner_of_a_tie():
    result = copy.deepcopy(RESULT)
    says = "gpt2 vs char under decoder: cannot be told apart at 5 seeds"
    result["verdict"][0] |= {"told_apart": False, "says": says}
    assert headline(result).startswith("gpt2 and char model tinyshakespeare alike after 600kB")
    assert headline(result).endswith(f"{says}.")


def test_matched_by_time_the_headline_says_seconds():
    result = copy.deepcopy(RESULT)
    result["match"]["by"] = "time"
    assert "best after 40 s of training" in headline(result)


@pytest.mark.parametrize(
    ("by", "spent"),
    [
        ("tokens", "best after training on 180k tokens: "),
        ("flops", "best after 2.1T FLOPs of training: "),
        ("params", "best after 600kB of training: "),
    ],
)
def test_the_headline_says_what_was_matched(by, spent):
    result = copy.deepcopy(RESULT)
    result["match"]["by"] = by
    assert spent in headline(result)
    for arm in result["arms"]:
        arm["train"]["flops"] = 0.0  # a bigram's
    assert "0 FLOPs" not in headline(result)


def test_the_headline_of_one_tokenizer_has_no_rival():
    result = copy.deepcopy(RESULT) | {"verdict": []}
    assert headline(result) == (
        "gpt2 models tinyshakespeare after 600kB of training: 2.406 bits per byte with decoder."
    )
    assert span_table(result) is None


@pytest.mark.parametrize("width", [80, 120])
def test_seeds_are_one_row_with_their_mean_and_deviation(width):
    text = rendered(loss_table(with_seeds(3)), width)
    assert "mean of 3 seeds" in text
    (row,) = [line for line in text.splitlines() if "6.4M/590k/6.4M" in line]
    assert "2.416 0.010" in row  # 2.406, 2.416, 2.426
    assert "…" not in text


def test_the_title_says_which_text_the_losses_are_of():
    result = copy.deepcopy(RESULT)
    result["claim"] = "test"
    result["corpus"]["test_bytes"] = 55_770
    for arm in result["arms"]:
        arm["test"] = arm["val"] | {"bits_per_byte": 2.7}
    text = rendered(loss_table(result), 80)
    assert "Test loss on tinyshakespeare, 55,770 bytes" in text
    assert "2.700" in text
    assert "2.406" not in text
    page = markdown(result)
    assert "Loss over the whole test text, 55,770 bytes" in page


def test_baselines_stand_below_the_models():
    lines = [line.split() for line in rendered(loss_table(RESULT), 80).splitlines()]
    assert ["gpt2", "uniform", "5.049"] in lines
    assert ["zlib", "primed", "3.101"] in lines
    assert ["bz2", "unprimed", "2.635"] in lines
    page = markdown(RESULT)
    assert "| zlib | primed (knows 32,768 bytes) |" in page


def test_the_source_itself_is_a_row():
    result = copy.deepcopy(RESULT)
    result["corpus"]["entropy_bits_per_byte"] = 2.25
    assert "the source itself" in rendered(loss_table(result), 80)
    assert "| the source itself |" in markdown(result)


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_equal_is_a_table(width):
    text = rendered(match_table(RESULT), width)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}
    quantities = "600k 600k 586 1.0k 160 128 590k 606k 2.1T 40.0"
    assert rows["char"] == quantities.split()
    assert rows["max/min"] == ["=", "×3.3", *["="] * 8]
    assert "gpt2-decoder 7.7T" in text
    assert "…" not in text


def test_notes_of_the_matching_stand_in_its_title():
    result = copy.deepcopy(RESULT)
    result["match"] |= {"by": "tokens", "notes": ["the naive comparison"]}
    assert "Matched by tokens; the naive comparison" in rendered(match_table(result), 80)


def test_the_stretches_where_one_beats_the_other():
    text = rendered(span_table(RESULT), 80)
    assert "Where gpt2 saves most and least over char under decoder" in text
    lines = [line.strip().split(maxsplit=1) for line in text.splitlines()[1:]]
    assert [bits for bits, _ in lines] == ["+2.21", "+1.50", "-1.07", "-1.30"]
    assert "my lord⏎and␛[2J" in text
    page = markdown(RESULT)
    assert "    +2.21  my lord⏎and␛[2J\n    +1.50  of\n    -1.07  <b>|\n" in page


def test_direction_marks_and_other_controls_are_made_visible():
    assert printable("a\u202eb\x9bc\x07\x7f") == "a\ufffdb\ufffdc␇␡"


def test_the_page_holds_every_number_and_no_raw_markup():
    page = markdown(RESULT)
    assert "| gpt2 | decoder | 50,257 | 11,234 | 6.4M | 590k | 6.4M | **2.406** |" in page
    assert "\x1b" not in page
    assert "gptkit compare --tokenizers char,gpt2 --models decoder" in page
    assert "- warning: one seed: another may turn it." in page


def test_the_page_holds_what_was_tried():
    result = copy.deepcopy(RESULT)
    trials = [
        {"factor": 1.0, "bits_per_byte": 2.5, "part": 1.0},
        {"factor": 2.0, "bits_per_byte": 2.75, "part": 0.25},
        {"factor": 4.0, "bits_per_byte": None, "part": 0.0},
    ]
    result["tuning"] = [{"tokenizer": "char", "model": "decoder", "factor": 1.0, "trials": trials}]
    page = markdown(result)
    assert "| char-decoder | 1 | **2.500** |" in page
    assert "| char-decoder | 2 | 2.750, stopped at 25% |" in page
    assert "| char-decoder | 4 | diverged |" in page


def test_the_page_shows_seeds_as_mean_and_deviation():
    page = markdown(with_seeds(3))
    assert "| **2.416** ± 0.010 |" in page
    assert "mean ± standard deviation of 3 seeds" in page
    assert page.count("after the prompt") == 2  # samples of the first seed alone


def test_the_command_names_only_what_was_chosen():
    asked = {
        "tokenizers": ["char"],
        "models": ["bigram", "decoder"],
        "data": "my text.txt",
        "budget": "600KB",
        "top_k": 5,
        "tune": True,
        "split": [0.8, 0.1, 0.1],
        "prompt": None,
        "name": "whatever",
    }
    assert (
        command({"experiment": asked})
        == "gptkit compare --tokenizers char --data 'my text.txt' --tune "
        "--split 0.8,0.1,0.1 --top-k 5"
    )


def result_of_two_models():
    """Results of two tokenizers, of which `decoder` prefers gpt2 and `fast` char."""
    result = copy.deepcopy(RESULT)
    for arm, bits in zip(list(result["arms"]), (2.30, 2.35), strict=True):
        other = copy.deepcopy(arm) | {"model": "fast", "id": arm["id"].replace("decoder", "fast")}
        other["val"] = other["val"] | {"bits_per_byte": bits}
        result["arms"].append(other)
    result["experiment"]["models"] = ["decoder", "fast"]
    result["match"]["spread"]["fast"] = result["match"]["spread"]["decoder"]
    turned = {"a": "char-fast", "b": "gpt2-fast", "model": "fast", "delta_bits_per_byte": 0.05}
    turned["says"] = "char vs gpt2 under fast: char is better by 0.050 bits per byte"
    result["verdict"].append(result["verdict"][0] | turned)
    result["robustness"] = robustness(result["arms"], result["verdict"])
    return result


def test_the_headline_leads_with_it_where_the_answer_depends_on_the_model():
    assert headline(result_of_two_models()) == (
        "The answer depends on the model: gpt2 is best under decoder, char under fast. "
        "gpt2 and char change places, at one seed: gpt2 is better under decoder, char under fast. "
        "The lowest loss on tinyshakespeare after 600kB of training: char, 2.300 bits per byte "
        "with fast."
    )


def test_the_headline_ends_with_it_where_the_models_agree():
    result = result_of_two_models()
    result["robustness"] = {"depends_on_model": False, "says": "char is best under both models."}
    assert headline(result).endswith("char is best under both models.")


def test_tables_show_each_tokenizer_under_each_model():
    result = result_of_two_models()
    assert model_rows(result) == [
        ["char", "2.506 (2)", "2.300 (1)"],
        ["gpt2", "2.406 (1)", "2.350 (2)"],
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(model_table(result))
    shown = console.file.getvalue()
    assert "Bits per byte by model" in shown
    assert "2.406 (1)" in shown
    page = markdown(result)
    assert "## Does the answer depend on the model?" in page
    assert "| char | 2.506 (2) | 2.300 (1) |" in page


def test_what_is_not_told_apart_from_the_best_is_marked():
    result = result_of_two_models()
    result["robustness"]["best"]["fast"]["not_told_apart"] = ["gpt2"]
    assert model_rows(result)[1] == ["gpt2", "2.406 (1)", "2.350 (2) ≈"]


def test_results_without_it_still_show():
    result = copy.deepcopy(RESULT)
    assert model_rows(result) == []
    assert model_table(result) is None
    assert "depend on the model" not in markdown(result)
