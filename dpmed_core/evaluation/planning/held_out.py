"""What the held-out patients of a cohort offer to judge each finding by, from their labels and attributes alone.

Labels of training patients are not read: they are protected by the guarantee, and a plan is made before any of it is spent. The number of
training units is public.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import Grouping, group_cases
from dpmed_core.evaluation.scores.sample_sizes import SMALLEST_CLASS, Counts
from dpmed_core.phrases import counted

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PartDesign:
    """One held-out part of a cohort, finding by finding.

    Attributes:
        grouping: everybody (index 0) and the subgroups.
        designs: one for each finding.
    """

    grouping: Grouping
    designs: tuple[Design, ...] = field(repr=False)

    @classmethod
    def of(cls, cohort: Cohort, split: Split, part: Part, by: Sequence[str] = ()) -> "PartDesign":
        """The design of `part`, with the subgroups of each attribute in `by`.

        Raises:
            CohortError: there is no such attribute.
        """
        rows = split.rows(part)
        cases = cohort.cases.iloc[rows].reset_index(drop=True)
        patients, ids = pd.factorize(cases["patient_id"])
        grouping = group_cases(cases, by, patients.astype(np.intp), n_patients=len(ids))
        return cls(grouping, tuple(Design.of(labels.astype(float), grouping) for labels in cohort.labels[rows].T))

    @property
    def counts(self) -> tuple[Counts, ...]:
        """Of each finding, by subgroup."""
        return tuple(design.counts for design in self.designs)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The test patients, by whom models are judged, and the validation patients, on whom thresholds are chosen.

    Attributes:
        findings: names.
        test: with subgroups.
        validation: everybody.
    """

    findings: tuple[str, ...]
    test: PartDesign
    validation: PartDesign = field(repr=False)

    @classmethod
    def of(cls, cohort: Cohort, split: Split, by: Sequence[str] = ()) -> "HeldOut":
        """The held-out patients of `cohort`.

        Raises:
            CohortError: there is no such attribute.
        """
        return cls(cohort.findings, PartDesign.of(cohort, split, Part.TEST, by), PartDesign.of(cohort, split, Part.VALIDATION))

    def reasons(self) -> list[list[str]]:
        """Why an AUROC is not estimable `[n_findings][n_groups]`; empty where it is."""
        return [counts.reasons() for counts in self.test.counts]

    def prevalence(self, finding_index: int) -> float:
        """The share of positives among all held-out images of known label: what training patients are expected to have, too."""
        counts = [part.counts[finding_index] for part in (self.test, self.validation)]
        positive, cases = (sum(int(getattr(count, name)[0]) for count in counts) for name in ("positive", "cases"))
        return positive / cases if cases else float("nan")

    def remark(self, finding_index: int) -> str:
        """What else to know of a finding: that its validation patients are too few to choose a threshold on; empty otherwise."""
        counts = self.validation.counts[finding_index]
        positive, negative = int(counts.positive[0]), int(counts.cases[0] - counts.positive[0])
        if min(positive, negative) >= SMALLEST_CLASS:
            return ""
        rarer = "positives" if positive < negative else "negatives"
        return f"fewer than {SMALLEST_CLASS} {rarer} among the validation patients: no threshold, so no sensitivity or specificity"


def not_judgeable(cohort: Cohort, split: Split) -> str:
    """Which findings cannot be judged in the test patients, and why, in a sentence; empty where all can."""
    held_out = HeldOut.of(cohort, split)
    found = [f"{finding_title(name)} ({of[0]})" for name, of in zip(held_out.findings, held_out.reasons(), strict=True) if of[0]]
    if not found:
        return ""
    n, of_all = len(found), len(held_out.findings)
    which = "No finding can" if n == of_all else f"{n} of {of_all} findings cannot"
    patients = counted(held_out.test.grouping.n_patients, "test patient", "test patients")
    return f"{which} be judged in the {patients} of this cohort, whatever is spent on training: {', '.join(found)}."


def effective_by_class(design: Design, *, within: float) -> Floats:
    """How many independent images the negatives (row 0) and positives (row 1) of each subgroup are worth `[2, n_groups]`.

    Images of a patient resemble each other: with a correlation `within` between them, n images of which patient p has m_p are worth
    n / (1 + (sum m_p^2 / n - 1) within). Source: Kish 1965, "Survey Sampling" (the design effect of unequal clusters).

    >>> from dpmed_core.evaluation.scores.grouping import group_cases
    >>> grouping = group_cases(pd.DataFrame(index=range(8)), (), np.repeat(np.arange(4), 2), n_patients=4)  # four patients, two images each
    >>> design = Design.of(np.repeat([0.0, 1.0], 4), grouping)
    >>> [effective_by_class(design, within=correlation).ravel().tolist() for correlation in (0.0, 1.0)]
    [[4.0, 4.0], [2.0, 2.0]]
    """
    totals = design.grouping.sum_cells(design.cell_counts)
    squares = design.grouping.sum_cells(np.square(design.cell_counts))
    spread = squares / np.maximum(totals, 1)
    return np.asarray(totals / (1 + np.maximum(spread - 1, 0) * within))
