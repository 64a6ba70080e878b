"""Every AUROC of a panel in one pass: each run, each finding and their mean, everybody and each subgroup."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping, group_cases
from dpmed_core.evaluation.scores.panel import Panel, panels_of
from dpmed_core.evaluation.scores.sample_sizes import stacked, stacked_reasons
from dpmed_core.evaluation.statistics.auroc import Design, areas
from dpmed_core.evaluation.statistics.intervals import largest_logit_variance, on_logit
from dpmed_core.evaluation.statistics.jackknife import jackknife, logit_jackknife

MACRO = "macro"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """AUROCs of one panel. The last finding is "macro", the mean over the findings that are estimable in that subgroup.

    Attributes:
        panel: what was measured.
        grouping: everybody (number 0) and the subgroups.
        findings: the panel's, then "macro".
        values: `[n_runs, n_findings, n_groups]`; NaN where not estimable.
        influence: `[n_runs, n_findings, n_cells]`, the d_p of `evaluation.statistics.auroc`.
        reasons: `[n_findings, n_groups]`, why it is not estimable; empty where it is.
        n_cases, n_positive, n_patients: `[n_findings, n_groups]`; macro's positives are summed over findings.
        n_effective: `[n_findings, n_groups]`, patients of the rarer class, weighed by their images; macro's is the mean over findings.
    """

    panel: Panel
    grouping: Grouping
    findings: tuple[str, ...]
    values: Floats = field(repr=False)
    influence: Floats = field(repr=False)
    reasons: NDArray[np.object_] = field(repr=False)
    n_cases: NDArray[np.intp] = field(repr=False)
    n_positive: NDArray[np.intp] = field(repr=False)
    n_patients: NDArray[np.intp] = field(repr=False)
    n_effective: Floats = field(repr=False)

    @property
    def n_findings(self) -> NDArray[np.intp]:
        """`[n_findings, n_groups]`: 1 where a finding is estimable; of macro, how many are."""
        estimable = (self.reasons[:-1] == "").astype(np.intp)
        return np.vstack([estimable, estimable.sum(axis=0)])

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self.panel.runs

    def variances(self, run: int) -> tuple[Floats, Floats]:
        """Variance over patients of each of a run's AUROCs `[n_findings, n_groups]`, and its degrees of freedom."""
        return self.variance_of(self.influence[run])

    def variance_of(self, influence: Floats) -> tuple[Floats, Floats]:
        """Variance over patients `[n_findings, n_groups]` from influence values by cell, and its degrees of freedom."""
        return jackknife(influence, self.grouping, self.n_effective)

    def logit_variances(self, run: int) -> tuple[Floats, Floats]:
        """Variance over patients of the logit of each of a run's AUROCs `[n_findings, n_groups]`, and its degrees of freedom.

        Never more than an AUROC of so many patients can have; 0 where it is exactly 0 or 1.
        """
        variance, freedom = logit_jackknife(self.values[run], self.influence[run], self.grouping, self.n_effective)
        return np.minimum(variance, largest_logit_variance(self.values[run], freedom, self.n_effective)), freedom

    def intervals(self, run: int) -> tuple[Floats, Floats]:
        """Lower and upper ends for this one training, over patients `[n_findings, n_groups]`."""
        return on_logit(self.values[run], *self.logit_variances(run), self.n_effective)

    def groups_of(self, attribute: str) -> dict[str, int]:
        """Number of each subgroup of `attribute`, by name."""
        return {name: number for number, (of, name) in enumerate(self.grouping.groups) if of == attribute}


def measure(scored: pd.DataFrame, by: Sequence[str] = ()) -> list[Measured]:
    """What there is to know about AUROC in scored cases, one object for each set of runs with the same test cases.

    Args:
        scored: scored cases.
        by: attributes, as `cohort.groups.subgroups` takes them.

    Raises:
        CohortError: there is no such attribute.
    """
    return [measure_panel(panel, by) for panel in panels_of(scored)]


def measure_panel(panel: Panel, by: Sequence[str] = ()) -> Measured:
    """The AUROCs of `panel` for everybody and by each attribute of `by`."""
    grouping = group_cases(panel.cases, by, panel.patients, n_patients=panel.n_patients)
    designs = [Design.of(labels, grouping) for labels in panel.labels]
    counts = [design.counts for design in designs]
    reasons = stacked_reasons([c.reasons() for c in counts])
    values = np.empty((len(panel.scores), len(designs) + 1, len(grouping.groups)))
    influence = np.empty((*values.shape[:2], len(grouping.cell_patient)))
    for run, scores in enumerate(panel.scores):
        for finding, design in enumerate(designs):
            values[run, finding], influence[run, finding] = areas(scores[finding], design)
    _hide(values[:, :-1], influence[:, :-1], reasons[:-1], grouping)
    _fill_macro(values, influence, reasons[:-1] == "", grouping)
    effective = np.array([c.effective for c in counts])
    return Measured(
        panel=panel,
        grouping=grouping,
        findings=(*panel.findings, MACRO),
        values=values,
        influence=influence,
        reasons=reasons,
        **stacked(counts),
        n_effective=np.vstack([effective, np.maximum(effective.mean(axis=0), 1)]),
    )


def _hide(values: Floats, influence: Floats, reasons: NDArray[np.object_], grouping: Grouping) -> None:
    """NaN where there is a reason."""
    hidden = reasons != ""
    values[:, hidden] = np.nan
    influence[:, hidden[:, grouping.cell_group]] = np.nan


def _fill_macro(values: Floats, influence: Floats, estimable: NDArray[np.bool_], grouping: Grouping) -> None:
    """The last finding: the mean over the estimable ones; influence values average too, since findings share their patients."""
    n_used = estimable.sum(axis=0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values[:, -1] = np.where(estimable, values[:, :-1], 0).sum(axis=1) / n_used
        used = estimable[:, grouping.cell_group]
        influence[:, -1] = np.where(used, influence[:, :-1], 0).sum(axis=1) / n_used[grouping.cell_group]
