"""How well each run does on the held-out test patients: AUROC by finding and over findings, and the mean over trainings."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.scores.scored_cases import RUN_COLUMNS
from dpmed_core.evaluation.statistics.auroc_panel import MACRO, Measured, measure
from dpmed_core.evaluation.statistics.intervals import added, logit_slope, on_logit

COUNT_COLUMNS = ("n_cases", "n_positive", "n_patients")
VALUE_COLUMNS = (
    "finding",
    "auroc",
    "auroc_low",
    "auroc_high",
    "standard_error",
    "logit_error",
    "freedom",
    *COUNT_COLUMNS,
    "n_findings",
    "reason",
)
UTILITY_COLUMNS = (*RUN_COLUMNS, *VALUE_COLUMNS)
SUBGROUP_COLUMNS = (*UTILITY_COLUMNS, "attribute", "subgroup")
GROUP = ["recipe", "unit", "epsilon", "delta", "finding"]
MEAN_COLUMNS = ("n_seeds", "auroc", "auroc_low", "auroc_high", "new_low", "new_high", *COUNT_COLUMNS, "n_findings")

__all__ = ["GROUP", "MACRO", "SUBGROUP_COLUMNS", "UTILITY_COLUMNS", "auroc_rows", "utility_means", "utility_table"]


def utility_table(scored: pd.DataFrame) -> pd.DataFrame:
    """One row a run and finding, and one for the mean over findings ("macro"), with `UTILITY_COLUMNS`.

    Intervals are for this one training, over patients. Macro's n_positive counts positive labels over all findings,
    its n_findings those that are estimable.
    """
    return auroc_rows(measure(scored), [EVERYBODY])[list(UTILITY_COLUMNS)]


def auroc_rows(measured: Sequence[Measured], attributes: Sequence[str]) -> pd.DataFrame:
    """One row a run, subgroup and finding, with `SUBGROUP_COLUMNS`; what is not estimable says why."""
    tables = [table for m in measured for table in _rows(m, attributes)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SUBGROUP_COLUMNS))


def _rows(measured: Measured, attributes: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Each run's rows, subgroup by subgroup."""
    groups = np.array([number for of in attributes for number in measured.groups_of(of).values()], dtype=np.intp)
    shape = (len(groups), len(measured.findings))
    names = [measured.grouping.groups[group] for group in groups]
    same = {name: getattr(measured, name).T[groups].ravel() for name in COUNT_COLUMNS} | {
        "n_findings": measured.n_findings.T[groups].ravel(),
        "reason": measured.reasons.T[groups].ravel(),
    }
    for run in range(len(measured.runs)):
        logit_variance, freedom = measured.logit_variances(run)
        low, high = on_logit(measured.values[run], logit_variance, freedom, measured.n_effective)
        numbers = {
            "auroc": measured.values[run],
            "auroc_low": low,
            "auroc_high": high,
            "standard_error": np.sqrt(measured.variances(run)[0]),
            "logit_error": np.sqrt(logit_variance),
            "freedom": freedom,
        }
        table = pd.DataFrame(
            {
                "finding": np.tile(np.array(measured.findings, dtype=object), shape[0]),
                **{name: array.T[groups].ravel() for name, array in numbers.items()},
                **same,
                "attribute": np.repeat(np.array([name[0] for name in names], dtype=object), shape[1]),
                "subgroup": np.repeat(np.array([name[1] for name in names], dtype=object), shape[1]),
            }
        )
        facts = measured.runs.iloc[[run] * len(table)].reset_index(drop=True)
        yield pd.concat([facts, table], axis=1)[list(SUBGROUP_COLUMNS)]


def utility_means(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over replicates, with an interval for the mean performance over trainings and one for a single new training.

    Columns: `GROUP` (and attribute and subgroup, where `table` has them), then `MEAN_COLUMNS`. auroc_low to auroc_high holds the mean
    over all trainings; its variance, on the logit scale, is that of the patients (mean over the replicates that are not exactly 0 or 1:
    they share the patients) plus that of the training (variance between replicates over their number, by the logit's slope at the mean);
    its quantile is Student's t with Satterthwaite's degrees of freedom, m - 1 for the training part. new_low to new_high holds one new
    training's AUROC and is never shorter; NaN for a single replicate, whose interval is that of the patients alone. All are conditional
    on the training patients.

    Args:
        table: `utility_table` or `fairness.subgroup_table`.
    """
    keys = [*GROUP, *(name for name in ("attribute", "subgroup") if name in table.columns)]
    estimable = table[table["auroc"].notna()]
    if estimable.empty:
        return pd.DataFrame(columns=[*keys, *MEAN_COLUMNS])
    inside = estimable["auroc"].between(0, 1, inclusive="neither")
    scaled = estimable.assign(variance=np.square(estimable["logit_error"]).where(inside), freedom=estimable["freedom"].where(inside))
    means = (
        scaled.groupby(keys, sort=False, dropna=False)
        .agg(
            n_seeds=("auroc", "size"),
            auroc=("auroc", "mean"),
            between=("auroc", "var"),
            variance=("variance", "mean"),
            freedom=("freedom", "mean"),
            low=("auroc_low", "first"),
            high=("auroc_high", "first"),
            n_cases=("n_cases", "first"),
            n_positive=("n_positive", "first"),
            n_patients=("n_patients", "first"),
            n_findings=("n_findings", "first"),
        )
        .reset_index()
    )
    return _with_intervals(means)[[*keys, *MEAN_COLUMNS]]


def _with_intervals(means: pd.DataFrame) -> pd.DataFrame:
    seeds, alone = means["n_seeds"].to_numpy(dtype=float), (means["n_seeds"] == 1).to_numpy()
    between = np.where(alone, 0, means["between"] * np.square(logit_slope(means["auroc"])))

    def interval(trainings: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        variance, freedom = added(means["variance"], means["freedom"], trainings, seeds - 1)
        return on_logit(means["auroc"], variance, freedom, means["n_patients"])

    low, high = interval(between / seeds)
    new_low, new_high = interval(between * (1 + 1 / seeds))
    return means.assign(
        auroc_low=np.where(alone, means["low"], low),
        auroc_high=np.where(alone, means["high"], high),
        new_low=np.where(alone, np.nan, np.minimum(new_low, low)),
        new_high=np.where(alone, np.nan, np.maximum(new_high, high)),
    )
