"""Scored cases as arrays: runs that were scored on the same cases, side by side."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.scores.scored_cases import CASE_SCORE_COLUMNS, RUN_COLUMNS


@dataclass(frozen=True, eq=False)
class Panel:
    """Runs with the same cases of one part; only within a panel can runs be compared case by case.

    Attributes:
        runs: one row a run, with `RUN_COLUMNS`.
        findings: names.
        cases: one row a case: case_id, patient_id, and who the patient is (age, sex, co-morbidities).
        patients: `[n_cases]`, patients numbered from 0.
        n_patients: how many.
        labels: `[n_findings, n_cases]`: 1, 0, or NaN for unknown.
        scores: `[n_runs, n_findings, n_cases]`.
    """

    runs: pd.DataFrame
    findings: tuple[str, ...]
    cases: pd.DataFrame = field(repr=False)
    patients: NDArray[np.intp] = field(repr=False)
    n_patients: int
    labels: NDArray[np.float64] = field(repr=False)
    scores: NDArray[np.float64] = field(repr=False)


def panels_of(scored: pd.DataFrame, part: Part = Part.TEST) -> list[Panel]:
    """The cases of `part`, one panel for each set of runs that were scored on the same cases.

    A label that is not the same in all runs, or a score that is missing in one, leaves the case out for that finding.

    Args:
        scored: scored cases.
        part: test, or validation.
    """
    scored = scored[scored["split"] == part.value]
    if scored.empty:
        return []
    run_codes, run_ids = pd.factorize(scored["run_id"])
    case_codes, case_ids = pd.factorize(scored["case_id"])
    scored_in = np.zeros((len(run_ids), len(case_ids)), dtype=bool)
    scored_in[run_codes, case_codes] = True
    same: dict[bytes, list[int]] = {}
    for run, row in enumerate(scored_in):
        same.setdefault(row.tobytes(), []).append(run)
    if len(same) == 1:
        return [_panel(scored)]
    return [_panel(scored[np.isin(run_codes, runs)]) for runs in same.values()]


def _panel(scored: pd.DataFrame) -> Panel:
    run, run_ids = pd.factorize(scored["run_id"])
    finding, findings = pd.factorize(scored["finding"])
    case, case_ids = pd.factorize(scored["case_id"])
    scores = np.full((len(run_ids), len(findings), len(case_ids)), np.nan)
    scores[run, finding, case] = scored["score"].to_numpy(dtype=float)
    known = np.full(scores.shape, np.nan)
    known[run, finding, case] = scored["label"].to_numpy(dtype=float)
    usable = (known == known[:1]).all(axis=0) & ~np.isnan(scores).any(axis=0)
    who = [name for name in scored.columns if name not in {*RUN_COLUMNS, *CASE_SCORE_COLUMNS} - {"case_id", "patient_id"}]
    _, first_of_case = np.unique(case, return_index=True)
    _, first_of_run = np.unique(run, return_index=True)
    cases = scored.iloc[first_of_case][who].reset_index(drop=True)
    patients, patient_ids = pd.factorize(cases["patient_id"])
    return Panel(
        runs=scored.iloc[first_of_run][list(RUN_COLUMNS)].reset_index(drop=True),
        findings=tuple(map(str, findings)),
        cases=cases,
        patients=patients.astype(np.intp),
        n_patients=len(patient_ids),
        labels=np.where(usable, known[0], np.nan),
        scores=np.nan_to_num(scores),
    )
