import pytest
from factories import make_arm, make_loss, make_results, make_verdict
from msgspec.structs import replace

from gptkit.events.losses import Baseline
from gptkit.results.schema import LastEvaluation, Trial, Tuning
from gptkit.results.warnings import check_result

BASELINES = [
    Baseline(name="uniform", tokenizer="char", bits_per_byte=6.0),
    Baseline(name="bigram", tokenizer="char", bits_per_byte=3.6),
    Baseline(name="zlib", primer_bytes=32_768, bits_per_byte=3.1),
]


def arm(seed=0, *, model="decoder", bits=2.5, last=None, epochs=0.6, body=590_000, **changes):
    made = make_arm(model=model, bits=bits, seed=seed, **{"best_step": 30} | changes)
    return replace(
        made,
        last=LastEvaluation(step=40, bits_per_byte=bits if last is None else last),
        train=replace(made.train, epochs=epochs),
        params=replace(made.params, body=body),
    )


def results(*arms, **changes):
    return make_results(
        *arms, **{"baselines": BASELINES, "verdict": [make_verdict(delta=0.1)]} | changes
    )


def with_match(found, by, **max_over_min):
    return replace(found, match=replace(found.match, by=by, max_over_min={"decoder": max_over_min}))


def tuned(factor):
    trials = [
        Trial(factor=f, bits_per_byte=2.5, part=1.0, learning_rate=0.01 * f)
        for f in (0.5, 1.0, 2.0)
    ]
    return [Tuning(tokenizer="char", model="decoder", trials=trials, factor=factor)]


TWO_SEEDS = arm(0), arm(1)


def test_a_sound_result_has_no_warning():
    assert check_result(results(*TWO_SEEDS)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"last": 2.53},
            "char-decoder-s1: overfitted: 2.530 bits per byte at the end, 2.500 at its best, "
            "step 30",
        ),
        (
            {"bits": 6.01},
            "char-decoder-s1: worse than guessing: 6.010 bits per byte; "
            "uniform guessing gives 6.000",
        ),
        ({"epochs": 4.1}, "char-decoder-s1: read the training text 4.1 times"),
    ],
)
def test_a_warning_says_what_an_arm_did(changes, message):
    messages = check_result(results(arm(), arm(1, **changes)))
    assert messages[0].startswith(message)
    assert len(messages) == 1 + ("guessing" in message)  # which is worse than counting, too


def test_within_one_percent_of_the_best_is_no_overfitting():
    assert check_result(results(arm(), arm(1, last=2.52))) == []


def test_several_arms_share_a_sentence():
    (only,) = check_result(results(*(arm(s, epochs=9.0) for s in range(3))))
    assert only.startswith("char-decoder-s0 (and 2 more arms): read the training text 9.0 times")


def test_two_arms_share_a_sentence_in_the_singular():
    (only,) = check_result(results(*(arm(s, epochs=9.0) for s in (0, 1))))
    assert only.startswith("char-decoder-s0 (and 1 more arm): read")


def test_a_decoder_that_loses_to_counting_is_named():
    (only,) = check_result(results(arm(), arm(1, bits=3.61)))
    assert only.startswith("char-decoder-s1: worse than bigram counts")
    assert "3.610 bits per byte; counting pairs of ids gives 3.600" in only
    bigram = [arm(s, model="bigram", bits=3.61, body=0) for s in (0, 1)]
    assert check_result(results(*bigram)) == []  # a bigram can do no better


@pytest.mark.parametrize(
    ("by", "ratios", "body", "message"),
    [
        ("time", {"seconds": 1.03}, 590_000, "under decoder seconds differ by more than 1 %"),
        ("flops", {"train_flops": 1.02}, 590_000, "under decoder train_flops differ"),
        ("params", {"total_params": None}, 590_000, "under decoder total_params differ"),
        ("params", {"total_params": 900.0}, 0, None),
        ("tokens", {"train_tokens": 1.009}, 590_000, None),
    ],
)
def test_what_was_matched_and_did_not_come_out_equal_is_named(by, ratios, body, message):
    arms = [arm(s, body=body) for s in (0, 1)]
    messages = check_result(with_match(results(*arms), by, **ratios))
    assert bool(messages) == (message is not None)
    assert message is None or message in messages[0]


def test_trials_too_short_to_choose_by_are_named():
    few = [arm(s, steps=199) for s in (0, 1)]
    (only,) = check_result(results(*few, tuning=tuned(1.0)))
    assert "trials of under 50 steps" in only


def test_a_single_tokenizer_has_no_order_to_doubt():
    assert check_result(results(arm(), verdict=[])) == []


def test_one_seed_is_named():
    (only,) = check_result(results(arm()))
    assert only.startswith("there is one seed")


def test_a_small_text_is_named():
    arms = [arm(s, test=make_loss(2.5, bytes=20_000)) for s in (0, 1)]
    (only,) = check_result(results(*arms, reported_split="test"))
    assert only.startswith("the test text has 20,000 bytes. Intervals need at least 20 blocks")


def test_digits_that_the_text_does_not_bear_are_named():
    verdict = [make_verdict(delta=0.1, ci95_text=(0.08, 0.12))]
    (only,) = check_result(results(*TWO_SEEDS, verdict=verdict))
    assert "too small for three decimals" in only
    assert "below 0.020 bits per byte" in only


def test_a_learning_rate_at_the_edge_is_named():
    assert check_result(results(*TWO_SEEDS, tuning=tuned(1.0))) == []
    (only,) = check_result(results(*TWO_SEEDS, tuning=tuned(2.0)))
    assert "2 times the recipe's, is at the edge" in only


def test_a_tokenizer_that_loses_bytes_is_named():
    lossy = arm(1, val=make_loss(2.5, lost_bytes=1_115))
    (only,) = check_result(results(arm(), lossy))
    assert only.startswith("char-decoder-s1: its tokenizer loses 1,115 of 111,540 bytes")


def test_a_text_from_the_last_files_alone_is_named():
    found = results(arm())
    corpus = replace(found.corpus, held_out_files=("zh.txt", 4, 4))
    (message,) = set(check_result(replace(found, corpus=corpus))) - set(check_result(found))
    assert "from the end of 4 files" in message
    assert "from zh.txt, file 4, on" in message
