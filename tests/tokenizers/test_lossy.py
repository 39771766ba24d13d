"""What a lossy tokenizer is charged for: never less than what is gone."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptkit_tokenizers import LossReport, measure_loss
from gptkit_tokenizers import lossy as module

SHORT = st.binary(max_size=12) | st.text(alphabet="ab ", max_size=12).map(str.encode)


def longest_common(a: bytes, b: bytes) -> int:
    """By the textbook's table (Wagner and Fischer, 1974)."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(row[j], before[j + 1]))
    return row[-1]


@given(a=SHORT, b=SHORT)
@example(a=b"aaab", b=b"b")
def test_kept_bytes_are_common_to_both(a, b):
    found = measure_loss(a, b)
    assert 0 <= found.kept <= longest_common(a, b)
    assert (found.n_bytes, found.spelled) == (len(a), len(b))
    assert found.lost == len(a) - found.kept


@settings(max_examples=50)
@given(text=st.text(alphabet="the king of", min_size=20, max_size=400), window=st.integers(4, 64))
def test_however_it_is_cut_nothing_is_kept_twice(text, window):
    data, lower = text.encode(), text.replace("k", "").encode()
    before = module.ALIGNED_BYTES
    module.ALIGNED_BYTES = window
    try:
        assert measure_loss(data, lower).kept <= longest_common(data, lower)
        assert measure_loss(data, data) == LossReport(
            n_bytes=len(data), spelled=len(data), kept=len(data)
        )
    finally:
        module.ALIGNED_BYTES = before


def test_every_capital_is_found_in_a_long_text():
    text = b"Now is the Winter of our Discontent made Glorious; " * 2000
    capitals = sum(65 <= b <= 90 for b in text)
    windows = -(-len(text) // module.ALIGNED_BYTES)  # at the end of each, one byte may go unmatched
    assert capitals <= measure_loss(text, text.lower()).lost <= capitals + windows


def test_dropped_letters_are_found_in_a_long_text():
    text = bytes(range(97, 123)) * 3000
    found = measure_loss(text, text.replace(b"e", b""))
    assert found.lost == 3000


def test_nothing_lost_costs_nothing_and_everything_costs_a_byte_each():
    assert LossReport(n_bytes=9, spelled=9, kept=9).nats == 0
    everything = LossReport(n_bytes=1000, spelled=0, kept=0)
    assert everything.nats >= 1000 * math.log(256)


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_what_is_lost_costs_at_least_eight_bits_a_byte(n, spelled, kept):
    kept = min(kept, n, spelled)
    found = LossReport(n_bytes=n, spelled=spelled, kept=kept)
    assert found.nats >= found.lost * math.log(256)


def test_the_alignment_keeps_its_place_after_a_page_of_capitals():
    prose = "The kernel reads the table of the device and goes on.\n" * 200
    page = "".join(f"\tMSI{i}:           NOT OKAY\n" for i in range(400))
    text = (prose + page + prose).encode()
    letters = text.translate(None, b" \n\t")  # as BERT's, which drops blanks and capitals
    spelled = letters.lower()
    same = sum(a == b for a, b in zip(letters, spelled, strict=True))
    assert same >= measure_loss(text, spelled).kept >= 0.99 * same
