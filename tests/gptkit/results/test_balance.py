"""Which quantities came out equal across arms."""

from factories import make_arm
from msgspec.structs import replace

from gptkit.results.balance import EQUAL_RATIO, QUANTITIES, compare_quantities, is_equal


def test_seconds_are_equal_where_they_were_matched():
    arm = make_arm()
    assert "seconds" in compare_quantities("time", [], [arm, arm]).equal
    slow = replace(arm, train=replace(arm.train, seconds=1.02 * arm.train.seconds))
    assert "seconds" in compare_quantities("time", [], [arm, slow]).unequal


def test_equal_is_within_one_percent_in_every_model():
    a, b = make_arm(block_size=160), make_arm(block_size=160, context_bytes=161.5)
    match = compare_quantities("bytes", ["a note"], [a, b])
    assert (match.by, match.notes) == ("bytes", ["a note"])
    assert "context_bytes" in match.equal
    assert match.max_over_min["decoder"]["context_bytes"] == 161.5 / 160
    assert "seconds" in match.unequal  # by chance, not by matching
    assert "block_size" in match.equal
    others = [make_arm(model="bigram", block_size=size) for size in (160, 162)]
    match = compare_quantities("bytes", [], [a, b, *others])
    assert "block_size" in match.unequal
    assert match.max_over_min["decoder"]["block_size"] == 1.0
    assert match.max_over_min["bigram"]["block_size"] == 162 / 160
    free = replace(b, train=replace(b.train, flops=0.0))
    match = compare_quantities("bytes", [], [a, free])
    assert match.max_over_min["decoder"]["train_flops"] is None
    assert "train_flops" in match.unequal


def test_a_quantity_is_equal_or_unequal():
    match = compare_quantities("bytes", [], [make_arm(), make_arm("gpt2", block_size=40)])
    assert sorted(match.equal + match.unequal) == sorted(QUANTITIES)
    assert match.max_over_min["decoder"].keys() == QUANTITIES.keys()


def test_two_zeros_are_equal():
    free = make_arm(model="bigram")
    free = replace(free, train=replace(free.train, flops=0.0))
    match = compare_quantities("bytes", [], [free, free])
    assert "train_flops" in match.equal
    assert match.max_over_min["bigram"]["train_flops"] == 1.0


def test_one_percent_is_still_equal():
    assert is_equal(EQUAL_RATIO)
    assert not is_equal(EQUAL_RATIO + 1e-6)
    assert not is_equal(None)
