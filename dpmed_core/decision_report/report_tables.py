"""The tables of a report as text: every cell is what the frozen table says, rounded once."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.largest_loss import at_budget
from dpmed_core.evaluation.tables.practice import ALARMS, MISSED, OWN

UNKNOWN = "not estimable"


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        name: by which a reader finds it.
        caption: what it shows.
        head: the columns.
        rows: as many cells each.
    """

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def without_blank_columns(self) -> "Table":
        """The table without columns in which nothing stands."""
        filled = [place for place in range(len(self.head)) if any(row[place] for row in self.rows)]
        rows = [[row[place] for place in filled] for row in self.rows]
        return Table(self.name, self.caption, [self.head[place] for place in filled], rows)


def number(value: float, digits: int = 3) -> str:
    """A number with a minus sign instead of a hyphen, and without a sign where it rounds to nothing.

    >>> number(-0.0461), number(-0.0001), number(float("nan"))
    ('−0.046', '0.000', 'not estimable')
    """
    return UNKNOWN if pd.isna(value) else f"{value:z.{digits}f}".replace("-", "−")


def interval(row: pd.Series, low: str, high: str, digits: int = 3) -> str:
    """ "−0.061 to −0.031"; empty where there is none."""
    return "" if pd.isna(row[low]) or pd.isna(row[high]) else f"{number(row[low], digits)} to {number(row[high], digits)}"


def of_candidate(gathered: Gathered, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the candidate against its reference, of a table of costs, verdicts or errors."""
    candidate = gathered.candidate
    return at_budget(table, recipe=candidate["recipe"], unit=candidate["unit"], epsilon=candidate["epsilon"])


def findings_table(gathered: Gathered) -> Table:
    """What privacy costs all test patients, by finding; the mean first."""
    rows = of_candidate(gathered, gathered.tables.auroc.costs)
    rows = rows[rows["attribute"] == EVERYBODY].sort_values("finding", key=lambda names: names != MACRO, kind="stable")
    return Table(
        "findings",
        f"AUROC of all test patients with and without privacy, and the difference against the margin of {gathered.tables.margin:g}. "
        f"Intervals are over {' or '.join(rows['covers'].drop_duplicates())}.",
        (
            *("Finding", "With privacy", "Without", "Difference", "95 % interval", "Verdict"),
            *("Images", "Positive", "Patients", "Not estimable because"),
        ),
        [
            (
                finding_title(row["finding"]),
                number(row[AUROC.name]),
                number(row[f"{AUROC.name}_reference"]),
                number(row["difference"]),
                interval(row, "difference_low", "difference_high"),
                str(row["verdict"]),
                *_counts(row),
                str(row["reason"] or ""),
            )
            for _, row in rows.iterrows()
        ],
    )


def groups_table(gathered: Gathered) -> Table:
    """The verdicts on the groups of the analysis plan: whether one loses more than all others."""
    rows = of_candidate(gathered, gathered.tables.verdicts)
    return Table(
        "groups",
        "Extra loss: how much more AUROC a group loses through privacy than all others. Intervals and verdicts hold together over all "
        "comparisons of the analysis plan.",
        (
            *("Group", "Finding", "Loss", "Loss of the others", "Extra loss", "95 % interval", "Verdict", "Found from"),
            *("Images", "Positive", "Patients", "Not estimable because"),
        ),
        [
            (
                subgroup_title(row["attribute"], row["subgroup"]),
                finding_title(row["finding"]),
                number(row["loss"]),
                number(row["loss_others"]),
                number(row["excess"]),
                interval(row, "excess_low", "excess_high"),
                str(row["verdict"]),
                "" if pd.isna(row["detectable"]) else number(row["detectable"], 2),
                *_counts(row),
                str(row["reason"] or ""),
            )
            for _, row in rows.iterrows()
        ],
    )


def errors_table(gathered: Gathered) -> Table:
    """Missed findings and false alarms of all test patients, private minus non-private."""
    rows = of_candidate(gathered, gathered.tables.practice_differences)
    rows = rows[(rows["attribute"] == EVERYBODY) & (rows["thresholds"] == OWN)]
    rows = rows.sort_values("finding", key=lambda names: names != MACRO, kind="stable")
    ends = [(f"{name}_more", f"{name}_more_low", f"{name}_more_high") for name in (MISSED, ALARMS)]
    return Table(
        "errors",
        "Errors more with privacy than without, each training run at its own threshold: missed of 100 with the finding, false alarms of "
        "100 without it.",
        ("Finding", "More missed", "95 % interval", "More false alarms", "95 % interval"),
        [
            (
                finding_title(row["finding"]),
                *(cell for more, low, high in ends for cell in (number(row[more], 1), interval(row, low, high, 1))),
            )
            for _, row in rows.iterrows()
        ],
    )


def budgets_table(gathered: Gathered) -> Table:
    """The mean over findings at every trained budget, and without privacy; of the one finding where there is no other."""
    rows = gathered.tables.auroc.overall
    finding = next(iter(sorted(rows["finding"].unique(), key=lambda name: name != MACRO)), None)
    rows = rows[rows["finding"] == finding]
    of_what = "not estimable for any finding" if finding is None else finding_title(finding).lower()
    value, low, high = AUROC.columns
    return Table(
        "budgets",
        f"AUROC of all test patients at every trained budget, {of_what}.",
        ("Privacy", "δ", "AUROC", "95 % interval", "Training runs", "Images", "Patients"),
        [
            (
                f"ε = {row['epsilon']:g}" if pd.notna(row["epsilon"]) else "without privacy",
                f"{row['delta']:g}" if pd.notna(row["delta"]) else "",
                number(row[value]),
                interval(row, low, high),
                str(int(row["n_seeds"])),
                f"{int(row['n_cases']):,}",
                f"{int(row['n_patients']):,}",
            )
            for _, row in rows.sort_values("epsilon", na_position="last").iterrows()
        ],
    )


def _counts(row: pd.Series) -> tuple[str, str, str]:
    """Images, positive ones and patients."""
    return f"{int(row['n_cases']):,}", f"{int(row['n_positive']):,}", f"{int(row['n_patients']):,}"
