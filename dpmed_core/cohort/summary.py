"""Counts of a cohort's cases, patients and findings, by part and subgroup."""

from collections.abc import Iterator

import pandas as pd

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.schema import Cohort, Split


def counts_table(cohort: Cohort, split: Split) -> pd.DataFrame:
    """Counts with the columns attribute, subgroup, part, n_cases, n_patients, then the number of positive cases of each finding.

    Attribute "all" means all patients, part "all" all parts together. Unknown values form a subgroup of their own.
    """
    cases = cohort.cases.assign(part=split.parts)
    rows = [
        _counts(cases[mask], attribute, subgroup, part, cohort.findings)
        for attribute, subgroup, mask in _groups(cohort)
        for part in ("all", "train", "validation", "test")
    ]
    return pd.DataFrame(rows)


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
