"""The tables of what is asked for beside what was frozen, as text."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_title, subgroup_title
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.decision_report.report_tables import Table, interval, number
from dpmed_core.phrases import delta_text, epsilon_text, rounded_up
from dpmed_core.privacy.exposure.aggregates import EVERYBODY
from dpmed_core.training.result import NEIGHBORING_RELATION

NOT_SHOWN = "withheld"
UNKNOWN_LABEL = "not known"


def beside_tables(gathered: Gathered) -> list[Table]:
    """Those that were asked for, in the order of the report."""
    protection, cases = gathered.protection, gathered.cases
    measured = [] if protection is None else [protection_table(protection), exposed_groups_table(gathered, protection)]
    return [*measured, *([] if cases is None else [cases_table(cases)])]


def protection_table(aggregated: pd.DataFrame) -> Table:
    """The attack on all training patients, at each measured budget and without privacy."""
    rows = aggregated[aggregated["attribute"] == EVERYBODY]
    return Table(
        "protection",
        f"How well an attacker who sees a model tells that a training patient took part (AUC, 0.5 is chance), by {_trainings(rows)} shadow "
        f"trainings a row. Unit of privacy: {_unit(rows)}; {_accounted()}. Measured without noise: no guarantee covers these numbers. "
        "Counts of 1 to 4 are withheld. Not frozen with the review: what was measured last.",
        (
            "Privacy",
            "δ",
            "Patients",
            "Median AUC",
            "By chance",
            "Patients at 0.9 or more",
            "Better than chance",
            "Bound of one unit",
        ),
        [
            (
                *_budget(row),
                f"{int(row['n_patients']):,}",
                number(row["median_auc"]),
                number(row["median_auc_by_chance"]),
                _count(row["n_at_least_0.9"]),
                _count(row["n_flagged"]),
                f"{rounded_up(row['bound_of_one_unit'], 3):g}" if pd.notna(row["bound_of_one_unit"]) else "none",
            )
            for _, row in rows.iterrows()
        ],
    )


def exposed_groups_table(gathered: Gathered, aggregated: pd.DataFrame) -> Table:
    """The attack by group of training patients, at the candidate's budget; empty where that was not measured."""
    epsilon, delta = gathered.candidate["epsilon"], gathered.candidate["delta"]
    rows = aggregated[(aggregated["attribute"] != EVERYBODY) & (aggregated["epsilon"] == epsilon) & (aggregated["delta"] == delta)]
    measured = f"at ε = {epsilon_text(epsilon)}, δ = {delta_text(delta)}, unit {gathered.candidate['unit']}, {_accounted()}"
    return Table(
        "exposed-groups",
        f"Mean AUC of the attack on groups of training patients {measured}. Groups of fewer than 10 patients are withheld. Limits of a "
        "mean hold alone (95 %); limits and verdicts of differences from the other patients hold for all groups and budgets together "
        "(97 %).",
        ("Group", "Patients", "Mean AUC", "95 % interval", "Difference", "Limits", "Verdict"),
        [
            (
                subgroup_title(row["attribute"], row["group"]),
                _count(row["n_patients"]),
                _or_withheld(row["mean_auc"]),
                interval(row, "mean_low", "mean_high"),
                _or_withheld(row["difference"]),
                interval(row, "difference_low", "difference_high"),
                str(row["verdict"]),
            )
            for _, row in rows.iterrows()
        ],
    )


def cases_table(cases: pd.DataFrame) -> Table:
    """The cases that comments are on, without what could name a patient."""
    return Table(
        "cases",
        "Held-out cases that comments are on: the label, and the scores with and without privacy, each the mean of all reviewed trainings. "
        "No guarantee covers held-out patients. Cases have numbers instead of names; words on them, pixels, age and sex stay in the house.",
        ("Case", "Finding", "Label", "With privacy", "Without"),
        [
            (
                f"Case {int(row['number'])}",
                finding_title(row["finding"]),
                UNKNOWN_LABEL if pd.isna(row["label"]) else "present" if row["label"] else "absent",
                number(row["private"]),
                number(row["non_private"]),
            )
            for _, row in cases.iterrows()
        ],
    )


def _budget(row: pd.Series) -> tuple[str, str]:
    if pd.isna(row["epsilon"]):
        return "without privacy", ""
    return f"ε = {epsilon_text(row['epsilon'])}", delta_text(row["delta"])


def _accounted() -> str:
    # Shadow trainings are of full batches: one Gaussian mechanism, whatever was asked for.
    return f"analytic-gaussian accountant, {NEIGHBORING_RELATION} neighbours"


def _trainings(rows: pd.DataFrame) -> str:
    return " or ".join(f"{count:,}" for count in rows["trainings"].drop_duplicates())


def _unit(rows: pd.DataFrame) -> str:
    return " or ".join(rows["unit"].drop_duplicates())


def _count(value: float | None) -> str:
    return NOT_SHOWN if pd.isna(value) else f"{int(value):,}"


def _or_withheld(value: float | None) -> str:
    return NOT_SHOWN if value is None or pd.isna(value) else number(value)
