"""What a panel's scores are judged by: subgroups, labels by subgroup, and thresholds from the validation patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.arms import Arm, arms_of
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.scores.grouping import Beside, Grouping, group_cases
from dpmed_core.evaluation.scores.operating_point import OperatingRule, patient_resamples, run_thresholds
from dpmed_core.evaluation.scores.panel import Panel

Floats = NDArray[np.float64]
RowOfRun = Mapping[str, tuple[Panel, int]]
"""For a run_id, the panel of validation cases that the run was scored on, and its row there."""


@dataclass(frozen=True, eq=False)
class PanelDesign:
    """A panel with its subgroups and thresholds; everything is computed at most once, when it is first needed.

    Attributes:
        panel: test cases.
        by: attributes of the subgroups, as `cohort.groups.subgroups` takes them.
        validation: where each run's validation scores are; a run that is missing has no threshold.
        rule: how thresholds are chosen.
        beside: which group stands beside each subgroup in the grouping (`altered`); None for none.
    """

    panel: Panel
    by: tuple[str, ...] = ()
    validation: RowOfRun = field(default_factory=dict, repr=False)
    rule: OperatingRule = field(default_factory=OperatingRule)
    beside: Beside | None = None
    _kept: dict[tuple[int, int], FindingScores] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def grouping(self) -> Grouping:
        """Everybody and the subgroups.

        Raises:
            CohortError: there is no such attribute.
        """
        panel = self.panel
        return group_cases(panel.cases, self.by, panel.patients, n_patients=panel.n_patients, beside=self.beside)

    @cached_property
    def beside_others(self) -> "PanelDesign":
        """The same design with all others of each subgroup beside it, for what compares a subgroup with them."""
        return self.altered(beside=Beside.OTHERS)

    def altered(self, **changes: Any) -> "PanelDesign":
        """The design with other labels or groups, and the same thresholds, which depend on neither and take long to choose."""
        design = replace(self, **changes)
        design.__dict__["thresholds"] = self.thresholds
        return design

    @cached_property
    def designs(self) -> tuple[Design, ...]:
        """One for each finding."""
        return tuple(Design.of(labels, self.grouping) for labels in self.panel.labels)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the panel's runs."""
        return tuple(arms_of(self.panel.runs, self.panel.scores))

    @cached_property
    def thresholds(self) -> tuple[Floats, ...]:
        """For each run `[n_findings, 1 + n_replicates]`: first the threshold in use, then those of resampled validation patients.

        `[n_findings, 1]` of NaN for a run without validation scores; a row of NaN where none can be chosen.
        """
        return tuple(self._thresholds(self.validation.get(run_id)) for run_id in self.panel.runs["run_id"])

    @cached_property
    def at_common_threshold(self) -> "PanelDesign":
        """The same design with one threshold for all runs of a recipe and unit: that of its non-private run with the smallest seed.

        NaN for runs that have no non-private run of their recipe and unit.
        """
        runs, design = self.panel.runs, replace(self)
        chosen = []
        for recipe, unit in zip(runs["recipe"], runs["unit"], strict=True):
            alike = runs[(runs["recipe"] == recipe) & (runs["unit"] == unit) & runs["epsilon"].isna()]
            first = int(alike["seed"].to_numpy().argmin()) if len(alike) else None
            nothing = np.full((len(self.panel.findings), 1), np.nan)
            chosen.append(nothing if first is None else self.thresholds[runs.index.get_loc(alike.index[first])])
        design.__dict__["thresholds"] = tuple(chosen)
        return design

    def finding_scores(self, run: int, finding_index: int, *, with_threshold: bool) -> FindingScores:
        """The scores of a run, by its index in the panel, for one finding; `with_threshold` for metrics at an operating point."""
        scores, design = self.panel.scores[run, finding_index], self.designs[finding_index]
        if not with_threshold:
            return FindingScores(scores, design)
        # Kept, since all rates are shares of the same counts of flagged images, which `FindingScores` computes once.
        if (run, finding_index) not in self._kept:
            self._kept[run, finding_index] = FindingScores(scores, design, self.thresholds[run][finding_index])
        return self._kept[run, finding_index]

    def _thresholds(self, where: tuple[Panel, int] | None) -> Floats:
        if where is None:
            return np.full((len(self.panel.findings), 1), np.nan)
        panel, row = where
        return run_thresholds(panel, row, self.panel.findings, patient_resamples(panel.patients, panel.n_patients), self.rule)


def rows_of_runs(validation: Sequence[Panel]) -> RowOfRun:
    """Where each run stands among panels of validation cases."""
    return {run_id: (panel, row) for panel in validation for row, run_id in enumerate(panel.runs["run_id"])}
