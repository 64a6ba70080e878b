"""What a panel's scores are judged by: subgroups, labels by subgroup, and thresholds from the validation patients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.arms import Arm, arms_of
from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.finding_scores import FindingScores, usable_thresholds
from dpmed_core.evaluation.scores.grouping import Beside, Grouping, group_cases
from dpmed_core.evaluation.scores.kept_arrays import Arrays, digest_of
from dpmed_core.evaluation.scores.operating_point import OperatingRule, patient_resamples, run_thresholds
from dpmed_core.evaluation.scores.panel import Panel

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
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
        design, kept = replace(self, **changes), ("thresholds", "threshold_digests", "resamples_by_threshold")
        design.__dict__["thresholds"] = self.thresholds
        design.__dict__.update((name, self.__dict__[name]) for name in kept if name in self.__dict__)
        return design

    @cached_property
    def designs(self) -> tuple[Design, ...]:
        """One for each finding."""
        return tuple(Design.of(labels, self.grouping) for labels in self.panel.labels)

    @cached_property
    def digest(self) -> str:
        """A hash of labels and subgroups: of all that no score can change."""
        blocks = self.grouping.blocks
        sizes = " ".join(str(block.n_groups) for block in blocks)
        return digest_of(self.panel.labels_digest, sizes, *(block.codes for block in blocks))

    def computed_once(self, run: int, name: str, compute: Callable[[], Arrays], *, with_threshold: bool = False) -> Arrays:
        """What `compute` gives for a run, by its index, from its scores and this design, and from its thresholds where that is said.

        It is kept with the run: `name` must be another one for whatever else it is computed from.
        """
        if self.panel.kept is None:
            return compute()
        threshold = self.threshold_digests[run] if with_threshold else ""
        return self.panel.computed_once(run, digest_of(name, self.panel.score_digests[run], self.digest, threshold), compute)

    @cached_property
    def threshold_digests(self) -> tuple[str, ...]:
        """A hash of each run's thresholds."""
        return tuple(map(digest_of, self.thresholds))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the panel's runs."""
        return tuple(arms_of(self.panel.runs, self.panel.scores))

    @cached_property
    def thresholds(self) -> tuple[Floats, ...]:
        """For each run `[n_findings, 1 + n_replicates]`: first the threshold in use, then those of resampled validation patients.

        `[n_findings, 1]` of NaN for a run without validation scores; a row of NaN where none can be chosen.
        """
        drawn: dict[int, Floats] = {}

        def resamples(panel: Panel) -> Floats:  # of one panel once, and not once a run
            if id(panel) not in drawn:
                drawn[id(panel)] = patient_resamples(panel.patients, panel.n_patients)
            return drawn[id(panel)]

        return tuple(self._thresholds(self.validation.get(run_id), resamples) for run_id in self.panel.runs["run_id"])

    @cached_property
    def resamples_by_threshold(self) -> tuple[Integers, ...]:
        """For each run `[n_findings, n_replicates]`: the resamples in rising order of their thresholds, where there are any."""
        orders: dict[bytes, Integers] = {}
        for cuts in self.thresholds:
            if (key := cuts.tobytes()) not in orders:
                plain = np.arange(cuts.shape[1] - 1)
                rows = [plain if np.isnan(row[0]) else np.argsort(usable_thresholds(row), kind="stable") for row in cuts]
                orders[key] = np.array(rows, dtype=np.intp).reshape(len(cuts), len(plain))
        return tuple(orders[cuts.tobytes()] for cuts in self.thresholds)

    @cached_property
    def at_common_threshold(self) -> "PanelDesign":
        """The same design with one threshold for all runs of a recipe and unit: that of its non-private run with the smallest seed.

        NaN for runs that have no non-private run of their recipe and unit.
        """
        runs, design = self.panel.runs.reset_index(drop=True), replace(self)
        references = runs[runs["epsilon"].isna()].sort_values("seed", kind="stable").drop_duplicates(["recipe", "unit"])
        first = {(recipe, unit): row for row, recipe, unit in references[["recipe", "unit"]].itertuples()}
        nothing = np.full((len(self.panel.findings), 1), np.nan)
        places = [first.get(of) for of in zip(runs["recipe"], runs["unit"], strict=True)]
        design.__dict__["thresholds"] = tuple(nothing if row is None else self.thresholds[row] for row in places)
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

    def _thresholds(self, where: tuple[Panel, int] | None, resamples: Callable[[Panel], Floats]) -> Floats:
        findings = self.panel.findings
        if where is None:
            return np.full((len(findings), 1), np.nan)
        panel, row = where
        name = digest_of("thresholds", panel.score_digests[row], panel.labels_digest, *panel.findings, "for", *findings, str(self.rule))
        found = panel.computed_once(row, name, lambda: {"thresholds": run_thresholds(panel, row, findings, resamples(panel), self.rule)})
        return found["thresholds"]


def rows_of_runs(validation: Sequence[Panel]) -> RowOfRun:
    """Where each run stands among panels of validation cases."""
    return {run_id: (panel, row) for panel in validation for row, run_id in enumerate(panel.runs["run_id"])}
