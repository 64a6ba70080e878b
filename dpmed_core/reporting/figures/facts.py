"""What a figure must state to be read alone: who was scored, which version of the data, what epsilon means here."""

from collections.abc import Mapping, Sequence

import pandas as pd

from dpmed_core.cohort.display_names import version_alias
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.phrases import delta_text
from dpmed_core.reporting.figures.style import ARM_NAMES, Arm

NO_REFERENCE = "No private model has a non-private reference to compare with yet: train one, on the page Train or with `sweep`."


def require_rows(rows: pd.DataFrame, columns: Sequence[str], *, otherwise: str) -> None:
    """Refuse rows that a figure cannot be drawn from: none, or those of another table or metric.

    Args:
        rows: what is to be drawn.
        columns: which columns are drawn.
        otherwise: the message where there are no rows: why, and what to do.

    Raises:
        ExportError: there are no rows, or a column is missing.
    """
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise ExportError(f"These rows belong to another figure or metric: they have no column {', '.join(missing)}.")
    if rows.empty:
        raise ExportError(otherwise)


def nothing_trained(metric: Metric, finding: str) -> str:
    """The message where no run has a value."""
    return f"No finished run has {metric.title} for {finding}: train one first, on the page Train or with `sweep`."


def who(cohort: Cohort) -> str:
    """The cohort by name and version, and whether it is synthetic."""
    return f"{'Synthetic cohort' if cohort.synthetic else 'Cohort'} {cohort.name}, version {version_alias(cohort)}"


def counts(row: pd.Series) -> str:
    """Images, patients and positives of a row with the counts of `evaluation.tables.utility.COUNT_COLUMNS`."""
    return f"{row['n_cases']:,} test images of {row['n_patients']:,} patients, {row['n_positive']:,} positive labels"


def scored_by_finding(table: pd.DataFrame, cohort: Cohort, findings: Sequence[str]) -> str:
    """The cohort and its test images and patients, as a range over `findings`; the titles of panels give the positives."""
    rows = table[table["finding"].isin(findings)]
    return f"{who(cohort)} · {_range(rows['n_cases'])} test images of {_range(rows['n_patients'])} patients"


def guarantee_phrases(rows: pd.DataFrame) -> str:
    """Delta, unit and accountant of the private runs among `rows`, by recipe; empty where there is none.

    Args:
        rows: with the columns recipe, epsilon, delta, unit and accountant.
    """
    private = rows[rows["epsilon"] > 0]
    alone = ["ε = 0 at δ = 0: the public start alone, nothing learnt from this cohort"] if (rows["epsilon"] == 0).any() else []
    # Runs of one recipe may have several deltas or units; all are named, since an epsilon without them has no meaning.
    stated = (
        f"{recipe}: ε at δ = {_listed(group['delta'].map(delta_text))} for each {_listed(group['unit'])} "
        f"({_listed(group['accountant'])} accountant)"
        for recipe, group in private.groupby("recipe", sort=False)
    )
    return "; ".join([*stated, *alone])


def guarantee_phrase(rows: pd.DataFrame, epsilon: float) -> str:
    """The whole guarantee of the private runs among `rows` at `epsilon`, in one phrase.

    Raises:
        ExportError: there is none, so there is no guarantee to state.
    """
    private = rows[rows["epsilon"] == epsilon]
    require_rows(
        private, ["delta", "unit", "accountant", "recipe"], otherwise=f"No private run at ε = {epsilon:g} is finished for this choice."
    )
    if epsilon == 0:
        return f"ε = 0 and δ = 0 for each {_listed(private['unit'])} (a public start alone, nothing learnt from this cohort)"
    return (
        f"ε = {epsilon:g} at δ = {_listed(private['delta'].map(delta_text))} for each {_listed(private['unit'])} "
        f"({_listed(private['accountant'])} accountant), recipe {_listed(private['recipe'])}"
    )


def runs_phrase(arms: Mapping[Arm, pd.DataFrame]) -> str:
    """How many training runs each arm's values are the mean of."""
    # Findings and subgroups of one arm may rest on different numbers of runs; the largest is how many were trained.
    counted = {arm: rows[["n_seeds", "n_distinct"]].dropna().max() for arm, rows in arms.items() if rows["n_seeds"].notna().any()}
    phrases = [f"{ARM_NAMES[arm]}: {_averaged(int(n['n_seeds']), int(n['n_distinct']))}" for arm, n in counted.items()]
    return "; ".join(phrases)


def _averaged(n_runs: int, n_distinct: int) -> str:
    if n_distinct > 1:
        return f"mean of {n_runs} training runs"
    return "1 training run" if n_runs == 1 else f"1 training run ({n_runs} that do not differ)"


def error_floor_phrase(calibration: pd.DataFrame) -> str:
    """What the expected calibration error would be for perfectly calibrated models; empty where it is not estimable.

    Args:
        calibration: rows with the column ece_floor, of the findings and runs that are shown.
    """
    floors = calibration["ece_floor"].dropna()
    if floors.empty:
        return ""
    low, high = (f"{end:.2f}" for end in (floors.min(), floors.max()))
    about = low if low == high else f"{low} to {high}"
    return f"Expected calibration error: above 0 even for a perfectly calibrated model, about {about} with these scores and so many images."


def _range(values: pd.Series) -> str:
    if values.empty:
        return "0"
    # Findings may have unknown labels in different images.
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _listed(values: pd.Series) -> str:
    return " or ".join(map(str, values.dropna().drop_duplicates()))
