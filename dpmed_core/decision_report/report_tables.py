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
from dpmed_core.phrases import counted

UNKNOWN = "not estimable"
GROUPS, GROUPS_WITHOUT = "groups", "groups-without"


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

    @property
    def is_of_groups(self) -> bool:
        """Whether its rows are groups of patients."""
        return self.name in (GROUPS, GROUPS_WITHOUT)

    def without_blank_columns(self) -> "Table":
        """The table without columns in which nothing stands."""
        filled = [place for place in range(len(self.head)) if any(row[place] for row in self.rows)]
        rows = [[row[place] for place in filled] for row in self.rows]
        return Table(self.name, self.caption, [self.head[place] for place in filled], rows)


def all_tables(gathered: Gathered) -> list[Table]:
    """The tables of a report that have rows, in their order, without blank columns."""
    makers = (findings_table, budgets_table, errors_table, groups_table, groups_without_table)
    made = [make(gathered).without_blank_columns() for make in makers]
    return [table for table in made if table.rows]


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
    """The verdicts on the groups of the analysis plan that can be given: whether one loses more than all others."""
    rows = of_candidate(gathered, gathered.tables.verdicts)
    rows = rows[rows["excess"].notna()]
    return Table(
        GROUPS,
        "Extra loss: how much more AUROC a group loses through privacy than all others. Intervals and verdicts hold together over all "
        "comparisons of the analysis plan.",
        (
            *("Group", "Finding", "Loss", "Loss of the others", "Extra loss", "95 % interval", "Verdict", "Found from"),
            *("Images", "Positive", "Patients"),
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
            )
            for _, row in rows.iterrows()
        ],
    )


def groups_without_table(gathered: Gathered) -> Table:
    """The comparisons of the analysis plan for which there is no number: a row for each group and reason."""
    everything = of_candidate(gathered, gathered.tables.verdicts)
    rows = everything[everything["excess"].isna()].fillna({"reason": ""})
    groups, _ = pd.factorize(pd.MultiIndex.from_frame(rows[["attribute", "subgroup"]]))
    in_order = rows.iloc[groups.argsort(kind="stable")]
    by_reason = [found for _, found in in_order.groupby(["attribute", "subgroup", "reason"], sort=False)]
    return Table(
        GROUPS_WITHOUT,
        f"{len(rows):,} of {counted(len(everything), 'comparison', 'comparisons')} of groups cannot be estimated; after each finding, how "
        "many images show it. Nothing is known of these, which is not the same as no loss.",
        ("Group", "Images", "Patients", "Not estimable because", "Findings"),
        [
            (
                subgroup_title(*found.iloc[0][["attribute", "subgroup"]]),
                _span(found["n_cases"]),
                _span(found["n_patients"]),
                str(found["reason"].iloc[0]),
                ", ".join(f"{finding_title(row['finding'])} ({int(row['n_positive']):,})" for _, row in found.iterrows()),
            )
            for found in by_reason
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
    finding = min(rows["finding"].unique(), key=lambda name: name != MACRO, default=None)
    rows = rows[rows["finding"] == finding]
    value, low, high = AUROC.columns
    return Table(
        "budgets",
        f"AUROC of all test patients at every trained budget, {finding_title(finding or '').lower()}.",
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


def _span(counts: pd.Series) -> str:
    """ "9", or "9 to 12"."""
    least, most = int(counts.min()), int(counts.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
