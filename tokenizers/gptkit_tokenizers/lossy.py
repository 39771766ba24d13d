"""Measure how many bytes a tokenizer loses, and the cost of restoring them in nats.

A tokenizer that lower-cases, normalises or hides characters behind an unknown token has less text
to model. Compared on those bytes alone, it would win because of what it lost. So we add the cost of
a description of the lost bytes: which of the spelled bytes are wrong, where bytes are missing, and
what the missing bytes are. The loss is then the length of a code for the whole text, as it is for
every other tokenizer, and losing bytes is no advantage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ALIGNED_BYTES = 1024  # bytes of the text in a block


@dataclass(frozen=True, kw_only=True)
class LossReport:
    """The bytes that a tokenizer kept and lost of a text of `n_bytes`.

    Attributes:
        spelled: number of bytes that the tokens spell.
        kept: number of spelled bytes that are in the text, in the same order.
    """

    n_bytes: int
    spelled: int
    kept: int

    @property
    def lost(self) -> int:
        """The number of bytes of the text that no token spells."""
        return self.n_bytes - self.kept

    @property
    def nats(self) -> float:
        """An upper bound on the nats that describe the text, given the spelled bytes.

        The description has the number of lost and of added bytes, their positions (all choices
        equally likely), and each lost byte as one of 256. It is 0 if nothing is lost.

        >>> LossReport(n_bytes=4, spelled=4, kept=4).nats
        0.0
        >>> LossReport(n_bytes=4, spelled=2, kept=2).nats == math.log(5 * 3 * 6 * 256**2)
        True
        """
        if self.kept == self.n_bytes == self.spelled:
            return 0.0
        return (
            math.log(self.n_bytes + 1)
            + math.log(self.spelled + 1)
            + _log_choices(self.n_bytes, self.kept)
            + _log_choices(self.spelled, self.kept)
            + self.lost * math.log(256)
        )


def _log_choices(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def measure_loss(text: bytes, spelled: bytes) -> LossReport:
    """Align the spelled bytes with the text, and count the kept ones.

    Two blocks of the text are matched with the next spelled bytes by their longest common
    subsequence, in small letters, because a capital that became small is still in its place. Only
    the first block is then done with: the second shows where it ends (Hirschberg, "A linear space
    algorithm for computing maximal common subsequences", 1975). The alignment need not be the best
    one, so the cost can be too high but never too low. Bit-parallel, by Hyyrö, "Bit-parallel
    LCS-length computation revisited", 2004.

    >>> measure_loss(b"The King", b"the ing")
    LossReport(n_bytes=8, spelled=7, kept=6)
    """
    i = j = kept = 0
    small_text, small_spelled = text.lower(), spelled.lower()
    while i < len(text) and j < len(spelled):
        block = text[i : i + ALIGNED_BYTES]
        if spelled.startswith(block, j):
            taken = common = len(block)
        else:
            taken = _match(
                small_text[i : i + len(block)],
                small_text[i + len(block) : i + 2 * ALIGNED_BYTES],
                small_spelled[j : j + 4 * ALIGNED_BYTES],
            )
            common = int(_common_with_starts(block, spelled[j : j + taken])[-1])
        i, j, kept = i + len(block), j + taken, kept + common
    return LossReport(n_bytes=len(text), spelled=len(spelled), kept=kept)


def _match(block: bytes, following: bytes, ahead: bytes) -> int:
    """Return how many bytes of `ahead` belong to the block rather than to what follows it."""
    import numpy as np

    both = _common_with_starts(block + following, ahead)
    # A common byte gains as much as a skipped byte costs.
    ahead = ahead[: int((2 * both - np.arange(len(both))).argmax())]
    here = _common_with_starts(block, ahead)
    there = _common_with_starts(following[::-1], ahead[::-1])[::-1]
    return int((here + there).argmax())


def _common_with_starts(block: bytes, ahead: bytes) -> np.ndarray:
    """Return the length of the longest common subsequence with each ahead[:k] (len(ahead) + 1,)."""
    import numpy as np

    where: dict[int, int] = {}
    for k, byte in enumerate(ahead):
        where[byte] = where.get(byte, 0) | 1 << k
    full = (1 << len(ahead)) - 1
    same = full  # bit k is 0 where ahead[: k + 1] has one more in common than ahead[:k]
    for byte in block:
        hits = same & where.get(byte, 0)
        same = ((same + hits) | (same - hits)) & full
    packed = np.frombuffer((same ^ full).to_bytes(len(ahead) // 8 + 1, "little"), np.uint8)
    gains = np.unpackbits(packed, bitorder="little")[: len(ahead)]
    return np.concatenate([[0], np.cumsum(gains, dtype=np.int64)])
