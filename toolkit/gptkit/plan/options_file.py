"""Options as a TOML file: its keys are the fields of the configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

from gptkit.errors import ConfigError, nearest
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import (
    ExperimentConfig,
    Options,
    find_unknown,
    split_options,
)

FIELDS = {f.name: f for config in (ExperimentConfig, ExecutionConfig) for f in fields(config)}
NOT_OF_SCALE = ("match", "until", "max_seeds", "marginal", "perturb")  # no option of these commands
NOT_OF_LECTURE_LADDER = (
    *("models", "tune", "context_bytes", "bytes_per_step", "split", "stride_bytes", "lossy_ok"),
    *("prompt", "sample_bytes", "temperature", "top_k"),
)
NONE = "none"  # in a recipe of a TOML file


def read_options(path: Path, *more: type) -> Options:
    """Read options from a TOML file; its keys are the fields of the configs.

    Args:
        more: other dataclasses whose fields may be keys, too.

    Raises:
        ConfigError: the file is missing, a field is unknown, or a value has the wrong type.
    """
    import tomllib

    import msgspec

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from error
    hints: dict[str, Any] = {}
    for config in (ExperimentConfig, ExecutionConfig, *more):
        known = {f.name for f in fields(config)}
        hints |= {name: hint for name, hint in get_type_hints(config).items() if name in known}
    options = {}
    for name, value in found.items():
        if name not in hints:
            raise ConfigError(f"{path} has no option {name!r}.{nearest(name, hints)}")
        if name == "models":
            value = _read_none(value)
        try:
            options[name] = msgspec.convert(value, type=hints[name])
        except msgspec.ValidationError as error:
            says = str(error).replace(" | null", "")  # TOML has none
            raise ConfigError(f"{path}: {name} cannot be {value!r}. {says}.") from error
        if unknown := find_unknown(value, options[name]):
            raise ConfigError(f"{path}: {name} cannot be {value!r}: no field {unknown!r}.")
    return options


def merge_options(*sources: Mapping[str, Any]) -> tuple[ExperimentConfig, ExecutionConfig]:
    """Make both configs from several sets of options; a later set overrides an earlier one."""
    merged: Options = {}
    for source in sources:
        merged |= source
    return split_options(merged)


def to_toml(*configs: Any) -> str:
    """Write configs as a file for `--config`. An option without a value is left out."""
    import tomli_w

    values = {name: value for config in configs for name, value in asdict(config).items()}
    return tomli_w.dumps({k: _spell_none(v) for k, v in values.items() if v is not None})


def _spell_none(value: Any) -> Any:
    """Write None in recipes as a word: TOML has no null, and the defaults are other values."""
    if isinstance(value, Mapping):
        return {name: _spell_none(inner) for name, inner in value.items()}
    return NONE if value is None else value


def _read_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _read_none(inner) for name, inner in value.items()}
    return None if value == NONE else value
