"""Counts of a cohort's cases, patients and findings, by part and subgroup."""

from collections.abc import Iterator, Sequence

import pandas as pd

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort, Split

ALL_PARTS = ("all", "train", "validation", "test")
"""The parts of `counts_table`; "all" is all of them together."""
HELD_OUT = ("validation", "test")
"""The parts whose patients no guarantee covers, and which may therefore be counted."""


def counts_table(cohort: Cohort, split: Split) -> pd.DataFrame:
    """Counts with the columns attribute, subgroup, part, n_cases, n_patients, then the number of positive cases of each finding.

    Attribute "all" means all patients, part "all" all parts together. Unknown values form a subgroup of their own.
    """
    cases = cohort.cases.assign(part=split.parts)
    rows = [
        _counts(cases[mask], attribute, subgroup, part, cohort.findings)
        for attribute, subgroup, mask in _groups(cohort)
        for part in ALL_PARTS
    ]
    return pd.DataFrame(rows)


def share_positive(counts: pd.DataFrame, findings: Sequence[str], parts: Sequence[str]) -> pd.Series:
    """The share of positive cases among the cases of `parts`, by finding; of all cases if "all" is one of them. NaN where there is no case.

    Args:
        counts: from `counts_table`.
        findings: the findings.
        parts: which parts count.
    """
    counted = ["all"] if "all" in parts else list(parts)
    totals = counts[(counts["attribute"] == "all") & counts["part"].isin(counted)][["n_cases", *findings]].sum()
    return totals[list(findings)] / (totals["n_cases"] or float("nan"))


def _groups(cohort: Cohort) -> Iterator[tuple[str, str, pd.Series]]:
    """Attribute, subgroup and membership of each subgroup that has cases."""
    yield "all", "all", pd.Series(True, index=cohort.cases.index)
    for attribute in ("sex", "age", *cohort.comorbidities):
        membership = subgroups(cohort.cases, attribute)
        for subgroup in membership.cat.categories:
            if (membership == subgroup).any():
                yield attribute, str(subgroup), membership == subgroup


def _counts(cases: pd.DataFrame, attribute: str, subgroup: str, part: str, findings: tuple[str, ...]) -> dict[str, object]:
    chosen = cases if part == "all" else cases[cases["part"] == part]
    return {
        "attribute": attribute,
        "subgroup": subgroup,
        "part": part,
        "n_cases": len(chosen),
        "n_patients": int(chosen["patient_id"].nunique()),
        **{finding: int((chosen[finding] == 1).sum()) for finding in findings},
    }
