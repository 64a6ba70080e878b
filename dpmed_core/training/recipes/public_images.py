"""Labelled images of a public cohort, as a public start is trained on them and judged by others of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import SpecError

N_FOLDS = 5
FEWEST_UNITS = 10
"""Patients, or images where patients are not known, from which on a start can be trained and judged by others of them."""
FOLD_SEED = 20_230_206


@dataclass(frozen=True)
class OnPublicImages:
    """How a start does on public images, for one finding.

    Attributes:
        auroc: of images that it was not trained on.
        n_positive: all images with the finding.
    """

    auroc: float
    n_positive: int


@dataclass(frozen=True, eq=False)
class PublicImages:
    """The labels of public images, and whose they are.

    Attributes:
        findings: those that some images have and others have not.
        labels: `[n_cases, n_findings]`, NaN = unknown.
        unit_of_case: the patient of each image, `[n_cases]`; the image itself where patients are not known.
        n_units: patients.
    """

    findings: tuple[str, ...]
    labels: NDArray[np.float32] = field(repr=False)
    unit_of_case: NDArray[np.intp] = field(repr=False)
    n_units: int

    @classmethod
    def of(cls, cohort: Cohort) -> "PublicImages":
        """Those of a cohort. A finding that no image has, or that every one has, is left out.

        Raises:
            SpecError: it has too few patients, or no finding that some images have and others have not.
        """
        _, unit_of_case = np.unique(cohort.cases["patient_id"].to_numpy().astype(str), return_inverse=True)
        n_units = int(unit_of_case.max()) + 1
        if n_units < FEWEST_UNITS:
            raise SpecError(f"Cohort {cohort.name!r} has {n_units} patients, and a public start needs {FEWEST_UNITS}: import more of them.")
        everything = cls(cohort.findings, cohort.labels, unit_of_case, n_units)
        learnable = everything.has_both(np.ones(len(unit_of_case), dtype=bool))
        if not learnable.any():
            raise SpecError(
                f"Cohort {cohort.name!r} has no finding that some images have and others have not: nothing can be learnt from it."
            )
        return everything.where(learnable)

    def where(self, learnable: NDArray[np.bool_]) -> "PublicImages":
        """With these findings alone, `learnable` being `[n_findings]`."""
        findings = tuple(name for name, one in zip(self.findings, learnable, strict=True) if one)
        return PublicImages(findings, np.ascontiguousarray(self.labels[:, learnable]), self.unit_of_case, self.n_units)

    def has_both(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which findings some of these images have and others have not, `[n_findings]`."""
        positive, known = np.nansum(self.labels[rows], axis=0), (~np.isnan(self.labels[rows])).sum(axis=0)
        return np.asarray((positive > 0) & (positive < known))

    def folds(self) -> Iterator[NDArray[np.bool_]]:
        """The images of each fold of patients, `[n_cases]`; drawn from a fixed seed, so that the same cohort gives the same folds."""
        fold_of = np.random.default_rng([FOLD_SEED, self.n_units]).permutation(self.n_units) % N_FOLDS
        for fold in range(N_FOLDS):
            yield fold_of[self.unit_of_case] == fold

    def rows_by_unit(self, rows: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Of each patient the images among `rows`; patients without any are left out."""
        chosen = np.flatnonzero(rows)
        return [chosen[self.unit_of_case[chosen] == unit] for unit in np.unique(self.unit_of_case[chosen])]

    def judged(self, scores: NDArray[np.floating], rows: NDArray[np.bool_]) -> dict[str, OnPublicImages]:
        """How scores `[n_rows, n_findings]` of these images do, by finding."""
        told = {}
        for k, finding in enumerate(self.findings):
            labels, known = self.labels[rows, k], ~np.isnan(self.labels[rows, k])
            auroc = float(roc_auc_score(labels[known], scores[known, k]))
            told[finding] = OnPublicImages(auroc, int(np.nansum(self.labels[:, k])))
        return told
