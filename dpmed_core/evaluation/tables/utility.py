"""A metric of each run, and its mean over an arm's runs: for each finding and their mean, for everybody and each subgroup."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.contrast import contrasts
from dpmed_core.evaluation.metrics.measured import ArmMeasured, Measured, in_the_mean
from dpmed_core.evaluation.metrics.metric import Metric, Scale
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.sample_sizes import SMALLEST_CLASS
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.statistics.intervals import added, logit_slope, on_logit

COUNT_COLUMNS = ("n_cases", "n_positive", "n_patients")
GROUP = ["recipe", "unit", "epsilon", "delta", "finding"]
PLACE = ("attribute", "subgroup")
TOO_FEW_COUNTED = f"fewer than {SMALLEST_CLASS} images or patients to take a share of"
Floats = NDArray[np.float64]


def run_columns(metric: Metric) -> list[str]:
    """The columns of `run_rows` without attribute and subgroup: of the run, then the value, its interval and errors, and counts."""
    errors = ("standard_error", "freedom") if metric.scale is Scale.PLAIN else ("standard_error", "logit_error", "freedom")
    return [*RUN_COLUMNS, "finding", *metric.columns, *errors, *COUNT_COLUMNS, "n_effective", "n_findings", "reason", "n_distinct"]


def mean_columns(metric: Metric) -> list[str]:
    """The columns of `mean_rows`."""
    return [*GROUP, *PLACE, "n_seeds", "n_distinct", *metric.columns, "new_low", "new_high", *COUNT_COLUMNS, "n_findings"]


def run_rows(metric: Metric, measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """One row a run, subgroup and finding, with `run_columns`, attribute and subgroup; what is not estimable says why.

    Intervals are for this one training run, over patients. standard_error is that of the value, logit_error that of its logit. Of macro,
    n_positive counts positive labels over the findings that its mean is of, and n_findings these findings. n_effective are the patients
    whom a value rests on: of the rarer class for metrics that need both, weighed by their images. n_distinct counts the runs of the same
    arm that differ in any score: 1 for runs of a recipe that has no chance in it.

    Args:
        metric: which.
        measured: of that metric, by panel.
        attributes: which rows; "all" for everybody.
    """
    tables = [table for one in measured for table in _run_tables(one, attributes)]
    columns = [*run_columns(metric), *PLACE]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _run_tables(measured: Measured, attributes: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The rows of all runs, run by run and subgroup by subgroup, as one table: one for each run would take longer than its numbers."""
    metric, n_runs = measured.metric, len(measured.runs)
    groups = [group for of in attributes for group in measured.groups_of(of).values()]
    columns: dict[str, list[NDArray[Any]]] = {}
    for run in range(n_runs):
        limits = measured.limits(run)
        low, high = limits.at()
        arrays = {
            **dict(zip(metric.columns, (measured.values[run], low, high), strict=True)),
            "standard_error": np.sqrt(measured.variances(run)[0]),
            "logit_error": np.sqrt(limits.bounded()),
            "freedom": limits.freedom,
            **measured.counts,
            "n_effective": measured.n_effective[run],
            "n_findings": measured.n_findings,
            "reason": _reasons(measured, run),
        }
        for name, array in arrays.items():
            columns.setdefault(name, []).append(array.T[groups].ravel())
    if not columns:
        return
    places = by_place(measured, groups, {})
    n_distinct = {run: arm.n_distinct for arm in measured.design.arms for run in arm.runs}
    of_run = np.repeat(np.arange(n_runs), len(places))
    table = pd.DataFrame(
        {
            **{str(name): np.tile(places[name].to_numpy(), n_runs) for name in places},
            **{name: np.concatenate(arrays_of_runs) for name, arrays_of_runs in columns.items()},
            "n_distinct": np.array([n_distinct[run] for run in range(n_runs)])[of_run],
        }
    )
    facts = measured.runs.iloc[of_run].reset_index(drop=True)
    yield pd.concat([facts, table], axis=1)[[*run_columns(metric), *PLACE]]


def by_place(measured: Measured, groups: Sequence[int], arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """One row for each of `groups` and finding, all findings of a subgroup together: where it is, and its value in each array.

    Args:
        measured: whose subgroups and findings.
        groups: indices of the subgroups, in the order of the rows.
        arrays: `[n_findings, n_groups]` by column.
    """
    names, findings = [measured.grouping.groups[group] for group in groups], np.array(measured.findings, dtype=object)
    return pd.DataFrame(
        {
            "attribute": np.repeat(np.array([attribute for attribute, _ in names], dtype=object), len(findings)),
            "subgroup": np.repeat(np.array([subgroup for _, subgroup in names], dtype=object), len(findings)),
            "finding": np.tile(findings, len(names)),
            **{name: array.T[list(groups)].ravel() for name, array in arrays.items()},
        }
    )


def _reasons(measured: Measured, run: int) -> NDArray[np.object_]:
    """Why a run's values are not estimable; empty where they are."""
    if measured.metric.needs_both_classes:
        return measured.reasons
    # A share has its own denominator, which may be too small where both classes are large: nobody flagged, so no predictive value.
    why = np.where(measured.reasons == "", TOO_FEW_COUNTED, measured.reasons)
    return np.asarray(np.where(np.isnan(measured.values[run]), why, ""), dtype=object)


def mean_rows(metric: Metric, measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """The mean over an arm's runs, one row an arm, subgroup and finding that is estimable, with `mean_columns`.

    The 95 % interval is for the mean over all training runs; new_low to new_high is for the value of one further run and never shorter. A
    single run has no new_low and new_high, and its interval covers the patients alone; so do runs that do not differ (n_distinct
    is 1). All are conditional on the training patients. A
    contrast has no row for everybody, and no new_low and new_high.

    Args:
        metric: which.
        measured: of that metric, by panel.
        attributes: which rows; "all" for everybody.
    """
    if metric.contrast_of is not None:
        rows = [row for one in measured for arm in one.design.arms for row in _contrast_rows(metric, one.of_arm(arm), attributes)]
        return pd.DataFrame(rows, columns=mean_columns(metric))
    # These are jackknifed on the logit scale for each run, so their means are made from the runs' own errors.
    if metric.scale in (Scale.LOGIT, Scale.LOGIT_BOUNDED):
        return mean_of_runs(metric, run_rows(metric, measured, attributes))
    tables = [_arm_table(metric, one.of_arm(arm), attributes) for one in measured for arm in one.design.arms]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=mean_columns(metric))


def mean_of_runs(metric: Metric, table: pd.DataFrame) -> pd.DataFrame:
    """`mean_rows` of a metric on the logit scale, from its `run_rows`.

    The variance, on the logit scale, is that of the patients (mean over the runs that are not exactly 0 or 1: they share the patients) plus
    that of the training (variance between runs over their number, by the logit's slope at the mean); the quantile is Student's t with
    Satterthwaite's degrees of freedom, m - 1 for the training part of m runs.
    """
    value, value_low, value_high = metric.columns
    keys = [*GROUP, *PLACE]
    estimable = table[table[value].notna()]
    if estimable.empty:
        return pd.DataFrame(columns=mean_columns(metric))
    # At exactly 0 or 1 the estimated variance is 0, which is too small: such a run takes the mean of the other runs' instead.
    inside = estimable[value].between(0, 1, inclusive="neither")
    scaled = estimable.assign(variance=np.square(estimable["logit_error"]).where(inside), freedom=estimable["freedom"].where(inside))
    firsts = {name: (name, "first") for name in (*COUNT_COLUMNS, "n_findings", "n_effective", "n_distinct")}
    means = (
        # Non-private rows have NaN for epsilon and delta, so missing keys must be kept.
        scaled.groupby(keys, sort=False, dropna=False)
        .agg(
            n_seeds=(value, "size"),
            value=(value, "mean"),
            between=(value, "var"),
            variance=("variance", "mean"),
            freedom=("freedom", "mean"),
            low=(value_low, "first"),
            high=(value_high, "first"),
            **firsts,
        )
        .reset_index()
    )
    named = {"value": value, "mean_low": value_low, "mean_high": value_high}
    return _with_intervals(means).rename(columns=named)[mean_columns(metric)]


def _with_intervals(means: pd.DataFrame) -> pd.DataFrame:
    """`means` with the ends of the interval of the mean over runs, and of the interval of one further run."""
    seeds, alone = means["n_seeds"].to_numpy(dtype=float), (means["n_distinct"] == 1).to_numpy()
    between = np.where(alone, 0, means["between"] * np.square(logit_slope(means["value"])))

    def interval(of_training: Floats) -> tuple[Floats, Floats]:
        variance, freedom = added(means["variance"], means["freedom"], of_training, seeds - 1)
        return on_logit(means["value"], variance, freedom, means["n_effective"])

    low, high = interval(between / seeds)
    # A further run varies by itself and around a mean that is itself uncertain: 1 + 1 / m of the variance between runs. More variance may
    # come with more degrees of freedom and so a smaller quantile: the wider of both intervals is taken.
    new_low, new_high = interval(between * (1 + 1 / seeds))
    return means.assign(
        mean_low=np.where(alone, means["low"], low),
        mean_high=np.where(alone, means["high"], high),
        new_low=np.where(alone, np.nan, np.minimum(new_low, low)),
        new_high=np.where(alone, np.nan, np.maximum(new_high, high)),
    )


def _arm_table(metric: Metric, arm: ArmMeasured, attributes: Sequence[str]) -> pd.DataFrame:
    """The rows of one arm, for a metric whose variance over runs is on its own scale; only those that are estimable."""
    measured = arm.measured
    groups = [group for of in attributes for group in measured.groups_of(of).values()]
    low, high = arm.intervals()
    new_low, new_high = arm.intervals_of_new_run() if arm.arm.n_distinct > 1 else (np.full_like(low, np.nan),) * 2
    arrays = {
        **dict(zip(metric.columns, (arm.values, low, high), strict=True)),
        "new_low": new_low,
        "new_high": new_high,
        **measured.counts,
        "n_findings": np.vstack([~np.isnan(arm.values[:-1]), in_the_mean(~np.isnan(arm.values[:-1])).sum(axis=0)]).astype(np.intp),
    }
    table = by_place(measured, groups, arrays)
    return table.assign(**arm.arm.facts())[mean_columns(metric)][table[metric.name].notna()]


def _contrast_rows(metric: Metric, arm: ArmMeasured, attributes: Sequence[str]) -> Iterator[dict[str, object]]:
    """The rows of one arm, for a metric that compares a subgroup with all others."""
    for attribute in attributes:
        if attribute == EVERYBODY:
            continue  # nobody is left to compare everybody with
        found = contrasts(arm, attribute)
        for finding_index, finding in enumerate(arm.measured.findings):
            for column, group in enumerate(found.groups):
                if not np.isnan(found.values[finding_index, column]):
                    ends = (array[finding_index, column] for array in (found.values, found.low, found.high))
                    place = dict(zip(PLACE, arm.measured.grouping.groups[group], strict=True))
                    counts = {name: int(numbers[finding_index, group]) for name, numbers in arm.measured.counts.items()}
                    yield {**arm.arm.facts(), "finding": finding, **place, **dict(zip(metric.columns, ends, strict=True)), **counts}
