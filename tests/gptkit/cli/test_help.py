"""What `--help` prints is what was reviewed.

After a change that is meant: python tests/gptkit/cli/write_help.py
"""

import runpy
from pathlib import Path

import pytest

from gptkit.cli.commands import COMMANDS, LateCommand

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
REVIEWED = {path.name: path.read_text(encoding="utf-8") for path in (HERE / "help").glob("*.txt")}


@pytest.fixture(scope="module")
def printed():
    return runpy.run_path(str(HERE / "write_help.py"))["help_texts"]()


def test_every_command_has_its_help_reviewed(printed):
    assert printed.keys() == REVIEWED.keys()
    assert {"gptkit.txt", "compare.txt", "lecture-ladder.txt", "tokenizer-new.txt"} <= set(printed)


@pytest.mark.parametrize("name", sorted(REVIEWED))
def test_help_is_as_reviewed(printed, name):
    assert printed[name] == REVIEWED[name], (
        "if this is meant: python tests/gptkit/cli/write_help.py"
    )


def test_help_fits_80_columns_and_has_no_colour(printed):
    for text in printed.values():
        assert max(map(len, text.splitlines())) <= 80
        assert "\x1b" not in text


def test_the_list_of_commands_says_what_each_command_says():
    for name, line in COMMANDS.items():
        found = LateCommand(name, help=line).load()
        assert found.help.partition("\n\n")[0].replace("\n", " ") == line
    modules = {path.stem for path in (ROOT / "toolkit/gptkit/cli").glob("*.py")}
    assert COMMANDS.keys() <= modules
