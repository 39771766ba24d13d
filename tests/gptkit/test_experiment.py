"""The whole chain on a small text: plan, arms, results.json, and an independent check of it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import gptkit
import gptkit.engines.arm as arm_module
from gptkit.data.encoding import encode_corpus
from gptkit.errors import ConfigError, CorpusError, RunError
from gptkit.eval.evaluation import evaluate
from gptkit.events import Evaluated, StepDone
from gptkit.experiment import Experiment
from gptkit.files import write_json
from gptkit.plan.recipes import decoder
from gptkit.report.command import command_line
from gptkit.report.markdown import markdown
from gptkit.report.result import Result, load_result
from gptkit.results.byte_losses import read_losses
from gptkit.results.studies import Speed, SpeedMachine
from gptkit_tokenizers import TokenizerError

SMALL = {"budget": "20steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 40}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, english):
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "text.txt").write_text(english * 5, encoding="utf-8")  # val has several blocks
    events = []
    options = {"data": str(folder / "text.txt"), "out": folder / "runs", **SMALL}
    result = gptkit.compare(seeds=2, on_event=lambda arm, e: events.append((arm, e)), **options)
    return result, events, folder


def same_shape(expected, found, where="results.json"):
    """Every key of `expected` is in `found`, with a value of the same kind."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, f"{where} has no {key}"
            same_shape(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        for item in found[:1] if expected else []:
            same_shape(expected[0], item, f"{where}[0]")
    else:
        assert type(found) is type(expected), (where, found)


def test_results_json_keeps_its_contract(experiment):
    result, *_ = experiment
    on_disk = json.loads((result.folder / "results.json").read_text())
    assert on_disk == result.to_dict()
    assert load_result(result.folder).to_dict() == on_disk
    arm = {
        "id": "char-decoder-s0",
        "tokenizer": "char",
        "model": "decoder",
        "seed": 0,
        "vocab_size": 65,
        "vocab_seen": 65,
        "block_size": 0,
        "context_bytes": 0.0,
        "batch_size": 0,
        "steps": 0,
        "params": {"embedding": 0, "body": 0, "head": 0, "total": 0},
        "learning_rate": 0.0,
        "train": {
            "bytes": 0,
            "tokens": 0,
            "epochs": 0.0,
            "flops": 0.0,
            "flops_full_softmax": 0.0,
            "seconds": 0.0,
        },
        "val": {
            "bytes": 0,
            "chars": 0,
            "tokens": 0,
            "lost_bytes": 0,
            "nats_per_token": 0.0,
            "nats_per_char": 0.0,
            "bits_per_byte": 0.0,
        },
        "best_step": 0,
        "last": {"step": 0, "bits_per_byte": 0.0},
        "curve": [{"step": 0, "train_bytes": 0, "seconds": 0.0, "val_bits_per_byte": 0.0}],
        "samples": [{"prompt": "", "text": ""}],
    }
    contract = {
        "kind": "experiment",
        "format": 1,
        "gptkit": "0.1.0",
        "name": "char-vs-gpt2",
        "corpus": {
            "name": "...",
            "sha256": "...",
            "train_bytes": 0,
            "val_bytes": 0,
            "train_chars": 0,
            "val_chars": 0,
        },
        "reported_split": "val",
        "match": {
            "by": "bytes",
            "notes": [],
            "equal": ["train_bytes"],
            "unequal": ["train_tokens"],
            "max_over_min": {"decoder": {"train_bytes": 1.0}},
        },
        "tuning": [],
        "baselines": [{"name": "uniform", "tokenizer": "char", "bits_per_byte": 0.0}],
        "warnings": [""],
        "seconds": 0.0,
        "arms": [arm],
        "robustness": {
            "best": {"decoder": {"tokenizer": "", "not_told_apart": [""]}},
            "reversals": [],
            "depends_on_model": False,
            "message": "",
        },
        "verdict": [
            {
                "a": "",
                "b": "",
                "model": "",
                "delta_bits_per_byte": 0.0,
                "ci95": [0.0],
                "ci95_text": [0.0],
                "ci95_seeds": [0.0],
                "ci95_both": [0.0],
                "p_holm": 0.0,
                "seeds": 2,
                "significant": True,
                "message": "",
                "stretches": {
                    "most": [{"start": 0, "end": 0, "text": "", "bits_per_byte": 0.0}],
                    "least": [{"start": 0, "end": 0, "text": "", "bits_per_byte": 0.0}],
                },
            }
        ],
    }
    same_shape(contract, on_disk)
    assert [a["id"] for a in on_disk["arms"]] == [
        f"{t}-{m}-s{s}" for t in ("char", "gpt2") for m in ("bigram", "decoder") for s in (0, 1)
    ]


def test_arms_are_matched_by_bytes(experiment):
    result, *_ = experiment
    arms = result.arms
    assert {arm.steps for arm in arms} == {20}
    longest_window = 2 * 32
    for arm in arms:
        assert abs(arm.train.bytes - 20 * 256) <= longest_window
        assert arm.val.bytes == result.data.corpus.val_bytes
        assert arm.val.chars == result.data.corpus.val_chars
    assert len({arm.params.body for arm in arms if arm.model == "decoder"}) == 1
    by_id = {arm.id: arm for arm in arms}
    assert by_id["gpt2-decoder-s0"].block_size < by_id["char-decoder-s0"].block_size // 2


def test_every_arm_learns_and_reports_each_step(experiment):
    _, events, _ = experiment
    for arm_id in {arm.id for arm, _ in events}:
        mine = [e for arm, e in events if arm.id == arm_id]
        steps = [e for e in mine if isinstance(e, StepDone)]
        assert [e.step for e in steps] == list(range(1, 21))
        assert steps[-1].loss < steps[0].loss
        assert [e.step for e in mine if isinstance(e, Evaluated)] == [5, 10, 15, 20]


def test_samples_are_matched_by_bytes_and_share_the_prompt(experiment):
    result, *_ = experiment
    for arm in result.arms:
        (sample,) = arm.samples
        assert sample.prompt == "\n"
        assert len(sample.text.encode()) <= 40 or "\ufffd" in sample.text
        assert len(sample.text.encode()) > 36 or "\ufffd" in sample.text


def without_times(value):
    """The same, but for what a clock or a folder's name has put there."""
    if isinstance(value, dict):
        drop = ("seconds", "name", "out")
        return {k: without_times(v) for k, v in value.items() if k not in drop}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def test_the_same_experiment_again_has_the_same_numbers_in_a_folder_of_its_own(experiment):
    result, _, folder = experiment
    options = {"data": str(folder / "text.txt"), "out": folder / "runs", **SMALL}
    again = gptkit.compare(seeds=2, **options)
    assert again.folder == result.folder.with_name("char-vs-gpt2-2")
    assert without_times(again.to_dict()) == without_times(result.to_dict())
    for arm in result.arms:
        files = (r.folder / arm.id / "nats.npz" for r in (result, again))
        one, other = (file.read_bytes() for file in files)
        assert one == other


def test_the_losses_by_byte_sum_to_the_reported_loss(experiment):
    result, _, folder = experiment
    val = (folder / "text.txt").read_bytes().decode()
    val = val[int(0.9 * len(val)) :].encode()
    for arm in result.arms:
        losses = read_losses(result.folder / arm.id, arm.reported.bytes)
        assert losses.text.tobytes() == val
        bits = losses.nats.sum(dtype=float) / math.log(2) / len(val)
        assert bits == pytest.approx(arm.val.bits_per_byte, rel=2**-23)
        assert len(losses.borders) == arm.val.tokens


def test_spans_compares_any_two_tokenizers(experiment):
    result, *_ = experiment
    (verdict,) = [v for v in result.verdict if v.model == "decoder"]
    a, b = verdict.a, verdict.b
    assert load_result(result.folder).spans(a, b, model="decoder") == verdict.stretches
    back = result.spans(b, a, model="decoder", n=2)
    assert [s.bits_per_byte for s in back.most] == [
        -s.bits_per_byte for s in verdict.stretches.least[:2]
    ]
    best = min(result.arms, key=lambda arm: arm.val.bits_per_byte).model
    assert result.spans(a, b) == result.spans(a, b, model=best)


def test_spans_refuses_unknown_names_and_missing_runs(experiment, tmp_path):
    result, *_ = experiment
    with pytest.raises(ConfigError, match=r"no tokenizer 'byte'\.\nThere are: char, gpt2"):
        result.spans("char", "byte")
    with pytest.raises(ConfigError, match="no model 'lecture'"):
        result.spans("char", "gpt2", model="lecture")
    with pytest.raises(RunError, match=r"nats\.npz"):
        Result(result.data, tmp_path).spans("char", "gpt2")
    with pytest.raises(RunError, match="no folder"):
        Result(result.data).spans("char", "gpt2")


@pytest.mark.parametrize("content", ["{", "{}", '{"kind": "speed"}'])
def test_a_file_that_holds_no_results_is_refused(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(RunError, match="does not hold results in the format of this version"):
        load_result(tmp_path)


def test_a_study_is_not_loaded_as_an_experiment(tmp_path):
    machine = SpeedMachine(processor="x", cores=2, threads=2, python="3", torch="2")
    write_json(tmp_path / "results.json", Speed(machine=machine, rounds=1, measurements=[]))
    with pytest.raises(RunError, match="is a study, not an experiment"):
        load_result(tmp_path)


def test_val_chooses_and_test_gives_the_reported_loss(text_file, tmp_path, english):
    shares = (0.8, 0.1, 0.1)
    result = gptkit.compare(
        data=str(text_file),
        models=["bigram"],
        split=shares,
        seeds=2,
        out=tmp_path,
        **SMALL,
    )
    cuts = [int(share * len(english)) for share in (0.8, 0.9)]
    val, test = english[cuts[0] : cuts[1]].encode(), english[cuts[1] :].encode()
    corpus = result.data.corpus
    assert result.data.reported_split == "test"
    assert (corpus.val_bytes, corpus.test_bytes) == (len(val), len(test))
    losses = {}
    for arm in result.arms:
        assert (arm.val.bytes, arm.test.bytes) == (len(val), len(test))
        assert arm.val.bits_per_byte == min(point.val_bits_per_byte for point in arm.curve)
        losses.setdefault(arm.tokenizer, []).append(arm.test.bits_per_byte)
        assert read_losses(result.folder / arm.id, arm.reported.bytes).text.tobytes() == test
        run = gptkit.load_run(result.folder / arm.id)
        encoded = encode_corpus(gptkit.load_corpus(str(text_file), split=shares), arm.tokenizer)
        again = evaluate(run.model, encoded.test, before=encoded.val.ids)
        assert again.bits_per_byte == pytest.approx(arm.test.bits_per_byte, rel=1e-6)
    (verdict,) = result.verdict
    means = sorted(sum(values) / 2 for values in losses.values())
    assert verdict.delta_bits_per_byte == pytest.approx(means[1] - means[0], abs=1e-6)


def test_a_corpus_object_is_used_as_it_is(text_file, tmp_path):
    whole = gptkit.load_corpus(str(text_file), split=0.8)
    part = replace(whole, name="a part", train=whole.train[:8000])
    result = gptkit.compare(data=part, models=["bigram"], out=tmp_path, **SMALL)
    assert result.data.corpus == part.facts()
    assert result.data.experiment.data is None
    assert command_line(result.data) is None
    assert "a part" in markdown(result.data)


def test_warnings_are_in_the_result(experiment):
    result, *_ = experiment
    assert any("Intervals need at least 20 blocks" in w for w in result.data.warnings)


def test_a_run_is_loaded_from_its_folder(experiment):
    result, *_ = experiment
    run = gptkit.load_run(result.folder / "char-decoder-s1")
    assert run.config.schedule.seed == 1
    assert run.result == result.arms[3]
    counts, recorded = run.model.num_params(), result.arms[3].params
    for part in ("embedding", "body", "head", "total"):
        assert getattr(counts, part) == getattr(recorded, part)
    assert run.tokenizer.decode(run.tokenizer.encode("naïve 🦆")) == "naïve 🦆"
    assert len([m for m in run.metrics if isinstance(m, StepDone)]) == 20


def test_a_lossy_plug_in_is_stopped_before_training(text_file, monkeypatch):
    from gptkit_tokenizers.byte import ByteTokenizer

    monkeypatch.setattr(
        ByteTokenizer, "encode_array", lambda self, text: np.frombuffer(text.upper().encode(), "u1")
    )
    with pytest.raises(TokenizerError, match="byte fails the audit"):
        Experiment(tokenizers=["byte"], data=str(text_file)).plan()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"tokenizers": []}, ConfigError, "tokenizers is empty"),
        ({"tokenizers": ["char", "char"]}, ConfigError, "tokenizers has a name twice: char, char"),
        ({"models": ["decodr"]}, ConfigError, r"Did you mean decoder\?"),
        ({"models": [decoder()]}, ConfigError, "models has a Recipe where a name belongs"),
        ({"models": {"mine": decoder().model}}, ConfigError, "mine is a ModelConfig; it must be"),
        ({"models": {"../up": decoder()}}, ConfigError, "cannot be a folder's name"),
        ({"match": "flop"}, ConfigError, r"Did you mean flops\?"),
        ({"match": "time", "budget": "600KB"}, ConfigError, "not in seconds, which matching by"),
        ({"budget": "20s"}, ConfigError, "only matching by time can use"),
        ({"match": "time", "budget": "0s"}, ConfigError, "is not an amount"),
        ({"split": (0.9, 0.2)}, ConfigError, "shares of train, val and test that sum to 1"),
        ({"split": 1.0}, ConfigError, "between 0 and 1"),
        ({"seeds": 0}, ConfigError, "seeds is 0"),
        ({"temperature": -1.0}, ConfigError, "must be positive"),
        ({"name": "../elsewhere"}, ConfigError, "cannot be a folder's name"),
        ({"budget": "lots"}, ConfigError, "Give bytes of training text"),
        ({"budget": "1B"}, ConfigError, "less than one step"),
        ({"context_bytes": 2048}, ConfigError, "less than twice context_bytes 2048"),
        ({"context_bytes": 99_000, "bytes_per_step": 198_000}, CorpusError, "too short"),
        ({"prompt": ""}, ConfigError, "prompt is empty"),
        ({"temperature": math.inf}, ConfigError, "positive and finite"),
        ({"tokenisers": ["byte"]}, ConfigError, r"no option 'tokenisers'. Did you mean tokenizers"),
        ({"stride_bytes": 0}, ConfigError, "stride_bytes is 0"),
        ({"stride_bytes": 161}, ConfigError, "would not be scored"),
        ({"temperature": "hot"}, ConfigError, "temperature is 'hot'; it must be a number"),
        ({"split": "0.9"}, ConfigError, "split is '0.9'; it must be a number or a list"),
        ({"perturb": "typos"}, ConfigError, "perturb is 'typos'; it must be a list"),
        ({"models": "decoder"}, ConfigError, "models is 'decoder'; it must be a list or a dict"),
        ({"models": 3}, ConfigError, "models is 3; it must be a list"),
        ({"seeds": None}, ConfigError, "seeds is None; it must be a whole number"),
        ({"seeds": True}, ConfigError, "seeds is True; it must be a whole number"),
        ({"top_k": 2.5}, ConfigError, "top_k is 2.5; it must be a whole number from 1"),
        ({"tune": "no"}, ConfigError, "tune is 'no'; it must be True or False"),
        ({"jobs": "2"}, ConfigError, "jobs is '2'; it must be a whole number or None"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(text_file, options, error, says):
    with pytest.raises(error, match=says):
        Experiment(**{"data": str(text_file), "tokenizers": ["byte"], **options}).plan()


@pytest.mark.parametrize("several", [False, True])
def test_a_text_may_be_a_path(text_file, several):
    experiment = Experiment(data=[text_file] if several else text_file)
    assert experiment.config.data == str(text_file)


def test_a_text_without_line_breaks_is_prompted_by_its_first_character(tmp_path):
    (tmp_path / "t.txt").write_text("on and on " * 100)
    result = gptkit.compare(
        data=str(tmp_path / "t.txt"), models=["bigram"], out=tmp_path / "runs", **SMALL
    )
    assert {arm.samples[0].prompt for arm in result.arms} == {"o"}


def test_a_prompt_that_cannot_be_encoded_fails_before_training(text_file, tmp_path):
    with pytest.raises(TokenizerError, match="char cannot encode 'Q'"):
        gptkit.compare(
            data=str(text_file), tokenizers=["char"], prompt="Quiet", out=tmp_path / "r", **SMALL
        )
    assert not (tmp_path / "r").exists()


def test_an_experiment_that_takes_no_step_leaves_its_name_free(text_file, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(arm_module, "fresh_model", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gptkit.compare(data=str(text_file), out=tmp_path, **SMALL)
    assert not (tmp_path / "char-vs-gpt2").exists()


def test_a_name_that_is_taken_is_refused(text_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("x")
    with pytest.raises(ConfigError, match="exists already"):
        gptkit.compare(data=str(text_file), name="mine", out=tmp_path, **SMALL)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["precious"]


def test_an_unknown_device_is_refused(text_file, tmp_path):
    with pytest.raises(ConfigError, match="device 'toaster' cannot be used here"):
        gptkit.compare(data=str(text_file), device="toaster", out=tmp_path, **SMALL)


@pytest.mark.slow
@pytest.mark.corpus
def test_a_tenth_of_it_learns_most_of_it(shakespeare_folder, tmp_path):
    # At 59 steps of 586 the character decoder has passed the best any bigram can do on this
    # text with characters, 3.54 bits per byte (2.45 nats, the entropy of its counts).
    result = gptkit.compare(
        data="tinyshakespeare", tokenizers=["char"], models=["decoder"], budget="60KB", out=tmp_path
    )
    assert result.arms[0].val.bits_per_byte < 3.54
