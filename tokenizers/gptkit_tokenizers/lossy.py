"""How far what a tokenizer spells is from the text, and what that costs in nats.

A tokenizer that lower-cases, normalises or hides characters behind an unknown token has less to
model. Compared on those bytes alone it would win for what it lost. It is therefore charged for a
description of the rest: which bytes it spelled are not the text's, where the text has others, and
what those are. With that added its loss is the length of a code from which the whole text could be
read, as everybody else's is, and no loss of bytes can pay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ALIGNED_BYTES = 2048  # bytes of the text that are aligned at a time


@dataclass(frozen=True, kw_only=True)
class LossReport:
    """What a tokenizer did to a text of `n_bytes`.

    Attributes:
        spelled: bytes that its tokens spell.
        kept: of them, those that are the text's, in order.
    """

    n_bytes: int
    spelled: int
    kept: int

    @property
    def lost(self) -> int:
        """Bytes of the text that no token spells."""
        return self.n_bytes - self.kept

    @property
    def nats(self) -> float:
        """What tells the text from the bytes spelled, at most.

        How many bytes are lost and how many added; which, among the text's and among those
        spelled, every choice alike; and each lost byte as one of 256. 0 where nothing is lost.

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
    """Align the bytes spelled with the text's, in order.

    `ALIGNED_BYTES` of the text at a time are matched with what lies ahead in the bytes spelled, by
    their longest common subsequence: an alignment as a whole, if not always the best one, so
    that the cost is never too low. Bit-parallel, by Hyyrö, "Bit-parallel LCS-length computation
    revisited", 2004.

    >>> measure_loss(b"The King", b"the ing")
    LossReport(n_bytes=8, spelled=7, kept=6)
    """
    i = j = kept = 0
    while i < len(text) and j < len(spelled):
        block = text[i : i + ALIGNED_BYTES]
        if spelled.startswith(block, j):
            taken = common = len(block)
        else:
            taken, common = _match(block, spelled[j : j + 2 * ALIGNED_BYTES])
        i, j, kept = i + len(block), j + taken, kept + common
    return LossReport(n_bytes=len(text), spelled=len(spelled), kept=kept)


def _match(block: bytes, ahead: bytes) -> tuple[int, int]:
    """How many bytes of `ahead` go with the block, and how many of them both have."""
    where: dict[int, int] = {}
    for k, byte in enumerate(ahead):
        where[byte] = where.get(byte, 0) | 1 << k
    full = (1 << len(ahead)) - 1
    same = full  # bit k is 0 where ahead[: k + 1] has one more in common than ahead[:k]
    for byte in block:
        hits = same & where.get(byte, 0)
        same = ((same + hits) | (same - hits)) & full
    taken, common, best, found = 0, 0, 0, 0
    for k in range(len(ahead)):
        found += not same >> k & 1
        if 2 * found - (k + 1) > best:  # a byte in common is worth what a byte passed over costs
            best, taken, common = 2 * found - (k + 1), k + 1, found
    return taken, common
