import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptkit.errors import RunError
from gptkit.results.byte_losses import (
    STRETCH_BYTES,
    block_bits,
    cut_blocks,
    find_stretches,
    read_losses,
    shared_borders,
    to_byte_losses,
)
from gptkit.results.schema import Stretches


def losses(nats, lengths, text=None):
    ends = np.cumsum(lengths)
    return to_byte_losses(np.array(nats, float), ends, text or b"x" * int(ends[-1]))


def test_a_token_is_spread_evenly_over_its_bytes():
    laid = losses([3.0, 1.0, 4.0], [3, 1, 2])
    assert laid.nats.tolist() == [1, 1, 1, 1, 2, 2]
    assert laid.nats.dtype == np.float32
    assert laid.borders.tolist() == [3, 4, 6]


def test_a_token_without_bytes_is_paid_for_by_its_neighbour():
    laid = losses([0.5, 3.0, 0.25, 1.0], [0, 2, 0, 1])
    assert laid.nats.tolist() == [1.875, 1.875, 1.0]
    assert laid.borders.tolist() == [2, 3]


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 9)), min_size=1, max_size=80))
def test_nothing_is_lost(tokens):
    nats, lengths = zip(*tokens, strict=True)
    laid = losses(nats, lengths)
    # float32 keeps 24 bits of each byte's share
    assert laid.nats.sum(dtype=float) == pytest.approx(sum(nats), rel=2**-23, abs=1e-30)
    assert len(laid.nats) == sum(lengths)


def test_borders_are_shared_only_where_both_have_one():
    a, b = losses([1] * 4, [2, 2, 2, 2]), losses([1] * 3, [1, 5, 2])
    assert shared_borders(a, b).tolist() == [0, 6, 8]


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=60),
    st.lists(st.integers(1, 9), min_size=2, max_size=60),
    st.integers(1, 40),
)
def test_a_block_holds_what_whole_tokens_of_both_cost(a_lengths, b_lengths, block_bytes):
    n = min(sum(a_lengths), sum(b_lengths))
    sides = []
    for lengths in (a_lengths, b_lengths):
        ends = np.unique(np.cumsum(lengths).clip(max=n))
        nats = np.arange(1.0, len(ends) + 1)  # each token another
        sides.append((nats, ends, to_byte_losses(nats, ends, b"x" * n)))
    blocks = cut_blocks(shared_borders(sides[0][2], sides[1][2]), block_bytes)
    assert blocks[-1] == n
    for nats, ends, laid in sides:
        assert set(blocks) <= set(ends)  # no token is cut
        exact = [nats[(ends > a) & (ends <= b)].sum() for a, b in pairwise([0, *blocks])]
        assert block_bits(laid, blocks) * math.log(2) == pytest.approx(exact, rel=1e-6)


def test_stretches_are_where_the_difference_is_and_do_not_overlap():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 6, 600)
    text = bytes(rng.integers(97, 123, lengths.sum(), dtype=np.uint8))
    n = len(text)
    a, b = np.full(n, 1.0), np.full(n, 1.2)
    b[500:560] += 3  # here a saves most,
    b[900:960] += 2
    a[300:360] += 3  # and here it loses
    fine = np.arange(1, n + 1)
    coarse = np.cumsum(lengths)
    b_tokens = np.diff(b.cumsum()[coarse - 1], prepend=0.0)
    found = find_stretches(
        to_byte_losses(a, fine, text), to_byte_losses(b_tokens, coarse, text), n=2
    )
    first, second = found.most
    assert abs(first.start - 500) < 10
    assert abs(second.start - 900) < 10
    assert first.bits_per_byte == pytest.approx(3.2 / math.log(2), rel=0.1)
    worst, _ = found.least
    assert abs(worst.start - 300) < 10
    assert worst.bits_per_byte < 0
    for stretch in (*found.most, *found.least):
        assert {stretch.start, stretch.end} <= {0, *coarse.tolist()}
        assert 60 <= stretch.end - stretch.start < 66
        assert stretch.text.encode() == text[stretch.start : stretch.end]
    assert first.end <= second.start or second.end <= first.start


def test_a_text_shorter_than_a_stretch_has_none():
    a = losses([1.0] * 5, [2] * 5)
    assert find_stretches(a, a) == Stretches(most=[], least=[])


def test_small_differences_add_up_over_a_long_text():
    n = 200_000
    a, b = losses([1.0] * n, [1] * n), losses([1.1] * n, [1] * n)
    per_byte = float(np.float32(1.1) - np.float32(1.0)) / math.log(2)
    found = find_stretches(a, b)
    assert len(found.most) == len(found.least) == 3
    for stretch in (*found.most, *found.least):  # sums of n · 0.1 in float32 would be 1e-4 off
        assert stretch.bits_per_byte == pytest.approx(per_byte, rel=1e-9)


@pytest.mark.parametrize("approximate", [True, False])
def test_losses_come_back_from_disk(tmp_path, approximate):
    laid = replace(losses([3.0, 1.0], [3, 1], b"to b"), approximate=approximate)
    (tmp_path / "nats.npz").write_bytes(laid.to_npz())
    read = read_losses(tmp_path, 4)
    assert read.approximate is approximate
    for name in ("text", "nats", "borders"):
        assert np.array_equal(getattr(read, name), getattr(laid, name))


def test_nothing_in_a_file_of_losses_is_unpickled(tmp_path):
    marks = np.array([{"not": "numbers"}], dtype=object)
    np.savez(tmp_path / "nats.npz", text=marks, nats=marks, borders=marks, approximate=False)
    with pytest.raises(RunError, match=r"nats\.npz does not hold a run's losses by byte: .*pickle"):
        read_losses(tmp_path, 4)


def test_nats_of_no_token_are_spread_over_all_bytes_and_said_to_be():
    exact = to_byte_losses(np.array([1.0, 2.0]), np.array([1, 4]), b"to b")
    more = to_byte_losses(np.array([1.0, 2.0]), np.array([1, 4]), b"to b", also=0.5)
    assert not exact.approximate
    assert more.approximate
    assert (more.nats - exact.nats).tolist() == pytest.approx([0.125] * 4, rel=1e-6)


def test_the_bits_of_a_long_block_are_not_rounded():
    laid = losses([0.1] * 1_000_000, [1] * 1_000_000)
    (bits,) = block_bits(laid, np.array([1_000_000]))
    assert bits == pytest.approx(1_000_000 * float(np.float32(0.1)) / math.log(2), rel=1e-12)


def test_blocks_end_where_both_have_a_border():
    borders = np.arange(0, 101, 10)
    assert cut_blocks(borders, 25).tolist() == [30, 50, 80, 100]


@given(st.lists(st.floats(0, 9, width=32), min_size=130, max_size=400), st.integers(1, 4))
def test_stretches_are_the_best_that_do_not_overlap(saved, n):
    length = len(saved)
    a, b = losses([1.0] * length, [1] * length), losses(1.0 + np.array(saved), [1] * length)
    gain = np.concatenate([[0], np.cumsum(b.nats - a.nats, dtype=float)]) / math.log(2)
    per_byte = (gain[STRETCH_BYTES:] - gain[:-STRETCH_BYTES]) / STRETCH_BYTES
    found = find_stretches(a, b, n=n)
    for stretches, sign in ((found.most, -1), (found.least, 1)):
        free = dict(enumerate(per_byte))
        for stretch in stretches:
            best = sign * min(sign * value for value in free.values())
            assert stretch.bits_per_byte == pytest.approx(best, rel=1e-9, abs=1e-12)
            near = range(stretch.start - STRETCH_BYTES + 1, stretch.end)
            free = {at: value for at, value in free.items() if at not in near}
        assert len(stretches) == n or not free


def test_a_stretch_may_begin_inside_a_character():
    text = "é".encode() * 80
    found = find_stretches(
        losses([1.0] * 160, [1] * 160, text), losses([2.0] * 160, [1] * 160, text)
    )
    for stretch in (*found.most, *found.least):
        assert set(stretch.text) <= {"é", "\ufffd"}


def test_stretches_may_touch():
    saved = np.zeros(300)
    saved[60:120], saved[120:180], saved[180:240] = 2.0, 3.0, 2.5
    found = find_stretches(losses(np.ones(300), [1] * 300), losses(1 + saved, [1] * 300))
    assert [(one.start, one.end) for one in found.most] == [(120, 180), (180, 240), (60, 120)]
