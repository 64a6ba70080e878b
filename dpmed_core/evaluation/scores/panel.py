"""Scores as arrays: runs that were scored on the same cases, side by side."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
        unusable: `[n_findings, n_cases]`, where a run has no score, or runs have different labels, so that the label here is unknown for
            another reason than that nobody knows it; None for nowhere.
    """

    runs: pd.DataFrame
    findings: tuple[str, ...]
    cases: pd.DataFrame = field(repr=False)
    patients: NDArray[np.intp] = field(repr=False)
    n_patients: int
    labels: NDArray[np.float64] = field(repr=False)
    scores: NDArray[np.float64] = field(repr=False)
    unusable: NDArray[np.bool_] | None = field(default=None, repr=False)

    def with_unknown_labels(self, label: float) -> "Panel":
        """The panel as it would be if every unknown label were `label`, 1 or 0."""
        unknown = np.isnan(self.labels) if self.unusable is None else np.isnan(self.labels) & ~self.unusable
        return replace(self, labels=np.where(unknown, label, self.labels))

    def only(self, runs: NDArray[np.bool_]) -> "Panel":
        """The panel with some of its runs, a mask `[n_runs]`."""
        return replace(self, runs=self.runs[runs].reset_index(drop=True), scores=self.scores[runs])
