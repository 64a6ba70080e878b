"""Scores as arrays: runs that were scored on the same cases, side by side."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.kept_arrays import Arrays, KeptArrays, digest_of


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
        kept: what is kept of the runs; None where nothing is.
    """

    runs: pd.DataFrame
    findings: tuple[str, ...]
    cases: pd.DataFrame = field(repr=False)
    patients: NDArray[np.intp] = field(repr=False)
    n_patients: int
    labels: NDArray[np.float64] = field(repr=False)
    scores: NDArray[np.float64] = field(repr=False)
    unusable: NDArray[np.bool_] | None = field(default=None, repr=False)
    kept: KeptArrays | None = field(default=None, repr=False)

    @cached_property
    def run_ids(self) -> tuple[str, ...]:
        """The run_id of each run."""
        return tuple(map(str, self.runs["run_id"]))

    @cached_property
    def score_digests(self) -> tuple[str, ...]:
        """A hash of each run's scores."""
        return tuple(map(digest_of, self.scores))

    @cached_property
    def labels_digest(self) -> str:
        """A hash of labels, and of which cases are of one patient."""
        return digest_of(self.labels, self.patients, str(self.n_patients))

    def computed_once(self, run: int, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """What `compute` gives for a run, by its index: as it is kept under `name`, which stands for all that it is computed from."""
        return compute() if self.kept is None else self.kept.computed_once(self.run_ids[run], name, compute)

    def with_unknown_labels(self, label: float) -> "Panel":
        """The panel as it would be if every unknown label were `label`, 1 or 0."""
        unknown = np.isnan(self.labels) if self.unusable is None else np.isnan(self.labels) & ~self.unusable
        return replace(self, labels=np.where(unknown, label, self.labels))

    def only(self, runs: NDArray[np.bool_]) -> "Panel":
        """The panel with some of its runs, a mask `[n_runs]`."""
        return replace(self, runs=self.runs[runs].reset_index(drop=True), scores=self.scores[runs])
