"""A new plug-in package, as its author would use it."""

import os
import subprocess
import sys
import tomllib

import pytest

from gptkit_tokenizers import TokenizerError
from gptkit_tokenizers.scaffold import new_plug_in


def install(folder, site):
    """What pip would write for the package, by its own pyproject.toml."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    entries = project["entry-points"]["gptkit.tokenizers"]
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[gptkit.tokenizers]", *lines]))
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )


def run(*words, cwd, path):
    inherited = os.environ.get("PYTHONPATH")
    paths = [*map(str, path), *([inherited] if inherited else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_it_passes_its_tests_and_is_compared(tmp_path, text_file):
    folder = new_plug_in("my-words", under=tmp_path)
    install(folder, tmp_path / "site")
    path = [folder, tmp_path / "site"]
    tests = run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder, cwd=tmp_path, path=path)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout
    assert "skipped" not in tests.stdout

    words = ["compare", "-t", "byte,my-words", "-m", "bigram", "-d", text_file]
    done = run("-m", "gptkit", *words, "--budget", "4steps", cwd=tmp_path, path=path)
    assert done.returncode == 0, done.stderr
    assert "my-words" in done.stdout


@pytest.mark.parametrize("name", ["", "My", "a b", "../up", "-x", "x--y", "é", "1x"])
def test_a_name_that_is_none(name, tmp_path):
    with pytest.raises(TokenizerError, match="is not a tokenizer's name"):
        new_plug_in(name, under=tmp_path)
    assert not list(tmp_path.rglob("*"))[1:]


@pytest.mark.parametrize("name", ["gpt2", "char", "bpe"])
def test_a_name_that_is_taken(name, tmp_path):
    with pytest.raises(TokenizerError, match="already"):
        new_plug_in(name, under=tmp_path)


def test_what_is_there_is_left_alone(tmp_path):
    folder = new_plug_in("mine", under=tmp_path)
    (folder / "gptkit_mine.py").write_text("# my work")
    with pytest.raises(TokenizerError, match="is there already"):
        new_plug_in("mine", under=tmp_path)
    assert (folder / "gptkit_mine.py").read_text() == "# my work"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
