"""The commands, as a user calls them."""

import json
import subprocess
import sys

import pytest

import gptkit.engines.processes as processes
from gptkit.experiment import Experiment
from gptkit.models import MODELS
from gptkit.plan.options_file import merge_options, read_options

SMALL = ["--budget=8steps", "--bytes-per-step=256", "--context-bytes=32", "--sample-bytes=30"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, english):
    """The folder of a small experiment, trained once for this file."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text(english, encoding="utf-8")
    result = Experiment(
        data=str(folder / "text.txt"),
        budget="8steps",
        bytes_per_step=256,
        context_bytes=32,
        sample_bytes=30,
        out=folder,
    ).run()
    return result.folder


def test_encode_ids(gptkit):
    assert gptkit("encode", "Hello, world!", "--ids") == (0, "15496 11 995 0\n", "")


def test_encode_table(gptkit):
    code, out, _ = gptkit("encode", "Hello, \x1b[31mwörld!\n")
    assert code == 0
    assert "48 65 6c 6c 6f" in out
    assert "\x1b[31m" not in out
    assert "12 tokens, 19 characters, 20 bytes, 1.67 bytes per token" in out


def test_encode_json(gptkit):
    code, out, err = gptkit("encode", "Hello, world!", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["ids"] == [15496, 11, 995, 0]
    assert document["bytes"] == ["48656c6c6f", "2c", "20776f726c64", "21"]
    assert document["bytes_per_token"] == 13 / 4


def test_encode_nothing(gptkit):
    assert gptkit("encode", "")[:2] == (0, "0 tokens, 0 characters, 0 bytes (gpt2, 50,257 ids)\n")


def test_char_takes_its_alphabet_from_data(gptkit, tmp_path):
    (tmp_path / "t.txt").write_text("abc" * 10)
    assert gptkit("encode", "cab", "-t", "char", "-d", tmp_path / "t.txt", "--ids")[1] == "2 0 1\n"
    code, out, err = gptkit("encode", "cafe", "-t", "char", "-d", tmp_path / "t.txt", "--ids")
    assert (code, out) == (2, "")
    assert err == (
        "error: char cannot encode 'f' (U+0066) at index 2: "
        "the corpus it was built from never uses it.\n"
        "       Use char+bytes or byte, which can spell any text, "
        "or build char from text that has it.\n"
    )


def shell(command, text=b""):
    return subprocess.run(
        [sys.executable, "-m", "gptkit", *command], input=text, capture_output=True, check=False
    )


def test_standard_input_round_trips_any_bytes_of_utf8():
    text = "naïve 🦆\r\n\0end".encode()
    ids = shell(["encode", "-", "--ids"], text)
    assert ids.returncode == 0
    assert shell(["decode", "-"], ids.stdout).stdout == text


def test_standard_input_that_is_not_utf8_is_refused():
    done = shell(["encode", "-"], b"caf\xe9")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard input is not UTF-8: the byte at offset 3")


def test_decode(gptkit):
    assert json.loads(gptkit("decode", "15496", "11", "995", "0", "--json")[1]) == {
        "tokenizer": "gpt2",
        "text": "Hello, world!",
        "bytes": b"Hello, world!".hex(),
    }
    code, _, err = gptkit("decode", "15496", "x1")
    assert code == 2
    assert "'x1' is not an id" in err
    assert "id 60000 is outside gpt2's vocabulary" in gptkit("decode", "60000")[2]


def test_compare_prints_tables_on_stdout_and_progress_on_stderr(gptkit, text_file, tmp_path):
    args = ("compare", "-d", text_file, "--out", tmp_path / "runs", *SMALL)
    code, out, err = gptkit(*args, "--full")
    assert code == 0
    assert "Validation loss on" in out
    assert "uniform" in out
    assert "Matched by bytes" in out
    assert "saves most and least over" in out
    assert "Samples after the prompt" in out
    assert "under bigram: " in out
    assert "warning: there is one seed" in out
    assert "Give --seeds 5." in " ".join(out.split())
    assert "of training, " in " ".join(out.split())  # the headline
    lines = err.splitlines()
    assert len(lines) == 4 * 4
    assert lines[-1].startswith("gpt2-decoder-s0  step 8/8  ")


def test_compare_json_is_all_that_stdout_holds(gptkit, text_file, tmp_path):
    args = ("compare", "-d", text_file, "-t", "byte", "-m", "bigram", "--json", *SMALL)
    code, out, _ = gptkit(*args, "--out", tmp_path / "runs")
    assert code == 0
    written = json.loads((tmp_path / "runs" / "byte" / "results.json").read_text())
    assert json.loads(out) == written


def test_compare_takes_a_way_to_match_three_texts_and_tuning(gptkit, text_file, tmp_path):
    args = ("compare", "-d", text_file, "-t", "char,byte", "-m", "bigram", "--json", *SMALL)
    asked = ("--match", "tokens", "--split", "0.8,0.1,0.1", "--tune", "--seeds", 2)
    code, out, err = gptkit(*args, *asked, "--out", tmp_path / "runs")
    assert code == 0
    result = json.loads(out)
    assert result["match"]["by"] == "tokens"
    assert result["reported_split"] == "test"
    assert len(result["tuning"]) == 2
    assert "char-bigram-s0  learning rate ×0.5: " in err
    assert result["experiment"]["split"] == [0.8, 0.1, 0.1]


def test_compare_by_time_shows_seconds(gptkit, text_file, tmp_path):
    args = ("compare", "-d", text_file, "-t", "byte", "-m", "bigram", *SMALL, "--match", "time")
    code, out, err = gptkit(*args, "--budget", "0.2s", "--out", tmp_path / "runs")
    assert code == 0
    assert "after 0 s of training" in " ".join(out.split())
    assert "byte-bigram-s0  step " in err


@pytest.mark.parametrize("split", ["most", "0.9,x", ""])
def test_a_split_that_is_no_number_is_refused(gptkit, split):
    code, out, err = gptkit("compare", "--split", split)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: split {split!r} is not a share or shares, as in 0.9")


def test_calibrate_writes_what_it_found(gptkit, tmp_path):
    args = ("calibrate", "--trials", 3, "--copies", 10, "--out", tmp_path / "v", "--json")
    code, out, _ = gptkit(*args)
    assert code == 0
    found = json.loads(out)
    assert json.loads((tmp_path / "v" / "results.json").read_text()) == found
    assert {row["n_seeds"] for row in found["coverage"]} == {3, 5, 10}
    assert all(0 <= row["covered"] <= 1 for row in found["coverage"])
    page = (tmp_path / "v" / "report.md").read_text()
    assert "gptkit calibrate --trials 3 --copies 10" in page


def test_sample_streams_the_same_text_as_before(gptkit, runs):
    args = ("sample", runs / "char-decoder-s0", "--prompt", "the king", "--bytes", 40)
    code, out, _ = gptkit(*args)
    assert code == 0
    assert out.startswith("the king")
    document = json.loads(gptkit(*args, "--json")[1])
    assert out == document["prompt"] + document["text"] + "\n"
    assert 36 < len(document["text"].encode()) <= 40
    assert gptkit(*args, "--seed", 1)[1] != out


def test_sample_of_what_is_no_run(gptkit, runs, tmp_path):
    code, out, err = gptkit("sample", runs)
    assert (code, out) == (2, "")
    assert "holds several runs" in err
    assert gptkit("sample", tmp_path / "nowhere")[0] == 2
    code, out, err = gptkit("sample", runs / "char-bigram-s0", "--prompt", "QQ")
    assert (code, out) == (2, "")
    assert "char cannot encode 'Q'" in err


def test_report_writes_a_page_and_the_results(gptkit, runs, tmp_path):
    code, out, _ = gptkit("report", runs, "--out", tmp_path / "page")
    pages = [str(tmp_path / "page" / name) for name in ("report.html", "report.md")]
    assert (code, out.splitlines()) == (0, pages)
    assert json.loads((tmp_path / "page" / "results.json").read_text()) == json.loads(
        (runs / "results.json").read_text()
    )
    assert "| char | decoder | " in (tmp_path / "page" / "report.md").read_text()
    assert gptkit("report", tmp_path / "nowhere")[0] == 2


def test_doctor(gptkit):
    facts = json.loads(gptkit("doctor", "--json")[1])
    assert facts["versions"].keys() >= {"Python", "gptkit", "torch", "tiktoken", "datasets"}
    assert facts["network"]["huggingface.co"] == "does not answer"
    assert facts["data"]["tinyshakespeare"] == "not here yet"
    assert facts["device"]["device"] == "cpu" or "trains on it" in facts["device"]["why"]
    code, out, _ = gptkit("doctor")
    assert code == 0
    assert "does not answer" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["encode", "x", "-t", "gtp2"], "Did you mean gpt2?"),
        (["encode", "x\udc80"], "lone surrogate"),
        (["compare", "-d", "no-such-file"], "there is no corpus or file"),
        (["compare", "-m", "gpt5", "-d", "python-docs"], "there is no model 'gpt5'"),
        (["compare", "-d", "tinyshakespeare"], "tinyshakespeare cannot be downloaded"),
        (["report", "/proc/nowhere"], "has no results.json"),
        (["compare", "-d", "/proc/self/mem"], "Input/output error"),
        (["compare", "--budget", "soon", "-d", "python-docs"], "is not an amount"),
        (["compare", "--budget", "20s"], "or --match time."),
    ],
)
def test_a_users_error_is_one_message_and_exit_code_2(gptkit, args, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = gptkit(*args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("content", [b"", b"a", b"\xff\xfe", b"short"])
def test_a_text_that_cannot_be_used(gptkit, tmp_path, content):
    (tmp_path / "t.txt").write_bytes(content)
    code, _, err = gptkit("compare", "-d", tmp_path / "t.txt", "--out", tmp_path / "runs")
    assert code == 2
    assert err.startswith("error: ")
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("default")
def test_the_fallback_is_said_on_stderr(gptkit):
    code, out, err = gptkit("encode", "hi", "-t", "char", "--ids")
    assert code == 0
    assert err.startswith("note: using python-docs, not tinyshakespeare: ")
    assert len(out.split()) == 2


def test_an_interrupted_experiment_says_what_is_kept(gptkit, text_file, tmp_path, monkeypatch):
    real, calls = processes.run_arm, []

    def interrupted(job, *args):
        calls.append(job.arm.id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(job, *args)

    monkeypatch.setattr(processes, "run_arm", interrupted)
    code, out, err = gptkit("compare", "-d", text_file, "--out", tmp_path / "runs", *SMALL)
    assert (code, out) == (130, "")
    kept = tmp_path / "runs" / "char-vs-gpt2"
    assert f"what is done is saved in {kept}; to continue" in err
    assert "--resume --name char-vs-gpt2" in err
    assert {p.name for p in kept.iterdir()} == {"char-bigram-s0", "events.jsonl"}
    calls[:] = [None, None]
    args = ("-d", text_file, "--out", tmp_path / "runs", *SMALL, "--resume")
    assert gptkit("compare", *args, "--name", kept.name)[0] == 0
    code, _, err = gptkit("compare", *args, "--name", "elsewhere")
    assert code == 2
    assert "elsewhere does not exist: there is nothing to resume" in err
    assert not (tmp_path / "runs" / "elsewhere").exists()


def test_a_full_disk_is_a_message():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gptkit", "encode", "x"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"No space left" in done.stderr


def test_a_preset_fills_in_what_was_not_asked(gptkit, text_file, tmp_path):
    def plan(*words):
        code, config, _ = gptkit("compare", "-d", text_file, "-t", "char", *words, "--print-config")
        assert code == 0
        toml = tmp_path / "printed.toml"
        toml.write_text(config, encoding="utf-8")
        return Experiment.from_configs(*merge_options(read_options(toml))).untuned_plan()

    bigram, large = plan("--preset", "gpu", "--context-bytes", "64").arms
    assert [bigram.recipe, large.recipe] == ["bigram", "large"]
    assert large.schedule.steps == round(12e6 / 16_384)
    params = MODELS["decoder"].count_params(large.model, vocab_size=65, block_size=256)
    assert 10e6 < params.total < 13e6  # nanoGPT's has 10.65M
    (decoder,) = plan("--preset", "gpu", "-m", "decoder", "--budget", "99KB").arms
    assert (decoder.recipe, decoder.schedule.steps) == ("decoder", 6)
    code, out, err = gptkit("compare", "-d", text_file, "--preset", "tpu")
    assert (code, out) == (2, "")
    assert "There are: cpu, gpu." in err


def test_version_and_help(gptkit):
    from importlib.metadata import version

    assert gptkit("--version") == (0, f"gptkit {version('gptkit')}\n", "")
    code, out, _ = gptkit("--help")
    assert code == 0
    assert all(
        c in out for c in ("compare", "encode", "decode", "sample", "report", "calibrate", "doctor")
    )


def test_python_m_gptkit_is_the_same_command(gptkit):
    done = shell(["--version"])
    assert done.stdout.decode() == gptkit("--version")[1]
    done = shell(["encode", "x", "-t", "gtp2"])
    assert done.returncode == 2
    assert b"Did you mean gpt2?" in done.stderr


@pytest.mark.parametrize("command", [["compare"], ["lecture", "ladder"]])
def test_help_says_what_happens_without_an_option(gptkit, command):
    code, out, _ = gptkit(*command, "--help")
    assert code == 0
    text = " ".join(out.replace("│", " ").split())
    assert "[default: (from the tokenizers' names)]" in text
    assert "[default: (automatic)]" in text


def test_ids_are_decoded_as_they_are_pasted(gptkit):
    assert gptkit("decode", "[15496, 11, 995, 0]")[1] == "Hello, world!"
    assert gptkit("decode", "15496,11", "995 0")[1] == "Hello, world!"


@pytest.mark.parametrize("word", ["--5", "++5", "x", "9" * 5000, "1.5"])
def test_a_word_that_is_no_id_is_named(gptkit, word):
    code, out, err = gptkit("decode", "--", word)
    assert (code, out) == (2, "")
    assert f"{word[:40]}" in err
    assert "is not an id" in err
    assert len(err) < 200
