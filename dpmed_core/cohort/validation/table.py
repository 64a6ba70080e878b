"""The validation report as a table."""

import pandas as pd

from dpmed_core.cohort.display_names import sentence_start
from dpmed_core.cohort.report import Check, ImportReport, Severity
from dpmed_core.cohort.validation.repairs import repair_of

WORDS = {Severity.BLOCKING: "Prevents training", Severity.WARNING: "Warning", Severity.NOTE: "Note"}
ROWS_SHOWN = 12


def checks_table(report: ImportReport) -> pd.DataFrame:
    """One row per check, the most serious first, with the columns weight, sentence, repair, rows (the first of them) and guarantee."""
    return pd.DataFrame(
        {
            "weight": [WORDS[check.severity] for check in report.checks],
            "sentence": [check.sentence for check in report.checks],
            "repair": [sentence_start(repair_of(check)) for check in report.checks],
            "rows": [_first(check.rows) for check in report.checks],
            "guarantee": ["outside" if check.outside_guarantee else "" for check in report.checks],
        }
    )


def rows_text(check: Check) -> str:
    """All rows that `check` is about; groups of rows that belong together are in parentheses."""
    if check.groups:
        return ", ".join(f"({', '.join(map(str, group))})" for group in check.groups)
    return ", ".join(map(str, check.rows))


def _first(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows[:ROWS_SHOWN])) + (f" and {len(rows) - ROWS_SHOWN:,} more" if len(rows) > ROWS_SHOWN else "")
