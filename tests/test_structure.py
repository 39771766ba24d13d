"""The house's rules: who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports, but not those for type checkers alone."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "tokenizers").rglob("*.py")), ids=str)
def test_tokenizers_import_neither_torch_nor_gptkit(path):
    assert not {n.split(".")[0] for n in imported(path)} & {"torch", "gptkit"}


def test_no_package_file_where_it_would_shadow_another():
    for folder in ("toolkit", "tokenizers", "tests"):
        assert not (ROOT / folder / "__init__.py").exists()


def modules_after(code: str, cwd: Path = ROOT) -> set[str]:
    program = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=cwd
    )
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    "code",
    [
        "import gptkit; gptkit.get_tokenizer",
        "import gptkit_tokenizers",
        "from gptkit.cli import app",
        "import sys; sys.argv = ['gptkit', 'encode', 'Hello']\n"
        "from gptkit.cli import main\ntry: main()\nexcept SystemExit: pass",
    ],
)
def test_light_imports_stay_light(code):
    assert not modules_after(code) & {"torch", "datasets", "pandas", "pyarrow", "numpy"}


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
