"""The house's own rules, checked."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob("dpmed_core/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("widgets*/**/*.py"), ROOT / "app.py"])
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imported_by_pages() -> list[str]:
    """The modules of the core that pages, widgets and the application import."""
    found: set[str] = set()
    for path in [*ROOT.glob("pages/*.py"), *ROOT.glob("widgets/**/*.py"), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dpmed_core"):
                found.add(node.module)
    return sorted(found)


def test_what_pages_import_loads_neither_torch_nor_opacus() -> None:
    modules = imported_by_pages()
    assert "dpmed_core.installation" in modules
    program = f"import sys, {', '.join(modules)}\nprint([m for m in ('torch', 'opacus', 'distributed') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert printed.stdout.strip() == "[]"


def test_the_core_imports_no_streamlit() -> None:
    offenders = [p.name for p in ROOT.glob("dpmed_core/**/*.py") if re.search(r"^\s*(import|from) streamlit", p.read_text(), re.M)]
    assert offenders == []


def test_only_the_private_trainer_and_its_accounting_import_opacus() -> None:
    importers = [p for p in ROOT.glob("dpmed_core/**/*.py") if re.search(r"^\s*(import|from) opacus", p.read_text(), re.M)]
    names = {p.relative_to(ROOT / "dpmed_core" / "training").as_posix() for p in importers}
    assert names == {"dpsgd.py", "accounting.py", "unit_gradients/module.py", "unit_gradients/registered.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, FUNCTIONS)]
    assert [n.name for n in functions if (n.end_lineno or n.lineno) - n.lineno >= 60] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("dpmed_core/**/__init__.py")), ids=lambda p: p.parent.name)
def test_package_files_hold_a_docstring_and_nothing_else(path: Path) -> None:
    assert [type(node) for node in ast.parse(path.read_text()).body] == [ast.Expr]


def test_architecture_names_only_what_exists() -> None:
    named = re.findall(r"`((?:dpmed_core|pages|tests|benchmarks|docs|data|widgets)[\w./-]*)`", (ROOT / "ARCHITECTURE.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_architecture_names_every_folder_of_the_core() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [p.parent.relative_to(ROOT).as_posix() for p in ROOT.glob("dpmed_core/**/__init__.py")]
    assert [f for f in folders if f not in text] == []
