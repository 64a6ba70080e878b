"""A metric of every run of a panel: each finding and their mean, everybody and each subgroup; and its mean over an arm's runs."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.metrics.limits import Limits
from dpmed_core.evaluation.metrics.metric import Metric, Scale
from dpmed_core.evaluation.scores.arms import Arm
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import Grouping
from dpmed_core.evaluation.scores.kept_arrays import Arrays
from dpmed_core.evaluation.scores.operating_point import N_REPLICATES
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.evaluation.scores.sample_sizes import SMALLEST_CLASS, stacked, stacked_reasons
from dpmed_core.evaluation.statistics.intervals import added, logit_slope
from dpmed_core.evaluation.statistics.jackknife import jackknife, logit_jackknife

NO_THRESHOLD = f"fewer than {SMALLEST_CLASS} positives or negatives among the validation patients to choose a threshold on"
MOST_TOGETHER = 1 << 20
"""Values that are averaged in one step: of many small runs together, of large ones one after the other."""
Floats = NDArray[np.float64]


def mean_over_findings(values: Floats, used: NDArray[np.bool_]) -> Floats:
    """The mean over findings, the first axis, of those that are `used`; NaN where none is.

    >>> values = np.array([[0.8, 0.5], [0.6, np.nan]])
    >>> mean_over_findings(values, ~np.isnan(values)).tolist()
    [0.7, 0.5]

    Args:
        values: `[n_findings, ...]`.
        used: which count, of the same shape or with fewer axes at the end.
    """
    mask = used.reshape(*used.shape, *[1] * (values.ndim - used.ndim))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(mask, values, 0).sum(axis=0) / mask.sum(axis=0))


def _with_mean(values: Floats, used: NDArray[np.bool_]) -> Floats:
    """`values` of findings, with their mean as one more finding at the end."""
    return np.concatenate([values, mean_over_findings(values, used)[None]])


def in_the_mean(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The findings that a mean over findings is of, a mask like `known` `[n_findings, n_groups]`: those known of everybody, group 0.

    They are the same for each subgroup, where all of them must be known: otherwise subgroups would be compared on different findings. In a
    subgroup that lacks one of them the mean is NaN.
    """
    return np.broadcast_to(known[:, :1], known.shape)


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric of one panel. The last finding is "macro", the mean over the findings that are estimable of everybody (`in_the_mean`).

    Attributes:
        metric: which.
        design: the panel, its subgroups and thresholds.
        values: `[n_runs, n_findings, n_groups]`; NaN where not estimable.
        influence: `[n_runs, n_findings, n_cells]`, what each value loses without the patient of a cell; NaN where not estimable.
        replicates: `[n_runs, n_findings, n_groups, n_replicates]`, values at the thresholds of resampled validation patients, in rising
            order of the thresholds; n_replicates is 0 for a metric without threshold.
        weights: `[n_runs, n_findings, n_groups]`, denominators.
        n_effective: `[n_runs, n_findings, n_groups]`, patients whom a value rests on, weighed by their images; at least 1 for the mean.
    """

    metric: Metric
    design: PanelDesign = field(repr=False)
    values: Floats = field(repr=False)
    influence: Floats = field(repr=False)
    replicates: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    n_effective: Floats = field(repr=False)

    @property
    def grouping(self) -> Grouping:
        """Everybody (index 0) and the subgroups."""
        return self.design.grouping

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self.design.panel.runs

    @property
    def findings(self) -> tuple[str, ...]:
        """The panel's, then "macro"."""
        return (*self.design.panel.findings, MACRO)

    @cached_property
    def counts(self) -> dict[str, NDArray[np.intp]]:
        """n_cases, n_positive and n_patients, `[n_findings, n_groups]` each; macro's are of the findings that its mean is of."""
        return stacked([design.counts for design in self.design.designs], of_mean=self.reasons[:-1, 0] == "")

    @cached_property
    def reasons(self) -> NDArray[np.object_]:
        """`[n_findings, n_groups]`, why there are too few cases of a class; empty where there are enough."""
        return stacked_reasons([design.counts.reasons() for design in self.design.designs])

    @property
    def n_findings(self) -> NDArray[np.intp]:
        """`[n_findings, n_groups]`: 1 where a finding is estimable; of macro, the number of findings that its mean is of."""
        estimable = self.reasons[:-1] == ""
        return np.vstack([estimable, in_the_mean(estimable).sum(axis=0)]).astype(np.intp)

    def groups_of(self, attribute: str) -> dict[str, int]:
        """Index of each subgroup of `attribute`, by name."""
        return {name: group for group, (of, name) in enumerate(self.grouping.groups) if of == attribute}

    def known_groups(self, attribute: str) -> list[int]:
        """Indices of the subgroups of `attribute` that are compared: all but that of unknown value."""
        return [group for name, group in self.groups_of(attribute).items() if name != UNKNOWN]

    def variances(self, run: int) -> tuple[Floats, Floats]:
        """Variance over patients of each of a run's values `[n_findings, n_groups]`, and its degrees of freedom."""
        return jackknife(self.influence[run], self.grouping, self.n_effective[run])

    def limits(self, run: int) -> Limits:
        """The limits of this one training run, over patients `[n_findings, n_groups]`.

        On the logit scale the variance is 0 where a value is exactly 0 or 1: there the number of patients gives the limits.
        """
        values, influence, n_effective = self.values[run], self.influence[run], self.n_effective[run]
        of_patients = self.variances(run)
        if self.metric.scale is not Scale.PLAIN:
            of_patients = logit_jackknife(values, influence, self.grouping, n_effective)
        return Limits(self.metric.scale, values, *of_patients, n_effective)

    def intervals(self, run: int) -> tuple[Floats, Floats]:
        """Lower and upper ends for this one training run, over patients `[n_findings, n_groups]`."""
        return self.limits(run).at()

    @cached_property
    def arms(self) -> list["ArmMeasured"]:
        """Every arm of the panel."""
        return [self.of_arm(arm) for arm in self.design.arms]

    def of_arm(self, arm: Arm) -> "ArmMeasured":
        """The mean over an arm's runs; a finding counts where it is estimable in each of them."""
        # A mean over fewer runs in one subgroup than in another would compare different models, so a single run without a value hides all.
        by_run = self.values[arm.runs].copy()
        known: NDArray[np.bool_] = np.asarray(~np.isnan(by_run[:, :-1]).any(axis=0))
        by_run[:, :-1][:, ~known] = np.nan
        used = in_the_mean(known)
        by_run[:, -1] = [mean_over_findings(values[:-1], used) for values in by_run]
        of_cells = used[:, self.grouping.cell_group]
        inside = known[:, self.grouping.cell_group]
        # The runs share their patients: influence values are averaged, not variances, which would count each patient once a run.
        influence = np.where(inside, self.influence[arm.runs, :-1].mean(axis=0), np.nan)
        last = arm.runs[-1]  # runs of an arm differ in whom they flag, hardly in how many patients that rests on
        n_effective = _with_mean(self.n_effective[last, :-1], used)
        n_effective[-1] = np.maximum(n_effective[-1], 1)
        return ArmMeasured(
            arm=arm,
            measured=self,
            by_run=by_run,
            influence=_with_mean(influence, of_cells),
            replicates=_with_mean(self.replicates[arm.runs, :-1].mean(axis=0), used),
            ranked_replicates=_with_mean(self._ranked_replicates(arm).mean(axis=0), used),
            weights=_with_mean(self.weights[last, :-1], used),
            n_effective=n_effective,
        )

    def _ranked_replicates(self, arm: Arm) -> Floats:
        """The replicates of an arm's runs, each run's in the order of its thresholds `[n_runs, n_findings, n_groups, n_replicates]`."""
        replicates = self.replicates[arm.runs, :-1]
        if not replicates.shape[-1]:
            return replicates
        orders = [self.design.resamples_by_threshold[run] for run in arm.runs]
        n_replicates = replicates.shape[-1]
        as_it_is = np.tile(np.arange(n_replicates), (replicates.shape[1], 1))  # of a run without thresholds, whose replicates are 0
        every = np.stack([order if order.shape[1] == n_replicates else as_it_is for order in orders])
        return np.take_along_axis(replicates, every[:, :, None, :], axis=-1)


@dataclass(frozen=True, eq=False)
class ArmMeasured:
    """A metric of one arm; arrays `[n_findings, n_groups]`, the last finding the mean over those estimable of everybody in every run.

    Attributes:
        arm: its runs.
        measured: the runs' values.
        by_run: `[n_runs, n_findings, n_groups]`.
        influence: of the mean over runs, `[n_findings, n_cells]`.
        replicates: of the mean over runs, `[n_findings, n_groups, n_replicates]`, resample by resample.
        ranked_replicates: the same with the runs' thresholds paired by rank: as if all of them erred alike, which is the cautious side for
            a mean over runs. For a difference between arms it would be the other way round, so that takes `replicates`.
        weights: denominators.
        n_effective: patients whom a value rests on.
    """

    arm: Arm
    measured: Measured = field(repr=False)
    by_run: Floats = field(repr=False)
    influence: Floats = field(repr=False)
    replicates: Floats = field(repr=False)
    ranked_replicates: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    n_effective: Floats = field(repr=False)

    @property
    def values(self) -> Floats:
        """Means over the runs."""
        return np.asarray(self.by_run.mean(axis=0))

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Why something is not estimable, `[n_findings, n_groups]`; empty where it is. A missing threshold comes before too few cases."""
        if not self.measured.metric.needs_threshold:
            return self.measured.reasons
        first: Floats = np.array([self.measured.design.thresholds[run][:, 0] for run in self.arm.runs])
        without: NDArray[np.bool_] = np.asarray(np.isnan(first).any(axis=0))
        rows = self.measured.reasons[:-1]
        return stacked_reasons([[NO_THRESHOLD] * len(row) if none else list(row) for row, none in zip(rows, without, strict=True)])

    @property
    def threshold(self) -> Floats:
        """Mean threshold over the runs `[n_findings]`; NaN for macro."""
        return np.append(np.mean([self.measured.design.thresholds[run][:, 0] for run in self.arm.runs], axis=0), np.nan)

    def intervals(self) -> tuple[Floats, Floats]:
        """Ends for the mean over training runs, over patients, thresholds and, where there are two runs or more, training."""
        return self._ends(1 / len(self.by_run))

    def intervals_of_new_run(self) -> tuple[Floats, Floats]:
        """Ends for the value of one further run: it varies by itself, and the mean it is predicted from varies by 1 / n_runs of that."""
        return self._ends(1 + 1 / len(self.by_run))

    def _ends(self, share_of_training: float) -> tuple[Floats, Floats]:
        patients, freedom = jackknife(self.influence, self.measured.grouping, self.n_effective)
        variance, freedom = with_thresholds_and_runs(
            patients, freedom, self.ranked_replicates, self.by_run, share_of_training=share_of_training
        )
        return self._limits(variance, freedom).at()

    @cached_property
    def patients_limits(self) -> Limits:
        """Limits of the mean over these runs, over patients and thresholds alone."""
        if self.measured.metric.scale in (Scale.LOGIT, Scale.LOGIT_BOUNDED):
            of_logit = logit_jackknife(self.values, self.influence, self.measured.grouping, self.n_effective)
            return Limits(self.measured.metric.scale, self.values, *of_logit, self.n_effective)
        variance, freedom = jackknife(self.influence, self.measured.grouping, self.n_effective)
        # Not the ranked replicates: these limits are combined with another arm's, whose thresholds were chosen on the same resamples.
        return self._limits(*with_thresholds_and_runs(variance, freedom, self.replicates, self.by_run, share_of_training=0.0))

    def _limits(self, variance: Floats, freedom: Floats) -> Limits:
        """Limits from a variance on the metric's own scale; for shares it is carried to the logit by its slope (delta method)."""
        if self.measured.metric.scale is Scale.SHARE:
            variance = variance * np.square(logit_slope(self.values))
        return Limits(self.measured.metric.scale, self.values, variance, freedom, self.n_effective)


def with_thresholds_and_runs(
    patients: Floats, freedom: Floats, replicates: Floats, by_run: Floats, *, share_of_training: float | None = None
) -> tuple[Floats, Floats]:
    """A variance over patients, with those over thresholds and over training runs added to it.

    Args:
        patients: the variance over patients `[...]`.
        freedom: its degrees of freedom `[...]`.
        replicates: values at the thresholds of resampled validation patients `[..., n_replicates]`; n_replicates may be 0.
        by_run: values by run `[n_runs, ...]`.
        share_of_training: how much of the variance between runs counts; None for that of their mean, 1 / n_runs.
    """
    n = len(by_run)
    share = 1 / n if share_of_training is None else share_of_training
    thresholds = replicates.var(axis=-1) if replicates.shape[-1] else np.zeros(replicates.shape[:-1])
    # Of one run the variance between runs is unknown, and the interval is that run's alone.
    between = by_run.var(axis=0, ddof=1) * share if n > 1 else np.zeros(by_run.shape[1:])
    return added(patients + thresholds, freedom, between, max(n - 1.0, 1.0))


def measure(metric: Metric, design: PanelDesign) -> Measured:
    """`metric` of every run of a panel, for each finding and their mean, in everybody and each subgroup.

    For a contrast, also in all others of each subgroup (`PanelDesign.beside_others`).
    """
    design = design.beside_others if metric.contrast_of is not None else design
    panel, grouping = design.panel, design.grouping
    shape = (len(panel.scores), len(panel.findings) + 1, len(grouping.groups))
    values, weights, effective = np.empty(shape), np.empty(shape), np.empty(shape)
    influence = np.empty((*shape[:2], len(grouping.cell_patient)))
    replicates = np.empty((*shape, N_REPLICATES if metric.needs_threshold else 0))
    arrays = {"values": values, "influence": influence, "n_effective": effective, "weights": weights, "replicates": replicates}
    for run in range(shape[0]):
        for name, array in _estimates(metric, design, run).items():
            arrays[name][run, :-1] = array
    # An AUROC of four positives can be computed, but its interval would rest on four images: both are NaN, and the reason is given instead.
    if metric.needs_both_classes:
        hidden = np.array([[reason != "" for reason in of_finding.counts.reasons()] for of_finding in design.designs])
        values[:, :-1][:, hidden] = np.nan
        influence[:, :-1][:, hidden[:, grouping.cell_group]] = np.nan
    # The mean's influence values are the means of the findings': a patient's influences on several findings are averaged before they are
    # squared, so that findings of the same patients count as correlated as they are.
    used = np.stack([in_the_mean(known) for known in ~np.isnan(values[:, :-1])])
    for name, array in arrays.items():
        _add_means(array, used[..., grouping.cell_group] if name == "influence" else used)
    effective[:, -1] = np.maximum(effective[:, -1], 1)  # findings without any patient count as 0 in the mean
    return Measured(metric, design, values, influence, replicates, weights, effective)


def _add_means(array: Floats, used: NDArray[np.bool_]) -> None:
    """Set the last finding of each run, axis 1, to the mean over its other findings that are `used` `[n_runs, n_findings, ...]`."""
    n_together = max(1, MOST_TOGETHER // max(array[:1].size, 1))
    for first in range(0, len(array), n_together):
        runs = slice(first, first + n_together)
        array[runs, -1] = mean_over_findings(np.moveaxis(array[runs, :-1], 1, 0), np.moveaxis(used[runs], 1, 0))


def _estimates(metric: Metric, design: PanelDesign, run: int) -> Arrays:
    """The metric's estimates of a run for each finding, `[n_findings, ...]`, as they are kept or else computed."""

    def compute() -> Arrays:
        return _computed(metric, design, run)

    if not metric.is_kept:
        return compute()
    # A contrast has the estimates of the metric that it is a difference of.
    name = (metric.contrast_of or metric).name
    return design.computed_once(run, f"estimates of {name}", compute, with_threshold=metric.needs_threshold)


def _computed(metric: Metric, design: PanelDesign, run: int) -> Arrays:
    n_findings, grouping = len(design.panel.findings), design.grouping
    shape, n_cells = (n_findings, len(grouping.groups)), len(grouping.cell_patient)
    values, weights, effective = np.full(shape, np.nan), np.zeros(shape), np.ones(shape)
    influence = np.full((n_findings, n_cells), np.nan)
    replicates = np.zeros((*shape, N_REPLICATES if metric.needs_threshold else 0))
    for index in range(n_findings):
        if metric.needs_threshold and np.isnan(design.thresholds[run][index, 0]):
            continue  # no threshold: the value stays NaN
        one = metric.estimate(design.finding_scores(run, index, with_threshold=metric.needs_threshold))
        values[index], influence[index], weights[index], effective[index] = one.values, one.influence, one.weights, one.n_effective
        if one.replicates is not None:
            replicates[index] = one.replicates
    return {"values": values, "influence": influence, "n_effective": effective, "weights": weights, "replicates": replicates}
