"""Compare how many tokens parallel texts cost: parity, the worst text, and the Gini coefficient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class TextTokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tokens a tokenizer makes of each of several texts.

    Attributes:
        tokens: of each whole text, by name.
        parity: the tokens of each text relative to those of the first; for parallel texts.
        worst: the text with the most tokens.
        gini: of the tokens of the texts: 0 if all have the same, up to 1.
    """

    tokenizer: str
    tokens: dict[str, int]
    parity: dict[str, float]
    worst: str
    gini: float


def compare_tokens(tokenizer: str, tokens: Mapping[str, int]) -> TextTokens:
    """Compare the tokens of texts that say the same, such as one manual in several languages.

    Parity is Petrov et al.'s "premium" ("Language model tokenizers introduce unfairness between
    languages", 2023): the tokens of a text divided by those of its parallel in another language,
    here the first text.

    >>> found = compare_tokens("char", {"en": 100, "de": 120})
    >>> found.parity, found.worst, round(found.gini, 4)
    ({'en': 1.0, 'de': 1.2}, 'de', 0.0455)
    """
    first = next(iter(tokens.values()))
    return TextTokens(
        tokenizer=tokenizer,
        tokens=dict(tokens),
        parity={name: n / first for name, n in tokens.items()},
        worst=max(tokens, key=lambda name: tokens[name]),
        gini=gini(list(tokens.values())),
    )


def gini(values: Sequence[float]) -> float:
    """Return the Gini coefficient: the mean difference of two values, over twice their mean.

    Over all pairs, each value with itself too: Σ |a - b| / (2 n² mean). Used for tokenizers'
    fairness between languages by Foroutan et al., "Parity-aware byte-pair encoding", 2025.

    >>> gini([3, 3, 3]), gini([0, 0, 1])
    (0.0, 0.6666666666666666)
    """
    n, mean = len(values), sum(values) / len(values)
    return sum(abs(a - b) for a in values for b in values) / (2 * n * n * mean) if mean else 0.0
