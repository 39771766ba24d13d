from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.data.batches import make_batch, window_starts

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, size=5000)  # bytes per token
ENDS = LENGTHS.cumsum()


def spelled(ends, starts, block_size):
    return int((ends[starts + block_size] - ends[starts]).sum())


@pytest.mark.parametrize(("block_size", "bytes_per_step"), [(16, 1024), (7, 333), (64, 4096)])
def test_the_bytes_read_stay_within_half_a_window_of_the_goal(block_size, bytes_per_step):
    steps = window_starts(
        ENDS, block_size=block_size, bytes_per_step=bytes_per_step, batch_size=1, seed=1
    )
    read, longest = 0, 8 * block_size
    for step, starts in enumerate(islice(steps, 300), start=1):
        read += spelled(ENDS, starts, block_size)
        assert abs(read - step * bytes_per_step) <= longest / 2


def test_one_byte_per_token_gives_equal_steps():
    ends = np.arange(1, 10_001)
    steps = window_starts(ends, block_size=32, bytes_per_step=256, batch_size=1, seed=0)
    assert {len(starts) for starts in islice(steps, 200)} == {8}


def test_tokenizers_read_the_same_places_in_the_same_order():
    bytewise = np.arange(1, ENDS[-1] + 1)
    coarse, fine = (
        np.concatenate(
            list(
                islice(
                    window_starts(e, block_size=b, bytes_per_step=1000, batch_size=1, seed=3), 50
                )
            )
        )[:200]
        for e, b in ((ENDS, 20), (bytewise, 90))
    )
    inside = coarse < len(ENDS) - 60  # windows near the end are moved back, by their own length
    begins = ENDS[coarse] - LENGTHS[coarse]
    assert inside.sum() > 150
    assert ((begins <= fine) & (fine < ENDS[coarse]))[inside].all()


def test_without_a_goal_in_bytes_every_step_has_the_batch_size():
    steps = window_starts(ENDS, block_size=16, bytes_per_step=None, batch_size=5, seed=1)
    assert {len(starts) for starts in islice(steps, 2000)} == {5}


def test_windows_stay_inside_and_reach_both_ends():
    ends = np.arange(1, 41)
    starts = np.concatenate(
        list(
            islice(window_starts(ends, block_size=8, bytes_per_step=64, batch_size=1, seed=0), 200)
        )
    )
    assert starts.min() == 0
    assert starts.max() == 40 - 8 - 1


def test_a_seed_gives_the_same_windows_again_and_another_gives_others():
    def first(seed):
        steps = window_starts(ENDS, block_size=8, bytes_per_step=512, batch_size=1, seed=seed)
        return next(steps).tolist()

    assert first(1) == first(1) != first(2)


def test_a_window_larger_than_a_step_still_makes_progress():
    steps = window_starts(ENDS, block_size=64, bytes_per_step=16, batch_size=1, seed=0)
    assert all(len(starts) >= 1 for starts in islice(steps, 20))


def test_targets_are_the_inputs_one_later():
    ids = np.arange(100, dtype=np.uint8)
    x, y = make_batch(ids, np.array([3, 50]), block_size=4, device=torch.device("cpu"))
    assert x.tolist() == [[3, 4, 5, 6], [50, 51, 52, 53]]
    assert torch.equal(y, x + 1)
    assert x.dtype == torch.int64


@st.composite
def texts(draw):
    """Draw where the tokens of a text end, under two tokenizers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ends = []
    for longest in draw(st.tuples(st.integers(1, 12), st.integers(1, 12))):
        lengths = rng.integers(1, longest, size=1500, endpoint=True).cumsum()
        ends.append(np.append(lengths[lengths < 1500], 1500))
    return ends


@settings(max_examples=50, deadline=None)
@given(
    texts=texts(),
    context_bytes=st.integers(1, 120),
    slack=st.floats(1.0, 4.0),
    seed=st.integers(0, 2**32),
)
def test_starts_are_in_range_and_tokenizers_stay_level(texts, context_bytes, slack, seed):
    blocks = [max(1, round(context_bytes * len(ends) / ends[-1])) for ends in texts]
    spelled_by = [ends[block:] - ends[:-block] for ends, block in zip(texts, blocks, strict=True)]
    longest = [int(windows.max()) for windows in spelled_by]
    # As long as no window is longer than a step, a step never has to take one too many.
    bytes_per_step = slack * max(longest)
    read = []
    for ends, block in zip(texts, blocks, strict=True):
        steps = window_starts(
            ends, block_size=block, bytes_per_step=bytes_per_step, batch_size=1, seed=seed
        )
        taken = list(islice(steps, 40))
        every = np.concatenate(taken)
        assert every.min() >= 0
        assert every.max() + block < len(ends)  # the last target is a token of the text
        read.append(np.cumsum([spelled(ends, starts, block) for starts in taken]))
    goals = bytes_per_step * np.arange(1, 41)
    rounding = 1e-6  # of sums of floats of some 10,000 bytes
    for bytes_read, window in zip(read, longest, strict=True):
        assert (abs(bytes_read - goals) <= window / 2 + rounding).all()
    assert (abs(read[0] - read[1]) <= sum(longest) / 2 + rounding).all()
