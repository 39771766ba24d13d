"""Write a new plug-in package: pyproject.toml, one module, and the contract suite as tests."""

from __future__ import annotations

import os
import re
import shutil
from importlib.resources import files
from pathlib import Path

from gptkit_tokenizers.base import TokenizerError
from gptkit_tokenizers.registry import available

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gptkit-{name}"
version = "0.1.0"
description = "The tokenizer {name}, for gptkit."
requires-python = ">=3.11"
dependencies = ["gptkit"]

[project.optional-dependencies]
dev = ["pytest"]

[project.entry-points."gptkit.tokenizers"]
{name} = "{module}:{cls}"

[tool.hatch.build.targets.wheel]
include = ["{module}.py"]
"""
TESTS = '''\
"""What gptkit asks of every tokenizer."""

import pytest
from gptkit_tokenizers import get_tokenizer
from gptkit_tokenizers.testing import CHECKS, TEXTS

from {module} import {cls}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("check", CHECKS)
def test_contract(check, text):
    check({cls}(), text)


def test_gptkit_finds_it():
    assert isinstance(get_tokenizer("{name}"), {cls})
'''


def new_plug_in(name: str, *, under: Path) -> Path:
    """Write the package `under/gptkit-NAME`, whole or not at all, and return its folder.

    Raises:
        TokenizerError: the name is invalid or taken; the folder exists or cannot be made.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        raise TokenizerError(
            f"{name!r} is not a tokenizer's name: lower-case letters and digits, with single "
            "hyphens between, as in my-words."
        )
    if name in available() or f"{name}:N" in available():
        raise TokenizerError(f"there is a tokenizer {name!r} already. Give yours another name.")
    parts = re.split("[-_]", name)
    names = {
        "name": name,
        "module": "_".join(["gptkit", *parts]),
        "cls": "".join(part.capitalize() for part in parts),
    }
    template = (files("gptkit_tokenizers") / "template.py").read_text(encoding="utf-8")
    module = template.replace("Template", names["cls"]).replace('"template"', f'"{name}"')
    contents = {
        "pyproject.toml": PYPROJECT.format(**names),
        f"{names['module']}.py": module,
        "tests/test_contract.py": TESTS.format(**names),
    }
    folder = under / f"gptkit-{name}"
    temporary = under / f".{folder.name}.{os.getpid()}.tmp"
    try:
        if folder.exists():
            raise TokenizerError(f"{folder} is there already. Remove it, or give another name.")
        for file, text in contents.items():
            path = temporary / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        temporary.rename(folder)
    except OSError as error:
        raise TokenizerError(f"{folder} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
