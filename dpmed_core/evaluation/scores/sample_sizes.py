"""How many images and patients there are of each class, and whether they are enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping

SMALLEST_CLASS = 5
"""Fewer positive or negative images than this, or patients with them: not estimable."""
FEWEST_PATIENTS = 10
"""Fewer patients than this: not estimable."""
FEWEST_EFFECTIVE = 2.5
"""Fewer patients of the rarer class than this, weighed by their images: one or two patients would decide alone."""
NOTHING_ESTIMABLE = "no finding is estimable"
FEW_GROUPS = "fewer than two subgroups are estimable"

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Counts:
    """How much there is of one finding in each subgroup; arrays `[n_groups]`.

    Attributes:
        cases: images with a known label.
        positive: of these, positive.
        patients: patients of these images.
        positive_patients: patients with a positive image.
        negative_patients: patients with a negative image.
        effective: patients of the rarer class, weighed by their images: (sum m_p)^2 / sum m_p^2 (Kish 1965), the smaller of both classes.
    """

    cases: Integers
    positive: Integers
    patients: Integers
    positive_patients: Integers
    negative_patients: Integers
    effective: Floats

    @classmethod
    def of(cls, cell_counts: Floats, grouping: Grouping) -> "Counts":
        """The counts of cells with `cell_counts` `[2, n_cells]`, negatives first.

        >>> import pandas as pd
        >>> from dpmed_core.evaluation.scores.grouping import group_cases
        >>> patients = np.repeat(np.arange(10), [66, *[1] * 9])  # one patient with 66 images and nine with one
        >>> grouping = group_cases(pd.DataFrame(index=range(75)), (), patients, n_patients=10)
        >>> of_patient = np.array([66.0, *[1.0] * 9])
        >>> counts = Counts.of(np.stack([of_patient, of_patient]), grouping)  # as many positives as negatives
        >>> int(counts.patients[0]), round(float(counts.effective[0]), 2)  # 75^2 / (66^2 + 9): hardly more than one patient
        (10, 1.29)
        """
        negative, positive = cell_counts
        images = negative + positive
        sums = grouping.sum_cells(np.stack([images, positive, images > 0, positive > 0, negative > 0]))
        totals, squares = grouping.sum_cells(cell_counts), grouping.sum_cells(np.square(cell_counts))
        # The maximum avoids 0 / 0 where a class is empty: its effective number is then 0.
        effective = np.min(np.square(totals) / np.maximum(squares, 1), axis=0)
        cases, of_positive, patients, positive_patients, negative_patients = np.rint(sums).astype(np.intp)
        return cls(cases, of_positive, patients, positive_patients, negative_patients, effective)

    def reasons(self) -> list[str]:
        """Why an AUROC is not estimable, by subgroup; empty where it is."""
        columns = (self.positive, self.cases - self.positive, self.positive_patients, self.negative_patients, self.patients)
        rows = zip(*(column.tolist() for column in columns), self.effective.tolist(), strict=True)
        return [not_estimable(*row) for row in rows]


def not_estimable(
    n_positive: int, n_negative: int, positive_patients: int, negative_patients: int, n_patients: int, n_effective: float
) -> str:
    """Why an AUROC of so many images and patients is not estimable; empty where it is.

    >>> not_estimable(4, 36, 4, 36, 40, 4.0), not_estimable(20, 20, 20, 20, 40, 20.0)
    ('fewer than 5 positives', '')

    Args:
        n_positive: images with the finding.
        n_negative: images without it.
        positive_patients: patients with a positive image.
        negative_patients: patients with a negative image.
        n_patients: patients with either; one may have both.
        n_effective: patients of the rarer class, weighed by their images.
    """
    # The plainest reason first: a reader is told what to collect more of.
    if n_positive == 0 or n_negative == 0:
        return "only one class" if n_positive + n_negative else "no case with a known label"
    rarer = "positives" if n_positive < n_negative else "negatives"
    if min(n_positive, n_negative) < SMALLEST_CLASS:
        return f"fewer than {SMALLEST_CLASS} {rarer}"
    if min(positive_patients, negative_patients) < SMALLEST_CLASS:
        return f"fewer than {SMALLEST_CLASS} patients with {'positives' if positive_patients < negative_patients else 'negatives'}"
    if n_patients < FEWEST_PATIENTS:
        return f"fewer than {FEWEST_PATIENTS} patients"
    return "too few patients: one or two of them hold most of the rarer images" if n_effective < FEWEST_EFFECTIVE else ""


def stacked(counts: Sequence[Counts], *, of_mean: NDArray[np.bool_]) -> dict[str, Integers]:
    """n_cases, n_positive and n_patients `[n_findings + 1, n_groups]`; the last row is macro's.

    Findings share their images and patients, so macro has those of the finding with most labels; positive labels are different things for
    each finding and are added up.

    Args:
        counts: of each finding.
        of_mean: the findings that macro is the mean of `[n_findings]`; where there is none, it has the counts of all.
    """
    used = of_mean if of_mean.any() else np.ones_like(of_mean)
    cases, positive, patients = (np.array([getattr(c, name) for c in counts]) for name in ("cases", "positive", "patients"))
    return {
        "n_cases": np.vstack([cases, cases[used].max(axis=0)]),
        "n_positive": np.vstack([positive, positive[used].sum(axis=0)]),
        "n_patients": np.vstack([patients, patients[used].max(axis=0)]),
    }


def stacked_reasons(reasons: Sequence[Sequence[str]]) -> NDArray[np.object_]:
    """Reasons `[n_findings + 1, n_groups]`; the last row says why their mean is not estimable.

    The mean is of the findings that are estimable of everybody, group 0: a subgroup in which one of them is not cannot be compared.
    """
    rows = np.array(reasons, dtype=object)
    used = rows[:, :1] == ""
    n_used, n_missing = int(used.sum()), (used & (rows != "")).sum(axis=0)
    of_mean = [f"{n} of the {n_used} findings of the mean not estimable" if n else "" for n in n_missing]
    return np.vstack([rows, np.array(of_mean, dtype=object) if n_used else np.full(rows.shape[1], NOTHING_ESTIMABLE, dtype=object)])
