"""The house's own rules, checked; one test a rule."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "dpmed_core"
SOURCES = sorted([*CORE.rglob("*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("widgets/**/*.py"), ROOT / "app.py"])
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OPACUS_IMPORTERS = {
    "accounting/accounting.py",
    "dpsgd/registered.py",
    "dpsgd/stepper.py",
    "dpsgd/unit_gradients.py",
}
"""The private step, the unit gradients under it and its accounting, in `dpmed_core/training`."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rooms() -> list[str]:
    """The folders and modules that stand directly in the core."""
    return sorted(p.stem for p in CORE.iterdir() if (p / "__init__.py").exists() or (p.suffix == ".py" and p.stem != "__init__"))


def layers() -> list[set[str]]:
    """The rooms of the core from the top down, as the import contract orders them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    ordered = next(contract["layers"] for contract in contracts if contract.get("containers") == ["dpmed_core"])
    return [set(re.findall(r"\w+", layer)) for layer in ordered]


def test_what_pages_import_loads_neither_torch_nor_opacus() -> None:
    pages = [path for path in SOURCES if not path.is_relative_to(CORE)]
    modules = sorted({name for path in pages for name in imports_of(path) if (ROOT / f"{name.replace('.', '/')}.py").exists()})
    modules = [name for name in modules if name.startswith("dpmed_core")]
    assert "dpmed_core.installation" in modules
    program = f"import sys, {', '.join(modules)}\nprint([m for m in ('torch', 'opacus', 'distributed') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert printed.stdout.strip() == "[]"


def test_only_the_private_step_and_its_accounting_import_opacus() -> None:
    importers = [path for path in SOURCES if any(name.split(".")[0] == "opacus" for name in imports_of(path))]
    assert {path.relative_to(CORE / "training").as_posix() for path in importers} == OPACUS_IMPORTERS


def test_the_import_contract_names_every_room_of_the_core_and_nothing_else() -> None:
    named = set().union(*layers())
    assert named - set(rooms()) <= {"accounts", "privacy", "review"}, "only rooms that are planned may be named before they exist"
    assert set(rooms()) <= named


def test_nothing_imports_the_application() -> None:
    assert [name_of(path) for path in SOURCES if any(name.split(".")[0] == "app" for name in imports_of(path))] == []


def test_files_have_at_most_400_lines() -> None:
    assert [name_of(path) for path in SOURCES if path.read_text().count("\n") > 400] == []


def test_functions_have_under_60_lines() -> None:
    functions = [(path, node) for path in SOURCES for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS)]
    assert [f"{name_of(path)}:{node.name}" for path, node in functions if (node.end_lineno or 0) - node.lineno >= 60] == []


def test_functions_of_16_lines_and_more_have_a_docstring() -> None:
    functions = [(path, node) for path in SOURCES for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS)]
    long = [(path, node) for path, node in functions if (node.end_lineno or 0) - node.lineno >= 15]
    assert [f"{name_of(path)}:{node.name}" for path, node in long if not ast.get_docstring(node)] == []


def test_no_folder_holds_over_a_fifth_of_the_house() -> None:
    lines = {path: path.read_text().count("\n") for path in SOURCES}
    total = sum(lines.values())
    shares = {room: sum(n for path, n in lines.items() if path.is_relative_to(CORE / room)) / total for room in rooms()}
    assert {room: share for room, share in shares.items() if share > 0.2} == {}


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    packages = [*CORE.rglob("__init__.py"), *ROOT.glob("widgets/**/__init__.py")]
    assert [name_of(p) for p in packages if [type(node) for node in parsed(p).body] != [ast.Expr]] == []


def test_architecture_names_only_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:dpmed_core|pages|tests|benchmarks|docs|data|widgets)[\w./-]*)`", text)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_architecture_names_every_folder_of_the_core() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = [name_of(path.parent) for path in CORE.rglob("__init__.py") if path.parent != CORE]
    assert [folder for folder in folders if f"`{folder}`" not in text] == []


def test_the_table_of_imports_in_architecture_is_what_the_files_import() -> None:
    """Each row of the table: a room, what it holds, and every other room of the core that its files import."""
    table = re.findall(r"^\| `dpmed_core/(\w+)(?:\.py)?` \|[^|]*\|([^|]*)\|$", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    said = {room: set(re.findall(r"\w+", imported)) for room, imported in table}
    found = {}
    for room in rooms():
        files = [path for path in SOURCES if path.is_relative_to(CORE / room) or path == CORE / f"{room}.py"]
        names = {name.split(".")[1] for path in files for name in imports_of(path) if name.startswith("dpmed_core.")}
        found[room] = (names & set(rooms())) - {room}
    assert said == found
    order = [next(depth for depth, layer in enumerate(layers()) if room in layer) for room, _ in table]
    assert order == sorted(order), "the table's rows stand in the order of the contract's layers"
