"""Measures against what a small text gives by hand."""

import math

import numpy as np
import pytest

from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.measures import measure, renyi_efficiency, words_whole


def of(spec, text):
    tokenizer = get_tokenizer(spec, text=text)
    return measure(tokenizer, text, tokenizer.encode_array(text))


def test_by_hand():
    found = of("byte", "aab b")
    assert found.vocab_used == 3
    assert found.tokens == 5
    assert found.tokens_per_word == 2.5
    assert found.single_byte_share == 1
    entropy = -(0.4 * math.log2(0.4) * 2 + 0.2 * math.log2(0.2))
    assert found.entropy_bits_per_byte == pytest.approx(entropy, rel=1e-12)
    assert [t.text for t in found.frequent] == ["a", "b", " "]
    assert [t.count for t in found.frequent] == [2, 2, 1]
    assert found.encode_mb_per_s > 0 < found.decode_mb_per_s


def test_gpt2_keeps_common_words_whole_and_cuts_rare_ones():
    found = of("gpt2", "the king and the queen of Bombazine")
    cut = len(get_tokenizer("gpt2").encode(" Bombazine")) > 1
    assert cut
    assert found.words_whole == 6 / 7
    assert found.longest[0].text == " queen"


@pytest.mark.parametrize(
    ("text", "ends", "share"),
    [
        ("naïve 🦆 é", [6, 11, 14], 1.0),  # bytes: naïve 0 to 6, é 12 to 14
        ("naïve 🦆 é", [3, 6, 11, 14], 0.5),
        ("...", [3], 1.0),
        ("ab", [1, 2], 0.0),
    ],
)
def test_borders_are_bytes(text, ends, share):
    assert words_whole(text, np.array(ends)) == share


def test_renyi_efficiency_is_the_published_formula():
    p = np.array([0.5, 0.25, 0.25])
    # H_2.5 = ln(0.5^2.5 + 2 · 0.25^2.5) / -1.5, over ln 3.
    expected = math.log(0.5**2.5 + 2 * 0.25**2.5) / -1.5 / math.log(3)
    assert renyi_efficiency(p) == pytest.approx(expected, rel=1e-12)
    assert renyi_efficiency(np.array([1.0])) == 0


def test_renyi_of_order_near_one_is_shannons():
    p = np.array([0.5, 0.3, 0.2])
    shannon = -(p * np.log(p)).sum() / math.log(3)
    assert renyi_efficiency(p, order=1 + 1e-6) == pytest.approx(shannon, rel=1e-5)
