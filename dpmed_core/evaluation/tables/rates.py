"""Sensitivity, specificity and their kin at an operating point, by subgroup, with intervals.

A share of images, num / den, has the influence value

    d_p = (num_p - share den_p) / den / (1 - den_p / den) sqrt((I - 1) / I)

for patient p, as an AUROC has (`evaluation.statistics.auroc`). The threshold was chosen on validation patients, who might have been others:
the variance over thresholds chosen on resampled validation patients is added, so the intervals are for the operating rule, not for the
threshold that happened to come out. Several trainings are averaged, each at its own threshold; where there are two or more, the variance
between them is added too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Part
from dpmed_core.evaluation.scores.grouping import Grouping, group_cases
from dpmed_core.evaluation.scores.operating_point import N_REPLICATES, OperatingRule, patient_resamples, run_thresholds
from dpmed_core.evaluation.scores.panel import Panel, panels_of
from dpmed_core.evaluation.scores.sample_sizes import FEWEST_PATIENTS, SMALLEST_CLASS, stacked, stacked_reasons
from dpmed_core.evaluation.statistics.arms import Arm, arms_of
from dpmed_core.evaluation.statistics.auroc import Design, left_out
from dpmed_core.evaluation.statistics.auroc_panel import MACRO
from dpmed_core.evaluation.statistics.intervals import added, logit_slope, on_logit
from dpmed_core.evaluation.statistics.jackknife import jackknife

RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "positive_rate", "underdiagnosis")
ARM_COLUMNS = ("recipe", "unit", "epsilon", "delta", "n_seeds")
RATE_COLUMNS = (
    *ARM_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    "threshold",
    *(f"{rate}{end}" for rate in RATES for end in ("", "_low", "_high")),
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
NO_THRESHOLD = f"fewer than {SMALLEST_CLASS} positives or negatives among the validation patients to choose a threshold on"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rated:
    """Rates of one arm; arrays `[n_rates, n_findings, n_groups]`, the last finding their mean ("macro").

    Attributes:
        arm: the trainings.
        grouping: everybody and the subgroups.
        findings: the panel's, then "macro".
        by_training: one value a training, `[n_trainings, n_rates, n_findings, n_groups]`; NaN where not estimable.
        influence: of their mean, `[n_rates, n_findings, n_cells]`.
        replicates: their mean at thresholds chosen on resampled validation patients, `[n_rates, n_findings, n_groups, n_replicates]`.
        images: denominators, `[n_rates, n_findings, n_groups]`; macro's are means over findings.
        n_effective: patients in the denominator, weighed by their images.
        threshold: mean over trainings `[n_findings]`; NaN for macro.
        counts: n_cases, n_positive, n_patients, `[n_findings, n_groups]` each.
        reasons: `[n_findings, n_groups]`, why something is not estimable.
    """

    arm: Arm
    grouping: Grouping
    findings: tuple[str, ...]
    by_training: Floats = field(repr=False)
    influence: Floats = field(repr=False)
    replicates: Floats = field(repr=False)
    images: Floats = field(repr=False)
    n_effective: Floats = field(repr=False)
    threshold: Floats = field(repr=False)
    counts: dict[str, NDArray[np.intp]] = field(repr=False)
    reasons: NDArray[np.object_] = field(repr=False)

    @property
    def values(self) -> Floats:
        """Means over the trainings."""
        return np.asarray(self.by_training.mean(axis=0))

    def variances(self) -> tuple[Floats, Floats]:
        """Variance of `values` over patients, thresholds and, where known, trainings; and its degrees of freedom."""
        patients, freedom = jackknife(self.influence, self.grouping, self.n_effective)
        return with_thresholds_and_trainings(patients, freedom, self.replicates, self.by_training)


def with_thresholds_and_trainings(patients: Floats, freedom: Floats, replicates: Floats, by_training: Floats) -> tuple[Floats, Floats]:
    """A variance over patients, with those over thresholds (last axis of `replicates`) and trainings (first axis) added to it."""
    n = len(by_training)
    between = by_training.var(axis=0, ddof=1) / n if n > 1 else np.zeros(by_training.shape[1:])
    return added(patients + replicates.var(axis=-1), freedom, between, max(n - 1.0, 1.0))


def rate_table(scored: pd.DataFrame, by: Sequence[str] = (), *, rule: OperatingRule | None = None) -> pd.DataFrame:
    """Rates of everybody and each subgroup, one row a budget, subgroup and finding, with `RATE_COLUMNS`.

    Each rate has its 95 % interval (`_low`, `_high`). positive_rate is the share of images called positive; underdiagnosis the share of
    images with the finding that are called negative (1 - sensitivity). Macro rows are means over findings.

    Args:
        scored: scored cases with their validation part.
        by: attributes, as `cohort.groups.subgroups` takes them.
        rule: the operating point; None for Youden's.
    """
    tables = [rate_rows(rated) for rated in rate(scored, by, rule=rule)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(RATE_COLUMNS))


def rate_rows(rated: Rated) -> pd.DataFrame:
    """The rows of one arm, with `RATE_COLUMNS`."""
    shape = rated.values.shape[1:]
    variance, freedom = rated.variances()
    low, high = on_logit(rated.values, variance * np.square(logit_slope(rated.values)), freedom, rated.n_effective)
    columns: dict[str, object] = {
        "attribute": np.repeat([attribute for attribute, _ in rated.grouping.groups], shape[0]),
        "subgroup": np.repeat([subgroup for _, subgroup in rated.grouping.groups], shape[0]),
        "finding": np.tile(np.array(rated.findings, dtype=object), shape[1]),
        "threshold": np.tile(rated.threshold, shape[1]),
        **{name: counts.T.ravel() for name, counts in rated.counts.items()},
        "reason": rated.reasons.T.ravel(),
    }
    for number, name in enumerate(RATES):
        for end, array in (("", rated.values), ("_low", low), ("_high", high)):
            columns[f"{name}{end}"] = array[number].T.ravel()
    facts = pd.DataFrame([arm_facts(rated.arm)] * (shape[0] * shape[1]))
    return pd.concat([facts, pd.DataFrame(columns)], axis=1)[list(RATE_COLUMNS)]


def arm_facts(arm: Arm) -> dict[str, object]:
    """What a table says of an arm, the values of `ARM_COLUMNS`."""
    return {"recipe": arm.recipe, "unit": arm.unit, "epsilon": arm.epsilon, "delta": arm.delta, "n_seeds": len(arm.runs)}


def rate(scored: pd.DataFrame, by: Sequence[str] = (), *, rule: OperatingRule | None = None) -> list[Rated]:
    """Every arm's rates; those of runs without validation scores have a reason instead."""
    return rate_panels(panels_of(scored), panels_of(scored, Part.VALIDATION), by, rule=rule)


def rate_panels(
    test: Sequence[Panel], validation_panels: Sequence[Panel], by: Sequence[str] = (), *, rule: OperatingRule | None = None
) -> list[Rated]:
    """Every arm's rates on its panel of `test`; those of runs without validation scores have a reason instead."""
    validation = {run: (panel, row) for panel in validation_panels for row, run in enumerate(panel.runs["run_id"])}
    rule = rule or OperatingRule()
    rated = []
    for panel in test:
        grouping = group_cases(panel.cases, by, panel.patients, n_patients=panel.n_patients)
        designs = [Design.of(labels, grouping) for labels in panel.labels]
        chosen = [_thresholds(validation.get(run), panel.findings, rule) for run in panel.runs["run_id"]]
        rated += [_arm(panel, arm, designs, np.stack([chosen[run] for run in arm.runs])) for arm in arms_of(panel.runs)]
    return rated


def _thresholds(where: tuple[Panel, int] | None, findings: Sequence[str], rule: OperatingRule) -> Floats:
    """Thresholds of a run `[n_findings, 1 + N_REPLICATES]`, the first the one that is used; NaN where none can be chosen."""
    if where is None:
        return np.full((len(findings), 1), np.nan)
    panel, row = where
    return run_thresholds(panel, row, findings, patient_resamples(panel.patients, panel.n_patients), rule)


def _arm(panel: Panel, arm: Arm, designs: Sequence[Design], chosen: Floats) -> Rated:
    """The rates of an arm whose runs have thresholds `chosen` `[n_runs, n_findings, n_thresholds]`."""
    grouping = designs[0].grouping
    shape = (len(RATES), len(designs) + 1, len(grouping.groups))
    values = np.full((len(arm.runs), *shape), np.nan)
    replicates = np.zeros((*shape, N_REPLICATES))
    influence = np.zeros((*shape[:2], len(grouping.cell_patient)))
    effective, images = np.ones(shape), np.zeros(shape)
    for finding, design in enumerate(designs):
        for number, run in enumerate(arm.runs):
            scores, cuts = panel.scores[run, finding], chosen[number, finding]
            if not np.isnan(cuts[0]):
                one = _rates_of(scores >= cuts[0], design)
                values[number, :, finding], effective[:, finding], images[:, finding] = one.values, one.n_effective, one.images
                influence[:, finding] += one.influence / len(arm.runs)
                replicates[:, finding] += _at_thresholds(scores, cuts[1:], design) / len(arm.runs)
    _hide_and_average(values, influence, replicates, (effective, images), grouping)
    without: NDArray[np.bool_] = np.asarray(np.isnan(chosen[:, :, 0]).any(axis=0))
    reasons = stacked_reasons(
        [[NO_THRESHOLD] * shape[2] if missing else d.counts.reasons() for d, missing in zip(designs, without, strict=True)]
    )
    return Rated(
        arm=arm,
        grouping=grouping,
        findings=(*panel.findings, MACRO),
        by_training=values,
        influence=influence,
        replicates=replicates,
        images=images,
        n_effective=effective,
        threshold=np.append(chosen[:, :, 0].mean(axis=0), np.nan),
        counts=stacked([design.counts for design in designs]),
        reasons=reasons,
    )


@dataclass(frozen=True, eq=False)
class _Shares:
    """Rates `[n_rates, n_groups]` of one training and finding, their influence by cell, and their denominators."""

    values: Floats
    influence: Floats
    n_effective: Floats
    images: Floats


def _numerators(flagged: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Numerators and denominators of `RATES` `[n_rates, ...]` from flagged and all images by class, `[2, ...]`, negatives first."""
    (alarms, hits), (negative, positive) = flagged, total
    rejected, missed = negative - alarms, positive - hits
    images = negative + positive
    num = np.stack([hits, rejected, hits, rejected, hits + rejected, hits + alarms, missed])
    return num, np.stack([positive, negative, hits + alarms, rejected + missed, images, images, positive])


def _rates_of(flagged: NDArray[np.bool_], design: Design) -> _Shares:
    """The rates of images `flagged` as positive."""
    grouping, n_bins = design.grouping, design.cell_counts.size
    by_cell = np.zeros(n_bins)
    for placement in design.placement:
        by_cell += np.bincount(placement.cells, weights=flagged & (placement.codes < len(placement.sizes)), minlength=n_bins)
    num, den = _numerators(by_cell.reshape(2, -1), design.cell_counts)
    group = grouping.cell_group
    total, squares = grouping.sum_cells(den), grouping.sum_cells(np.square(den))
    patients = grouping.sum_cells((den > 0).astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = grouping.sum_cells(num) / total
        d = left_out((num - share[:, group] * den) / total[:, group], den / total[:, group]) * np.sqrt((patients - 1) / patients)[:, group]
        enough = (total >= SMALLEST_CLASS) & (patients >= SMALLEST_CLASS) & (design.counts.patients >= FEWEST_PATIENTS)
    return _Shares(
        values=np.where(enough, share, np.nan),
        influence=np.where(enough[:, group], d, np.nan),
        n_effective=np.square(total) / np.maximum(squares, 1),
        images=total,
    )


def _at_thresholds(scores: Floats, cuts: Floats, design: Design) -> Floats:
    """Rates `[n_rates, n_groups, n_cuts]` at each of `cuts`, in rising order; those that are NaN count as the median cut."""
    usable = np.sort(np.where(np.isnan(cuts), np.nanmedian(cuts), cuts))
    passed = np.searchsorted(usable, scores, side="right")
    width = len(usable) + 1
    flagged: list[Floats] = []
    for placement in design.placement:
        n_bins = len(placement.sizes) * 2 * width
        bins = (placement.codes.astype(np.intp) * 2 + design.positive) * width + passed
        counts = np.bincount(bins, minlength=n_bins)[:n_bins].reshape(-1, 2, width)
        flagged.append(counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1].astype(float))
    at = np.concatenate(flagged).transpose(1, 0, 2)
    num, den = _numerators(at[:, :, 1:], np.repeat(at[:, :, :1], width - 1, axis=2))
    return np.asarray(num / np.maximum(den, 1))


def _hide_and_average(values: Floats, influence: Floats, replicates: Floats, weights: tuple[Floats, Floats], grouping: Grouping) -> None:
    """Fill the last finding, the mean over those where the rate is estimable in every training, and hide what is not."""
    known: NDArray[np.bool_] = np.asarray(~np.isnan(values[:, :, :-1]).any(axis=0))
    inside = known[..., grouping.cell_group]
    n_known = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        values[:, :, -1] = np.where(known, values[:, :, :-1], 0).sum(axis=2) / n_known
        replicates[:, -1] = np.where(known[..., None], replicates[:, :-1], 0).sum(axis=1) / n_known[..., None]
        influence[:, -1] = np.where(inside, influence[:, :-1], 0).sum(axis=1) / n_known[:, grouping.cell_group]
        for weight in weights:
            weight[:, -1] = np.where(known, weight[:, :-1], 0).sum(axis=1) / n_known
    values[:, :, :-1][:, ~known] = np.nan
    influence[:, :-1][~inside] = np.nan
