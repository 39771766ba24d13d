import pytest

from gptkit.results.warnings import cautions


def arm(name="char-decoder-s0", **changed):
    return {
        "id": name,
        "tokenizer": "char",
        "model": "decoder",
        "seed": int(name[-1]),
        "val": {"bits_per_byte": 2.5},
        "best_step": 30,
        "last": {"step": 40, "bits_per_byte": 2.5},
        "steps": 586,
        "params": {"body": 590_000},
        "train": {"epochs": 0.6},
        **changed,
    }


def result(*arms, **changed):
    return {
        "arms": list(arms),
        "claim": "val",
        "experiment": {"models": ["decoder"]},
        "corpus": {"val_bytes": 111_540},
        "baselines": [
            {"name": "uniform", "tokenizer": "char", "bits_per_byte": 6.0},
            {"name": "bigram", "tokenizer": "char", "bits_per_byte": 3.6},
            {"name": "zlib", "tokenizer": None, "bits_per_byte": 3.1},
        ],
        "match": {"by": "bytes", "spread": {"decoder": {"train_bytes": 1.0}}},
        "verdict": [{"delta_bits_per_byte": 0.1, "ci95_text": [0.095, 0.105]}],
        "tuning": [],
        **changed,
    }


TWO_SEEDS = arm(), arm("char-decoder-s1")


def test_a_sound_result_has_no_warning():
    assert cautions(result(*TWO_SEEDS)) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"last": {"step": 40, "bits_per_byte": 2.53}},
            "char-decoder-s1: overfitted, 2.530 bits per byte at the end, 2.500 at its best",
        ),
        (
            {"val": {"bits_per_byte": 6.01}, "last": {"step": 40, "bits_per_byte": 6.01}},
            "char-decoder-s1: worse than guessing, 6.010 bits per byte, 6.000",
        ),
        ({"train": {"epochs": 4.1}}, "char-decoder-s1: read the training text 4.1 times"),
    ],
)
def test_what_an_arm_did(changed, says):
    said = cautions(result(arm(), arm("char-decoder-s1", **changed)))
    assert said[0].startswith(says)
    assert len(said) == 1 + ("guessing" in says)  # which is worse than counting, too


def test_within_one_percent_of_the_best_is_no_overfitting():
    mild = arm("char-decoder-s1", last={"step": 40, "bits_per_byte": 2.52})
    assert cautions(result(arm(), mild)) == []


def test_several_arms_share_a_sentence():
    many = [arm(f"char-decoder-s{s}", train={"epochs": 9.0}) for s in range(3)]
    (only,) = cautions(result(*many))
    assert only.startswith("char-decoder-s0 (and 2 more arms): read the training text 9.0 times")


def test_two_arms_share_a_sentence_in_the_singular():
    (only,) = cautions(result(*(arm(f"char-decoder-s{s}", train={"epochs": 9.0}) for s in (0, 1))))
    assert only.startswith("char-decoder-s0 (and 1 more arm): read")


def test_a_decoder_that_loses_to_counting():
    worse = {"val": {"bits_per_byte": 3.61}, "last": {"step": 40, "bits_per_byte": 3.61}}
    (only,) = cautions(result(arm(), arm("char-decoder-s1", **worse)))
    assert only.startswith("char-decoder-s1: learned less than counting pairs of ids gives")
    assert "3.610 bits per byte, 3.600 by counts" in only
    bigram = [arm(f"char-bigram-s{s}", **worse, params={"body": 0}) for s in (0, 1)]
    assert cautions(result(*bigram)) == []  # a bigram can do no better


@pytest.mark.parametrize(
    ("by", "spread", "body", "says"),
    [
        ("time", {"seconds": 1.03}, 590_000, "under decoder seconds differ by more than 1 %"),
        ("flops", {"train_flops": 1.02}, 590_000, "under decoder train_flops differ"),
        ("params", {"total_params": None}, 590_000, "under decoder total_params differ"),
        ("params", {"total_params": 900.0}, 0, None),
        ("tokens", {"train_tokens": 1.009}, 590_000, None),
    ],
)
def test_what_was_matched_and_did_not_come_out_equal(by, spread, body, says):
    arms = [arm(f"char-decoder-s{s}", params={"body": body}) for s in (0, 1)]
    said = cautions(result(*arms, match={"by": by, "spread": {"decoder": spread}}))
    assert bool(said) == (says is not None)
    assert says is None or says in said[0]


def test_trials_too_short_to_choose_by():
    trials = [{"factor": f} for f in (0.5, 1.0, 2.0)]
    tuning = [{"tokenizer": "char", "model": "decoder", "factor": 1.0, "trials": trials}]
    few = [arm(f"char-decoder-s{s}", steps=199) for s in (0, 1)]
    (only,) = cautions(result(*few, tuning=tuning))
    assert "trials of under 50 steps" in only


def test_a_single_tokenizer_has_no_order_to_doubt():
    assert cautions(result(arm(), verdict=[])) == []


def test_one_seed():
    (only,) = cautions(result(arm()))
    assert only.startswith("one seed")


def test_a_small_text():
    small = result(*TWO_SEEDS, claim="test", corpus={"test_bytes": 20_000})
    (only,) = cautions(small)
    assert only.startswith("the test text has 20,000 bytes, 9 blocks of 2048: intervals over")


def test_digits_that_the_text_does_not_bear():
    verdict = [{"delta_bits_per_byte": 0.1, "ci95_text": [0.08, 0.12]}]
    (only,) = cautions(result(*TWO_SEEDS, verdict=verdict))
    assert "too small for three decimals" in only
    assert "± 0.020 bits per byte" in only


def test_a_learning_rate_at_the_edge():
    def tuned(factor):
        trials = [{"factor": f} for f in (0.5, 1.0, 2.0)]
        return [{"tokenizer": "char", "model": "decoder", "factor": factor, "trials": trials}]

    assert cautions(result(*TWO_SEEDS, tuning=tuned(1.0))) == []
    (only,) = cautions(result(*TWO_SEEDS, tuning=tuned(2.0)))
    assert "at the edge of those tried, 2 times" in only
