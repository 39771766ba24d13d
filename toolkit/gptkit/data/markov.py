"""Write text from a source of known entropy: a random Markov chain over characters.

No model can spend fewer bits per character than the chain's entropy rate. So such a corpus has a
known answer: if an arm is below it by more than sampling error, its accounting is wrong.
"""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass

import numpy as np

from gptkit.errors import CorpusError

ALPHABET = "abcdefghijklmnopqrstuvwxyz \n"  # one UTF-8 byte each: bits per character and per byte
TEXT_CHARS = 1_000_000
CONCENTRATION = 0.3  # Dirichlet prior; at 0.3, each character has a few likely successors


@dataclass(frozen=True)
class MarkovSource:
    """The probabilities of the next character after each context: (K,) · order + (K,)."""

    probabilities: np.ndarray

    @classmethod
    def random(cls, *, order: int, seed: int) -> MarkovSource:
        """Draw a chain from a seed; it looks back `order` characters."""
        k = len(ALPHABET)
        rng = np.random.default_rng([seed, order])
        return cls(rng.dirichlet([CONCENTRATION] * k, size=(k,) * order))

    def stationary(self) -> np.ndarray:
        """Return the long-run share of each context, (K,) · order, by power iteration."""
        share = np.full(self.probabilities.shape[:-1], 1.0)
        share /= share.size
        while True:
            after = (share[..., None] * self.probabilities).sum(axis=0)
            if np.abs(after - share).sum() < 1e-14:
                return after
            share = after

    def entropy_rate(self) -> float:
        """Return the entropy of the next character in bits, averaged over the contexts' shares.

        Cover and Thomas, "Elements of Information Theory", theorem 4.2.4.
        """
        p = self.probabilities
        entropy = -np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0).sum(axis=-1)
        return float((self.stationary() * entropy).sum())

    def write(self, n: int, *, seed: int) -> str:
        """Write n characters; the first context is drawn by its long-run share."""
        k = len(ALPHABET)
        rng = np.random.default_rng([seed, 1])
        cumulative = self.probabilities.cumsum(axis=-1).reshape(-1, k)
        cumulative[:, -1] = 1.0
        rows = cumulative.tolist()
        contexts = len(rows)
        context = int(rng.choice(contexts, p=self.stationary().ravel()))
        text = []
        for u in rng.random(n).tolist():
            following = bisect(rows[context], u)
            text.append(ALPHABET[following])
            context = (context * k + following) % contexts
        return "".join(text)


def markov_text(spec: str) -> tuple[str, float]:
    """Return the text of `markov:ORDER` or `markov:ORDER:SEED`, and its entropy in bits per byte.

    Raises:
        CorpusError: a spec that is not one; an order outside 1 to 3.
    """
    found = re.fullmatch(r"markov:(\d+)(?::(\d+))?", spec)
    order, seed = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if not 1 <= order <= 3:
        raise CorpusError(
            f"{spec!r} is not a Markov source.\n"
            "Give markov:ORDER or markov:ORDER:SEED, with an order from 1 to 3, as in markov:2."
        )
    source = MarkovSource.random(order=order, seed=seed)
    return source.write(TEXT_CHARS, seed=seed), source.entropy_rate()
