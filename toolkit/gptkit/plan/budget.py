"""Read a budget: how long an arm is trained, in text, steps or seconds."""

from __future__ import annotations

import re

from gptkit.errors import ConfigError

_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
MOST = 1e18  # bytes, steps or seconds
DEFAULT_TIME_BUDGET = "20s"  # of training per arm, if matched by time


def read_budget(budget: str) -> tuple[float, str]:
    """Split a budget into an amount and its unit: bytes, steps or seconds.

    >>> read_budget("600KB"), read_budget("50steps"), read_budget("1.5s")
    ((600000.0, 'bytes'), (50.0, 'steps'), (1.5, 'seconds'))
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", budget, re.IGNORECASE)
    amount, unit = (float(found[1]), found[2].lower()) if found else (0.0, "")
    if amount > MOST:
        raise ConfigError(f"budget {budget!r} is more than {MOST:.0e} of anything. Give less.")
    if unit in ("step", "steps") and amount.is_integer():
        return amount, "steps"
    if unit == "s" and amount > 0:
        return amount, "seconds"
    if unit in _BYTES:
        return amount * _BYTES[unit], "bytes"
    raise ConfigError(
        f"budget {budget!r} is not an amount of text, steps or seconds.\n"
        "Give bytes of training text per arm, as in 600KB or 2MB, steps, as in 600steps, or, "
        "matched by time, seconds, as in 20s."
    )


def steps_of(budget: str, *, bytes_per_step: int) -> int:
    """Return the number of training steps in a budget of bytes or steps.

    >>> steps_of("600KB", bytes_per_step=2000), steps_of("50steps", bytes_per_step=2000)
    (300, 50)
    """
    amount, unit = read_budget(budget)
    if unit == "seconds":
        raise ConfigError(
            f"budget {budget!r} is in seconds, which only matching by time can use.\n"
            "Give bytes of training text, as in 600KB, or steps, as in 600steps; or match='time'."
        )
    steps = round(amount / bytes_per_step) if unit == "bytes" else int(amount)
    if steps < 1:
        raise ConfigError(f"budget {budget!r} is less than one step of {bytes_per_step:,} bytes.")
    return steps


def seconds_of(budget: str) -> float:
    """Return the seconds of training in a budget for matching by time.

    >>> seconds_of("20s")
    20.0
    """
    amount, unit = read_budget(budget)
    if unit != "seconds":
        raise ConfigError(
            f"budget {budget!r} is not in seconds, which matching by time needs, as in 20s."
        )
    return amount
