"""One package reads and writes the address, so that one place decides what an address says."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("widgets/**/*.py")])


def touches_the_address(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Attribute) and node.attr == "query_params" for node in ast.walk(tree))


def test_only_the_session_of_the_address_touches_query_params() -> None:
    assert [path.relative_to(ROOT).as_posix() for path in SOURCES if touches_the_address(path)] == ["widgets/address/session.py"]


def test_nothing_else_remembers_choices_under_names_of_its_own() -> None:
    kept = [path for path in SOURCES if "kept-" in path.read_text(encoding="utf-8") and "session_state" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(ROOT).as_posix() for path in kept if path.parts[-2] != "address"] == []
