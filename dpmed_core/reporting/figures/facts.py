"""What must stand in a picture so that it can be read alone: who was scored, which version of the data, what epsilon means here."""

from collections.abc import Mapping, Sequence

import pandas as pd

from dpmed_core.cohort.display_names import version_alias
from dpmed_core.cohort.schema import Cohort
from dpmed_core.reporting.figures.style import ARM_NAMES, Arm


def who(cohort: Cohort) -> str:
    """The cohort by name and version; a synthetic one is called so."""
    return f"{'Synthetic cohort' if cohort.synthetic else 'Cohort'} {cohort.name}, version {version_alias(cohort)}"


def counts(row: pd.Series) -> str:
    """Images, patients and positives of a row with the counts of `evaluation.tables.utility.UTILITY_COLUMNS`."""
    return f"{row['n_cases']:,} test images of {row['n_patients']:,} patients, {row['n_positive']:,} positive labels"


def scored_by_finding(table: pd.DataFrame, cohort: Cohort, findings: Sequence[str]) -> str:
    """The cohort and its test images and patients, over `findings`; their positives stand at the panels."""
    rows = table[table["finding"].isin(findings)]
    return f"{who(cohort)} · {_range(rows['n_cases'])} test images of {_range(rows['n_patients'])} patients"


def guarantee_phrases(rows: pd.DataFrame) -> str:
    """Delta, unit and accountant of the private runs among `rows`, by recipe; empty where there is none.

    Args:
        rows: with the columns recipe, epsilon, delta, unit and accountant.
    """
    private = rows[rows["epsilon"].notna()]
    return "; ".join(
        f"{recipe}: ε at δ = {_listed(group['delta'].map('{:.0e}'.format))} for each {_listed(group['unit'])} "
        f"({_listed(group['accountant'])} accountant)"
        for recipe, group in private.groupby("recipe", sort=False)
    )


def guarantee_phrase(rows: pd.DataFrame, epsilon: float) -> str:
    """The whole guarantee of the private runs among `rows` at `epsilon`, in one phrase."""
    private = rows[rows["epsilon"] == epsilon]
    return (
        f"ε = {epsilon:g} at δ = {_listed(private['delta'].map('{:.0e}'.format))} for each {_listed(private['unit'])} "
        f"({_listed(private['accountant'])} accountant), recipe {_listed(private['recipe'])}"
    )


def trainings(arms: Mapping[Arm, pd.DataFrame]) -> str:
    """How many trainings each arm's values are the mean of."""
    counted = {arm: sorted(set(rows["n_seeds"].dropna().astype(int))) for arm, rows in arms.items() if len(rows)}
    said = [f"{ARM_NAMES[arm]}: {'1 training' if n == [1] else f'mean of {n[-1]} trainings'}" for arm, n in counted.items() if n]
    return "; ".join(said)


def _range(values: pd.Series) -> str:
    if values.empty:
        return "0"
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _listed(values: pd.Series) -> str:
    return " or ".join(map(str, values.dropna().drop_duplicates()))
