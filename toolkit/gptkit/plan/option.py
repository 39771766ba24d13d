"""A field of a config with what the command line needs."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def option(
    default: Any,
    help: str,
    *,
    shown: str | None = None,
    short: str | None = None,
    flag: bool = False,
) -> Any:
    """Make a field with what the command line needs.

    Args:
        help: what the option does, with its unit.
        shown: the default in words; None to show its value.
        short: a one-letter option, as in "-t".
        flag: whether it is a switch without a value.
    """
    return field(
        default=default, metadata={"help": help, "shown": shown, "short": short, "flag": flag}
    )
