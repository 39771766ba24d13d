import copy
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from gptkit.report.markdown import command, loss_rows, markdown
from gptkit.tables import headline, loss_table, printable, sample_table

RESULT = {
    "gptkit": "0.1.0",
    "experiment": {"tokenizers": ["char", "gpt2"], "models": ["decoder"], "seeds": 1, "name": "x"},
    "corpus": {"name": "tinyshakespeare", "val_bytes": 111_540, "sha256": "86c4"},
    "match": {"by": "bytes", "equal": ["train_bytes"], "unequal": ["seconds"]},
    "machine": {"torch": "2.13.0", "device": "cpu", "threads": 2},
    "seconds": 100.0,
    "arms": [
        {
            "id": f"{tokenizer}-decoder-s0",
            "tokenizer": tokenizer,
            "model": "decoder",
            "seed": 0,
            "vocab_size": vocab,
            "vocab_seen": seen,
            "block_size": 128,
            "batch_size": 8,
            "steps": 586,
            "params": {"embedding": vocab * 128, "body": 589_824, "head": vocab * 128},
            "train": {"bytes": 600_064, "tokens": tokens, "flops": 2.1e12, "seconds": 40.0},
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
        for tokenizer, vocab, seen, tokens, val_tokens, loss in (
            ("char", 65, 65, 600_064, 111_540, 2.506),
            ("gpt2", 50_257, 11_234, 180_000, 36_059, 2.406),
        )
    ],
    "verdict": [
        {
            "a": "gpt2-decoder",
            "b": "char-decoder",
            "delta_bits_per_byte": 0.1,
            "ci95": None,
            "doubt": "one seed: no interval across seeds",
            "says": "gpt2 is better than char by 0.100 bits per byte under decoder "
            "(one seed: no interval across seeds)",
        }
    ],
}


def rendered(renderable, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_losses_fit_a_terminal_unclipped(width):
    text = rendered(loss_table(RESULT), width)
    for cell in ("gpt2", "50,257", "(11,234)", "6.4M/590k/6.4M", "2.406", "3.09", "4.5k", "40.0"):
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
        "2.406 bits per byte with decoder, "
        "0.100 less than char (one seed: no interval across seeds)."
    )


def test_direction_marks_and_other_controls_are_made_visible():
    assert printable("a\u202eb\x9bc\x07\x7f") == "a\ufffdb\ufffdc␇␡"


def test_the_page_holds_every_number_and_no_raw_markup():
    page = markdown(RESULT)
    assert "| gpt2 | decoder | 0 | 50,257 | 11,234 | 6.4M | 590k | 6.4M | **2.406** |" in page
    assert "\x1b" not in page
    assert "gptkit compare --tokenizers char,gpt2 --models decoder" in page


def test_the_command_names_only_what_was_chosen():
    asked = {
        "tokenizers": ["char"],
        "models": ["bigram", "decoder"],
        "data": "my text.txt",
        "budget": "600KB",
        "top_k": 5,
        "prompt": None,
        "name": "whatever",
    }
    assert (
        command({"experiment": asked})
        == "gptkit compare --tokenizers char --data 'my text.txt' --top-k 5"
    )


ROOT = Path(__file__).parents[2]


def test_the_readme_and_the_report_show_the_committed_results():
    folder = ROOT / "reports" / "char-vs-gpt2"
    result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (folder / "report.md").read_text(encoding="utf-8") == markdown(result)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n".join(loss_rows(result)) in readme
    assert headline(result) in readme
    assert command(result) in readme
