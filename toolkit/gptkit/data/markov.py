"""Text from a source whose entropy is known: a random Markov chain over characters.

No model can spend fewer bits per character than the chain's entropy rate, so a corpus of its text
has a known answer: an arm below it, beyond sampling error, has a mistake in its accounting.
"""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass

import numpy as np

from gptkit.errors import CorpusError

ALPHABET = "abcdefghijklmnopqrstuvwxyz \n"  # one UTF-8 byte each: bits per character and per byte
CHARACTERS = 1_000_000
CONCENTRATION = 0.3  # of the Dirichlet prior: each character has a few likely successors


@dataclass(frozen=True)
class MarkovSource:
    """The next character's probabilities, (K,) · order + (K,), after each context."""

    probabilities: np.ndarray

    @classmethod
    def random(cls, *, order: int, seed: int) -> MarkovSource:
        """A chain drawn from a seed; `order` is how many characters it looks back."""
        k = len(ALPHABET)
        rng = np.random.default_rng([seed, order])
        return cls(rng.dirichlet([CONCENTRATION] * k, size=(k,) * order))

    def stationary(self) -> np.ndarray:
        """The long-run share of each context, (K,) · order, by power iteration."""
        share = np.full(self.probabilities.shape[:-1], 1.0)
        share /= share.size
        while True:
            after = (share[..., None] * self.probabilities).sum(axis=0)
            if np.abs(after - share).sum() < 1e-14:
                return after
            share = after

    def entropy_rate(self) -> float:
        """Bits per character: the entropy of the next one, averaged over the contexts' shares.

        Cover and Thomas, "Elements of Information Theory", theorem 4.2.4.
        """
        p = self.probabilities
        entropy = -np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0).sum(axis=-1)
        return float((self.stationary() * entropy).sum())

    def write(self, n: int, *, seed: int) -> str:
        """A text of n characters, begun in a context drawn by its long-run share."""
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
    """The text of a spec `markov:ORDER` or `markov:ORDER:SEED`, and its source's bits per byte.

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
    return source.write(CHARACTERS, seed=seed), source.entropy_rate()
