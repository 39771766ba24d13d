"""What canonical tokenization costs: the loss of a text over all of its tokenizations.

A model's loss is that of one tokenization, the one that the tokenizer makes. The text's own
probability is the sum over all tokenizations that spell it, so the loss is an upper bound of the
text's (Cao and Rimell, "You should evaluate your language model on marginal likelihood over
tokenisations", 2021). Characters and bytes have one tokenization; subwords have many.

For a model of pairs the sum is computed exactly, over positions of the text and the last token. For
others, tokenizations of a window are drawn and weighted: importance sampling. The canonical one is
counted exactly, so the estimate is at least its probability, and the mean of its logarithm is at
most that of the true one: the gap it shows is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gptkit.models import Model
from gptkit_tokenizers import Tokenizer

PairLogProbs = Callable[[np.ndarray, np.ndarray], np.ndarray]  # history, ids -> nats below zero
SAMPLE_BYTES = 10_000  # of the validation text, in windows spread over it
CANDIDATES = 16  # tokenizations of a block that the model scores
DRAWS = 16  # tokenizations of each window
MAX_BLOCK_BYTES = 32
MAX_BATCH_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The loss of a text as it is tokenized, and over all tokenizations, in nats.

    Attributes:
        n_bytes: of the text, or of its windows.
        error: standard error of the gap between both, from the windows; None if it is exact.
    """

    n_bytes: int
    canonical: float
    marginal: float
    error: float | None


class Lattice:
    """The tokens of a vocabulary by their bytes; ids without bytes are in no tokenization."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.pieces = tokenizer.all_token_bytes
        self.ids: dict[bytes, int] = {}
        for i, piece in enumerate(self.pieces):
            if piece:
                self.ids.setdefault(piece, i)
        self.longest = max(map(len, self.ids))
        starts: set[bytes] = set()
        for piece in self.ids:
            starts.update(piece[:n] for n in range(1, len(piece) + 1))
        self._starts = starts  # of tokens: a search stops where no token goes on

    def tokens_at(self, text: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Return (id, end) of each token that the text has at `start` and that ends by `end`."""
        found = []
        for stop in range(start + 1, min(end, start + self.longest) + 1):
            piece = text[start:stop]
            if piece not in self._starts:
                break
            if (i := self.ids.get(piece)) is not None:
                found.append((i, stop))
        return found


def pair_marginal(lattice: Lattice, text: bytes, before: int, log_probs: PairLogProbs) -> float:
    """Return the nats of a text summed over all tokenizations, for a model of pairs: exact.

    The probability of all tokenizations of text[:p] that end in token t is a sum over the tokens
    before t, from left to right.

    Args:
        before: the id before the text.
        log_probs: the model's log-probability of each id after the id in `history`, both (M,).
    """
    following = [lattice.tokens_at(text, start, len(text)) for start in range(len(text))]
    ending: list[list[int]] = [[before], *([] for _ in text)]
    for start, tokens in enumerate(following):
        for i, end in tokens if ending[start] else []:
            ending[end].append(i)
    steps = [
        np.array([(last, i) for last in lasts for i, _ in tokens], dtype=np.int64).reshape(-1, 2)
        for lasts, tokens in zip(ending, following, strict=False)
    ]
    pairs, at = np.unique(np.concatenate(steps), axis=0, return_inverse=True)
    logs = log_probs(*pairs.T)[at.ravel()]  # one call for all pairs that occur
    sums: list[list[float]] = [[0.0], *([] for _ in text)]
    done = 0
    for start, tokens in enumerate(following):
        if not (n := len(sums[start]) * len(tokens)):
            continue
        step = logs[done : done + n].reshape(len(sums[start]), -1)
        done += n
        arrived = np.logaddexp.reduce(step + np.array(sums[start])[:, None], axis=0)
        for (_, end), log in zip(tokens, arrived.tolist(), strict=True):
            sums[end].append(log)
    return -float(np.logaddexp.reduce(sums[len(text)]))


def sampled_gap(
    model: Model,
    lattice: Lattice,
    ids: np.ndarray,
    ends: np.ndarray,
    text: bytes,
    *,
    before: int,
    log_probs: PairLogProbs,
    n_bytes: int = SAMPLE_BYTES,
    seed: int = 0,
) -> Gap:
    """Estimate the gap on windows of a text, spread evenly over it.

    A window is half the model's context, so that longer tokenizations fit. It is cut into blocks
    where no token of the vocabulary crosses. For each block, the likeliest tokenizations by a
    model of pairs are scored by the model after the canonical past; a tokenization of the window
    is drawn block by block from these scores.

    Args:
        ids, ends: the text's canonical tokens (N,), and the byte at which each ends.
        before: the id before the text.
        log_probs: of the model of pairs that proposes tokenizations.
    """
    rng = np.random.default_rng(seed)
    size = max(2, model.block_size // 2)
    firsts = np.arange(0, len(ids) - size + 1, size)
    per_window = float(ends[-1]) / len(ids) * size
    wanted = min(len(firsts), max(2, round(n_bytes / per_window)))
    chosen = firsts[np.linspace(0, len(firsts) - 1, wanted).round().astype(int)]
    spent, total_bytes = 0.0, 0
    gaps: list[float] = []
    for first in np.unique(chosen):
        start = int(ends[first - 1]) if first else 0
        stop = int(ends[first + size - 1])
        canonical = ids[first : first + size].tolist()
        history = int(ids[first - 1]) if first else before
        window = _Window(model, lattice, text[start:stop], history, canonical)
        log_canonical, log_marginal = window.estimate(log_probs, rng)
        spent -= log_canonical
        gaps.append(log_marginal - log_canonical)
        total_bytes += stop - start
    gap = float(np.sum(gaps))
    error = float(np.std(gaps, ddof=1) * math.sqrt(len(gaps))) if len(gaps) > 1 else None
    return Gap(n_bytes=total_bytes, canonical=spent, marginal=spent - gap, error=error)


@dataclass(frozen=True)
class _Choice:
    """The tokenizations of a block, and the logarithms of their shares, which sum to one."""

    options: list[list[int]]
    logs: np.ndarray


def _log_share(choices: Sequence[_Choice], picks: Sequence[int]) -> float:
    return float(sum(c.logs[k] for c, k in zip(choices, picks, strict=True)))


def _draw_other(
    choices: Sequence[_Choice], own: Sequence[int], rng: np.random.Generator
) -> list[int]:
    """Draw a tokenization of each block by its share, given that one differs from its own."""
    shares = [np.exp(choice.logs) for choice in choices]
    stay = np.array([share[i] for share, i in zip(shares, own, strict=True)])
    # Which block is the first that differs: so no draw is rejected.
    first = np.concatenate([[1.0], np.cumprod(stay)[:-1]]) * (1 - stay)
    at = int(rng.choice(len(first), p=first / first.sum()))
    picks = list(own[:at])
    for k in range(at, len(shares)):
        share = shares[k].copy()
        if k == at:
            share[own[k]] = 0.0
        picks.append(int(rng.choice(len(share), p=share / share.sum())))
    return picks


class _Window:
    """One window of text: its canonical tokens, and the proposal of others."""

    def __init__(
        self, model: Model, lattice: Lattice, text: bytes, history: int, canonical: list[int]
    ) -> None:
        self.model, self.lattice, self.text = model, lattice, text
        self.history, self.canonical = history, canonical

    def estimate(self, log_probs: PairLogProbs, rng: np.random.Generator) -> tuple[float, float]:
        """Return the log-probabilities of the canonical tokenization and of all, an estimate."""
        blocks = self._blocks()
        choices = self._score_blocks(blocks, log_probs)
        own = [c.options.index(tokens) for c, (*_, tokens) in zip(choices, blocks, strict=True)]
        log_own = _log_share(choices, own)
        log_p = float(self._log_probs([self.canonical])[0])
        others = -math.expm1(log_own)  # the proposal's probability of another tokenization
        if others < 1e-12:
            return log_p, log_p
        drawn: list[list[int]] = []
        log_q: list[float] = []
        for _ in range(DRAWS):
            picks = _draw_other(choices, own, rng)
            drawn.append([i for c, k in zip(choices, picks, strict=True) for i in c.options[k]])
            log_q.append(_log_share(choices, picks) - math.log(others))
        short = [len(tokens) <= self.model.block_size for tokens in drawn]
        fitting = [tokens for tokens, fits in zip(drawn, short, strict=True) if fits]
        log_p_drawn = np.full(DRAWS, -np.inf)
        if fitting:
            log_p_drawn[np.array(short)] = self._log_probs(fitting)
        weights = log_p_drawn - np.array(log_q)
        rest = float(np.logaddexp.reduce(weights)) - math.log(DRAWS)
        return log_p, float(np.logaddexp(log_p, rest))

    def _blocks(self) -> list[tuple[int, int, list[int]]]:
        """Cut the window where no token of the vocabulary crosses: (start, end, canonical ids).

        A block that would be too long is cut at canonical borders, which only leaves out
        tokenizations.
        """
        n = len(self.text)
        crossed = np.zeros(n + 1, dtype=np.int64)
        for start in range(n):
            for _, end in self.lattice.tokens_at(self.text, start, n)[-1:]:
                crossed[start + 1] += 1
                crossed[end] -= 1
        free = np.cumsum(crossed) == 0
        blocks: list[tuple[int, int, list[int]]] = []
        begin, end = 0, 0
        tokens: list[int] = []
        for i in self.canonical:
            length = len(self.lattice.pieces[i])
            if tokens and end + length - begin > MAX_BLOCK_BYTES:
                blocks.append((begin, end, tokens))
                begin, tokens = end, []
            tokens, end = [*tokens, i], end + length
            if end == n or free[end]:
                blocks.append((begin, end, tokens))
                begin, tokens = end, []
        if tokens:
            blocks.append((begin, end, tokens))
        return blocks

    def _score_blocks(
        self, blocks: Sequence[tuple[int, int, list[int]]], log_probs: PairLogProbs
    ) -> list[_Choice]:
        """Return each block's tokenizations, and the log of their share by the model's scores."""
        options: list[list[list[int]]] = []
        sequences: list[list[int]] = []
        past: list[int] = []
        for start, end, tokens in blocks:
            last = past[-1] if past else self.history
            found = self._likeliest(start, end, last, log_probs)
            if tokens not in found:
                found[-1] = tokens
            options.append(found)
            sequences += [past + other for other in found] if len(found) > 1 else []
            past = past + tokens
        scores = self._scores(sequences, options, blocks)
        return [_Choice(o, logs) for o, logs in zip(options, scores, strict=True)]

    def _scores(
        self,
        sequences: list[list[int]],
        options: list[list[list[int]]],
        blocks: Sequence[tuple[int, int, list[int]]],
    ) -> list[np.ndarray]:
        fitting = [tokens[: self.model.block_size] for tokens in sequences]
        nats = self._nats(fitting)
        scores, at, n_past = [], 0, 0
        for found, (*_, tokens) in zip(options, blocks, strict=True):
            if len(found) == 1:
                scores.append(np.zeros(1))
            else:
                logs = np.array([-nats[at + k][n_past:].sum() for k in range(len(found))])
                too_long = [n_past + len(other) > self.model.block_size for other in found]
                logs[np.array(too_long)] = -np.inf
                scores.append(logs - np.logaddexp.reduce(logs))
                at += len(found)
            n_past += len(tokens)
        return scores

    def _likeliest(
        self, start: int, end: int, last: int, log_probs: PairLogProbs
    ) -> list[list[int]]:
        """Return the likeliest tokenizations of text[start:end] by a model of pairs."""
        beams: dict[int, list[tuple[float, list[int]]]] = {start: [(0.0, [])]}
        for position in range(start, end):
            paths = sorted(beams.pop(position, []), key=lambda path: -path[0])[:CANDIDATES]
            following = self.lattice.tokens_at(self.text, position, end)
            if not paths or not following:
                continue
            ids = np.array([i for i, _ in following])
            lasts = np.array([tokens[-1] if tokens else last for _, tokens in paths])
            pairs = log_probs(np.repeat(lasts, len(ids)), np.tile(ids, len(lasts)))
            for (log, tokens), row in zip(paths, pairs.reshape(len(lasts), -1), strict=True):
                for (i, stop), step in zip(following, row, strict=True):
                    beams.setdefault(stop, []).append((log + float(step), [*tokens, i]))
        best = sorted(beams[end], key=lambda path: -path[0])[:CANDIDATES]
        return [tokens for _, tokens in best]

    def _log_probs(self, sequences: Sequence[list[int]]) -> np.ndarray:
        return np.array([-nats.sum() for nats in self._nats(sequences)])

    @torch.no_grad()
    def _nats(self, sequences: Sequence[list[int]]) -> list[np.ndarray]:
        """Return the nats of the tokens of each sequence, after the id before the window."""
        order = sorted(range(len(sequences)), key=lambda k: len(sequences[k]))
        by_index: dict[int, np.ndarray] = {}
        at = 0
        while at < len(order):
            longest = len(sequences[order[min(len(order), at + 64) - 1]])
            rows = order[at : at + min(64, max(1, MAX_BATCH_TOKENS // longest))]
            width = max(len(sequences[k]) for k in rows)
            batch = torch.zeros(len(rows), width + 1, dtype=torch.long)
            for row, k in enumerate(rows):
                batch[row, 0] = self.history
                batch[row, 1 : len(sequences[k]) + 1] = torch.tensor(sequences[k])
            nats = self.model.nll(batch[:, :-1], batch[:, 1:]).double().numpy()
            by_index |= {k: nats[row, : len(sequences[k])] for row, k in enumerate(rows)}
            at += len(rows)
        return [by_index[k] for k in range(len(sequences))]
