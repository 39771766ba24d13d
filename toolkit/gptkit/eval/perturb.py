"""Perturb a text, line by line and from a seed: typos, case, spaces, Unicode, digits.

Tokenizers cut an unusual spelling into many more tokens than the usual one, and not all of them
alike. The models were trained on the usual one, and are not trained again.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable

WORD_SHARE = 0.1  # of words get a typo, of words another case, of spaces another width
LETTER_SHARE = 0.02  # of letters get an accent
ACCENTS = "\u0300\u0301\u0302\u0308"
PUNCTUATION = str.maketrans({"'": "\u2019", '"': "\u201c", "-": "\u2013"})


def _typo(word: str, rng: random.Random) -> str:
    """Swap, drop or double a letter inside a word."""
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 1 else word[: at + 1] + word[at:]


def typos(line: str, rng: random.Random) -> str:
    """Give some of the words with four letters or more a typo."""
    return re.sub(
        r"[^\W\d_]{4,}",
        lambda m: _typo(m[0], rng) if rng.random() < WORD_SHARE else m[0],
        line,
    )


def case(line: str, rng: random.Random) -> str:
    """Write some words in capitals, and some in small letters."""
    return re.sub(
        r"[^\W\d_]+",
        lambda m: (
            rng.choice((str.upper, str.lower, str.title))(m[0])
            if rng.random() < WORD_SHARE
            else m[0]
        ),
        line,
    )


def spaces(line: str, rng: random.Random) -> str:
    """Double some spaces, and drop some."""
    return re.sub(
        " ", lambda m: rng.choice(("", "  ")) if rng.random() < WORD_SHARE else m[0], line
    )


def accents(line: str, rng: random.Random) -> str:
    """Write typographic quotes and dashes, and give some letters an accent."""
    changed = re.sub(
        r"[a-zA-Z]",
        lambda m: m[0] + rng.choice(ACCENTS) if rng.random() < LETTER_SHARE else m[0],
        line.translate(PUNCTUATION),
    )
    return unicodedata.normalize("NFC", changed)


def digits(line: str, rng: random.Random) -> str:
    """Replace each digit by any digit."""
    return re.sub(r"\d", lambda m: str(rng.randrange(10)), line)


PERTURBATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "typos": typos,
    "case": case,
    "spaces": spaces,
    "unicode": accents,
    "digits": digits,
}


def perturb(text: str, kind: str, *, seed: int = 0) -> list[str]:
    r"""Return a text's lines with their line breaks, perturbed; no line is joined or cut.

    Args:
        kind: of `PERTURBATIONS`.

    >>> perturb("Read line 10.\nAnd 25.\n", "digits")
    ['Read line 48.\n', 'And 60.\n']
    """
    rng = random.Random(f"{kind} {seed}")
    change = PERTURBATIONS[kind]
    lines = text.split("\n")
    kept = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [change(line, rng) for line in kept]
