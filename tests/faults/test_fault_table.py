"""The table of faults in `docs/operations.md` has a test for each of them, and every scene of the benchmark stands in it."""

import re
from pathlib import Path

from tests.test_threat_model import NAMED, functions_of

TEXT = (
    (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text().split("\n## Faults that were tried\n")[1].split("\n## ")[0]
)
ROWS = [re.split(r" *\| *", line.strip("| ")) for line in TEXT.splitlines() if line.startswith("| ")][1:]


def test_every_fault_says_what_is_seen_lost_and_spent_and_names_a_test_that_exists() -> None:
    assert len(ROWS) > 15 and all(len(row) == 6 and all(row) for row in ROWS), [row[0] for row in ROWS if len(row) != 6]
    for row in ROWS:
        named = NAMED.findall(row[5])
        assert named and all(test in functions_of(file) for file, test in named), row[0]


def test_no_fault_costs_a_wrong_sum() -> None:
    assert {row[4].split(",")[0] for row in ROWS} <= {"right", "none", "not less than before"}
