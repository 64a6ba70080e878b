"""`docs/threat-model.md` names tests and code that exist: every mitigated threat a test, every open one none."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


@cache
def functions_of(name: str) -> set[str]:
    """The functions of a file of tests; none where there is no such file."""
    path = ROOT / "tests" / name
    nodes = ast.walk(ast.parse(path.read_text())) if path.exists() else ()
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def threats() -> list[list[str]]:
    """The cells of each row of the tables of mitigated threats: number, threat, what holds it, tests."""
    rows = [re.split(r" *\| *", line.strip("| ")) for line in section("Threats and what holds them").splitlines() if line.startswith("| T")]
    assert rows
    return rows


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
    assert named
    assert [f"{file}::{test}" for file, test in named if test not in functions_of(file)] == []


def test_every_mitigated_threat_names_what_holds_it_and_a_test() -> None:
    assert [row[0] for row in threats() if len(row) != 4 or not all(row) or not NAMED.search(row[3])] == []


def test_an_open_threat_claims_no_test() -> None:
    assert re.findall(r"^- \*\*(N\d+) ", section("Not yet mitigated"), re.M)
    assert NAMED.findall(section("Not yet mitigated")) == []


def test_no_number_stands_for_two_threats() -> None:
    numbers = [row[0] for row in threats()] + re.findall(r"^- \*\*(N\d+) ", section("Not yet mitigated"), re.M)
    assert len(set(numbers)) == len(numbers)


def test_entry_points_name_code_that_exists() -> None:
    named = re.findall(
        r"`([\w./-]+)`", "".join(line.split("|")[2] for line in section("Entry points").splitlines() if line.startswith("| "))
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
