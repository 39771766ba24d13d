"""Make the options of commands from the fields of the experiment's configs.

A value comes from the command line, else from `--config FILE.toml`, else from `--preset`, else from
the config's default.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from gptkit.cli.options import split_names
from gptkit.errors import ConfigError
from gptkit.plan.options_file import FIELDS

NUMBERS: dict[str, type] = {"int": int, "int | None": int, "float": float}  # by annotation


def with_config_options(
    *,
    without: Sequence[str] = (),
    defaults: Mapping[str, str] | None = None,
    shown: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of the configs.

    The command's first argument is then a dictionary of the options that were given, parsed. A
    parameter `ctx` gets the context.

    Args:
        without: fields that get no option.
        defaults: defaults that are not the config's, as the command line spells them.
        shown: defaults in words, for options without a single default value.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        wants_context = any(parameter.name == "ctx" for parameter in own)
        own = [parameter for parameter in own if parameter.name != "ctx"]
        names = [name for name in FIELDS if name not in without]
        made = [
            _parameter(name, (defaults or {}).get(name), (shown or {}).get(name)) for name in names
        ]

        @functools.wraps(command)
        def wrapper(ctx: typer.Context, **values: Any) -> None:
            taken = {name: values.pop(name) for name in names}
            given = {n: _parse(n, v) for n, v in taken.items() if is_given(ctx, n)}
            if wants_context:
                values["ctx"] = ctx
            command(given, **values)

        context = inspect.Parameter(
            "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        signature = inspect.Signature([context, *made, *own])
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return wrapper

    return decorate


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option was given on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _parameter(name: str, default: str | None, shown: str | None) -> inspect.Parameter:
    f = FIELDS[name]
    about = f.metadata
    flag = f"--{name.replace('_', '-')}"
    names = (flag, about["short"]) if about["short"] else (flag,)
    kind: Any = bool if about["flag"] else NUMBERS.get(str(f.type), str) | None
    value = default or (_spell(f.default) if isinstance(f.default, tuple) else f.default)
    words = shown or (about["shown"] if default is None else None)
    option = typer.Option(*names, help=about["help"], show_default=words or not about["flag"])
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=str(value) if kind == str | None and value is not None else value,
        annotation=Annotated[kind, option],
    )


def _spell(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _parse(name: str, value: Any) -> Any:
    if name in ("tokenizers", "models", "perturb", "track"):
        return tuple(split_names(value))
    if name == "split":
        try:
            shares = tuple(map(float, value.split(",")))
        except ValueError:
            raise ConfigError(
                f"split {value!r} is not a share or shares, as in 0.9 or 0.9,0.05,0.05."
            ) from None
        return shares[0] if len(shares) == 1 else shares
    return value
