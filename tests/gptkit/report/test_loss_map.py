"""The loss map's numbers: stretches, classes, pieces of a long text, and packed numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import make_losses

from gptkit.report.html.packed import ALPHABET, BASE, MOST, pack
from gptkit.results.byte_losses import ByteLosses
from gptkit.results.loss_map import (
    CONTEXT_BYTES,
    MOST_PIECE_BYTES,
    MappedArm,
    Piece,
    block_ends,
    choose_pieces,
    classify,
    compare_piece,
    mean_losses,
    scale_limit,
)


def unpack(text):
    """What the page's script does."""
    numbers, i = [], 0
    while i < len(text):
        n = ALPHABET.index(text[i])
        if n == BASE - 1:
            n = sum(
                ALPHABET.index(c) * BASE**k
                for c, k in zip(text[i + 1 : i + 4], (2, 1, 0), strict=True)
            )
            i += 3
        numbers.append(n)
        i += 1
    return numbers


@given(st.lists(st.integers(0, MOST)))
def test_packed_numbers_come_back(numbers):
    assert unpack(pack(numbers)) == numbers


def test_a_number_beyond_the_largest_is_the_largest():
    assert unpack(pack([MOST + 7])) == [MOST]


def test_packed_numbers_need_no_escape():
    assert not set(ALPHABET) & set('<\\"') - {'"'}
    assert '"' not in ALPHABET
    assert len(set(ALPHABET)) == BASE == 90


def mapped(tokenizer, losses):
    return MappedArm(tokenizer=tokenizer, model="decoder", losses=losses)


def two_arms(text="it is so, is it not? é ü", seed=0):
    return [
        mapped(name, make_losses(name, text, seed=seed + i))
        for i, name in enumerate(("byte", "gpt2"))
    ]


def test_a_stretch_holds_what_each_tokenizer_pays_for_it():
    a, b = two_arms()
    piece = Piece(start=0, end=len(a.losses.text))
    found = compare_piece(a, b, piece)
    difference = (b.losses.nats - a.losses.nats).cumsum(dtype=np.float64) / math.log(2)
    exact = np.diff(difference[found.ends - 1], prepend=0)
    # Each total is rounded to a tenth: a difference of four totals is off by at most 4 x 0.05.
    assert np.abs(found.saved / 10 - exact).max() <= 0.2
    total = found.saved.sum() / 10 - difference[-1]
    assert abs(total) <= 0.1


def test_stretches_end_at_borders_of_both_and_between_characters():
    a, b = two_arms("naïve ⚙️ übermäßig 𝔘𝔫𝔦")
    text = a.losses.text.tobytes()
    ends = compare_piece(a, b, Piece(start=0, end=len(text))).ends
    assert set(ends) <= set(a.losses.borders) & set(b.losses.borders)
    assert ends[-1] == len(text)
    start = 0
    for end in ends:
        text[start:end].decode()
        start = end
    shared = set(a.losses.borders) & set(b.losses.borders)
    starts = {len(text.decode()[:i].encode()) for i in range(1, len(text.decode()) + 1)}
    assert set(ends) == shared & starts


def test_losses_of_several_seeds_are_their_mean():
    one, other = (make_losses("char", "to be", seed=seed) for seed in (1, 2))
    mean = mean_losses([one, other])
    assert mean.nats == pytest.approx((one.nats + other.nats) / 2)


def test_two_in_a_hundred_stretches_are_beyond_the_scale():
    a, b = two_arms("word " * 500)
    found = compare_piece(a, b, Piece(start=0, end=len(a.losses.text)))
    limit = scale_limit([found])
    beyond = (np.abs(found.bits_per_byte) > limit).mean()
    assert 0.0 < beyond <= 0.02
    assert set(classify(found.bits_per_byte, limit)) == set(range(-4, 5))


def long_arms(n):
    """Two tokenizers that cut every third and every fifth byte."""
    rng = np.random.default_rng(5)
    text = rng.integers(97, 123, n).astype(np.uint8)
    arms = []
    for name, step in (("three", 3), ("five", 5)):
        borders = np.unique(np.append(np.arange(step, n, step), n))
        nats = rng.exponential(1.5, n).astype(np.float32)
        arms.append(mapped(name, ByteLosses(text=text, nats=nats, borders=borders)))
    return arms


def test_the_pieces_of_a_long_text_are_from_all_of_it_and_hold_its_extremes():
    n = 100_000
    arms = long_arms(n)
    arms[0].losses.nats[70_000:70_060] += 9.0
    pieces = choose_pieces(arms, n=50)
    assert all(a.end < b.start for a, b in pairwise(pieces))
    assert max(piece.end - piece.start for piece in pieces) <= MOST_PIECE_BYTES
    assert any(piece.start <= 70_000 and piece.end >= 70_060 for piece in pieces)
    for end in block_ends(n, 50):
        assert any(end - n // 50 - 200 <= piece.start < end + CONTEXT_BYTES for piece in pieces)
    for piece in pieces:
        assert piece.start % 15 == 0
        assert piece.end % 15 == 0 or piece.end == n


def test_a_text_with_hardly_a_shared_border_is_one_piece():
    text = np.frombuffer(b"a" * 50, np.uint8)
    arms = [
        mapped(name, ByteLosses(text=text, nats=np.ones(50, np.float32), borders=borders))
        for name, borders in (("a", np.array([20, 50])), ("b", np.array([30, 50])))
    ]
    assert choose_pieces(arms, n=4) == [Piece(start=0, end=50)]
