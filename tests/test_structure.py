"""The house's rules: who may import whom, and what an import may cost."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from factories import make_results

import gptkit
from gptkit.files import write_json

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "datasets", "pandas", "pyarrow", "numpy"}


def python(code: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program in a new interpreter that finds the packages of this one."""
    path = os.pathsep.join([str(ROOT / "toolkit"), str(ROOT / "tokenizers")])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_rooms_import_one_way():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    code = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = python(code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout
    assert len(contracts) >= 3


@pytest.mark.parametrize(
    "path",
    [path for room in ("toolkit", "tokenizers") for path in sorted((ROOT / room).rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_imports_are_absolute(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [ast.unparse(node) for node in imports if node.level]


def test_no_package_file_where_it_would_shadow_another():
    for folder in ("toolkit", "tokenizers", "tests"):
        assert not (ROOT / folder / "__init__.py").exists()


def modules_after(code: str, cwd: Path = ROOT) -> set[str]:
    done = python(f"{code}\nimport sys; print('\\n'.join(sys.modules))", cwd)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def call(*words: str) -> str:
    """A program that runs `gptkit WORDS` and goes on."""
    return (
        f"import sys; sys.argv = ['gptkit', *{list(words)!r}]\n"
        "from gptkit.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import gptkit; gptkit.get_tokenizer",
        "import gptkit_tokenizers",
        "from gptkit.cli import app",
        call("encode", "Hello"),
    ],
)
def test_light_imports_stay_light(code):
    assert not modules_after(code) & HEAVY


def test_help_imports_no_command():
    loaded = modules_after(call("--help"))
    assert "gptkit.cli.commands" in loaded
    assert not loaded & {"gptkit.cli.compare", "gptkit.cli.inspect", "gptkit.plan"}


def test_results_are_read_without_torch(tmp_path):
    write_json(tmp_path / "results.json", make_results())
    code = f"import gptkit; gptkit.Result; print(gptkit.load_result({str(tmp_path)!r}).verdict)"
    loaded = modules_after(code)
    assert "gptkit.report.result" in loaded
    assert not loaded & (HEAVY - {"numpy"})


def test_a_report_is_written_without_torch(tmp_path):
    write_json(tmp_path / "results.json", make_results())
    loaded = modules_after(call("report", str(tmp_path)))
    assert "# char vs gpt2 on tinyshakespeare" in (tmp_path / "report.md").read_text("utf-8")
    assert "gptkit.report.markdown" in loaded
    assert not loaded & (HEAVY - {"numpy"})


def test_a_training_imports_no_compiler_and_no_scipy_stats(tmp_path, text_file):
    words = ["-t", "char", "-m", "decoder", "-d", text_file, "--out", tmp_path, "--name", "a"]
    words += ["--budget", "2steps", "--bytes-per-step", "256", "--context-bytes", "32"]
    words += ["--save-every", "1steps", "--jobs", "1"]
    loaded = modules_after(call("compare", *map(str, words)))
    assert "gptkit.train.optim" in loaded
    assert not loaded & {"torch._dynamo", "scipy.stats"}  # more than a second each


def test_hugging_face_tokenizers_imports_as_itself_from_the_repo_root():
    code = "import tokenizers; assert tokenizers.Tokenizer, tokenizers"
    assert "tokenizers.models" in modules_after(code)


def test_all_is_the_public_surface():
    import gptkit
    import gptkit_tokenizers

    for package in (gptkit, gptkit_tokenizers):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        for name in package.__all__:
            assert getattr(package, name) is not None
    assert set(gptkit.__all__) == set(gptkit._HOME)


@pytest.mark.parametrize(
    ("page", "package"),
    [("toolkit", "toolkit/gptkit"), ("tokenizers", "tokenizers/gptkit_tokenizers")],
)
def test_the_tree_in_the_readme_is_the_folder(page, package):
    text = (ROOT / page / "README.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"<!-- tree: \w+ -->\n```\n.*?\n(.*?)```", text, re.DOTALL)
    named = set()
    for line in tree.splitlines():
        words = line.split()
        files = [word for word in words if word.endswith((".py", ".typed"))]
        named |= set(files or words[:1])
    present = {
        path.name + ("/" if path.is_dir() else "")
        for path in (ROOT / package).iterdir()
        if path.name != "__pycache__"
    }
    optional = {"__init__.py", "__main__.py", "py.typed"}
    assert named - optional == present - optional


def test_the_package_holds_at_most_twenty_entries():
    entries = [p for p in (ROOT / "toolkit/gptkit").iterdir() if p.name != "__pycache__"]
    assert len(entries) <= 20


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.slow
def test_the_api_reference_is_built_without_a_warning(tmp_path):
    command = [sys.executable, str(ROOT / "tests" / "write_reference.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "gptkit.html").read_text(encoding="utf-8")
    for name in gptkit.__all__:
        assert f'id="{name}"' in page
