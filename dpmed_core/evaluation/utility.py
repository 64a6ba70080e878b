"""How well each run does on the held-out test patients: AUROC by finding and over findings."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import t

from dpmed_core.evaluation.auroc import CONFIDENCE, Auroc, auroc, mean_auroc
from dpmed_core.evaluation.cases import RUN_COLUMNS

MACRO = "macro"
VALUE_COLUMNS = ("finding", "auroc", "auroc_low", "auroc_high", "standard_error", "n_cases", "n_positive", "n_patients", "reason")
UTILITY_COLUMNS = (*RUN_COLUMNS, *VALUE_COLUMNS)
GROUP = ["recipe", "unit", "epsilon", "delta", "finding"]


def utility_table(scored: pd.DataFrame) -> pd.DataFrame:
    """One row a run and finding, and one for the mean over findings ("macro"), with `UTILITY_COLUMNS`.

    Intervals are for this one training, over patients. Macro's n_positive counts positive labels over all findings.
    """
    rows: list[dict[str, object]] = []
    for facts, cases in runs_of(scored):
        values = by_finding(cases)
        values[MACRO] = mean_auroc(list(values.values()))
        rows.extend({**facts, **value_fields(finding, value)} for finding, value in values.items())
    return pd.DataFrame(rows, columns=list(UTILITY_COLUMNS))


def runs_of(scored: pd.DataFrame) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Each run's facts (`RUN_COLUMNS`) and its cases."""
    for _, cases in scored.groupby("run_id", sort=False):
        yield {name: cases[name].iloc[0] for name in RUN_COLUMNS}, cases


def by_finding(cases: pd.DataFrame) -> dict[str, Auroc]:
    """The AUROC of each finding of one run's cases; influence values aligned over findings."""
    numbers, patients = pd.factorize(cases["patient_id"])
    return {
        str(finding): auroc(
            rows["score"].to_numpy(dtype=float),
            rows["label"].to_numpy(dtype=float),
            numbers[cases.index.get_indexer(rows.index)],
            n_patients_all=len(patients),
        )
        for finding, rows in cases.groupby("finding", sort=False)
    }


def value_fields(finding: str, value: Auroc) -> dict[str, object]:
    """An AUROC as the values of `VALUE_COLUMNS`."""
    return {
        "finding": finding,
        "auroc": value.value,
        "auroc_low": value.low,
        "auroc_high": value.high,
        "standard_error": value.standard_error if not value.reason else math.nan,
        "n_cases": value.n_cases,
        "n_positive": value.n_positive,
        "n_patients": value.n_patients,
        "reason": value.reason,
    }


def utility_means(utility: pd.DataFrame) -> pd.DataFrame:
    """The mean over replicates of each recipe, unit, epsilon and finding, with an interval for the mean performance over trainings.

    Columns: `GROUP`, n_seeds, auroc, auroc_low, auroc_high, n_cases, n_positive, n_patients. The interval's variance is that of the
    patients (mean over replicates: they share the patients) plus that of the training (variance between replicates over their number);
    the quantile is Student's t with Satterthwaite's degrees of freedom, m - 1 for the training part. It is conditional on the training
    patients. A single replicate has the patients' interval alone.
    """
    estimable = utility[utility["auroc"].notna()]
    rows = [
        {**dict(zip(GROUP, names, strict=True)), **_mean_fields(group)}
        for names, group in estimable.groupby(GROUP, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*GROUP, "n_seeds", "auroc", "auroc_low", "auroc_high", "n_cases", "n_positive", "n_patients"])


def _mean_fields(group: pd.DataFrame) -> dict[str, object]:
    n_seeds, value = len(group), float(group["auroc"].mean())
    n_patients = int(group["n_patients"].iloc[0])
    counts = {name: int(group[name].iloc[0]) for name in ("n_cases", "n_positive", "n_patients")}
    if n_seeds == 1:
        low, high = float(group["auroc_low"].iloc[0]), float(group["auroc_high"].iloc[0])
        return {"n_seeds": 1, "auroc": value, "auroc_low": low, "auroc_high": high, **counts}
    between_patients = float(np.square(group["standard_error"]).mean())
    between_trainings = float(group["auroc"].var(ddof=1)) / n_seeds
    variance = between_patients + between_trainings
    freedom = variance**2 / max(between_patients**2 / max(n_patients - 1, 1) + between_trainings**2 / (n_seeds - 1), 1e-300)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, max(freedom, 1.0))) * math.sqrt(variance)
    return {"n_seeds": n_seeds, "auroc": value, "auroc_low": max(value - reach, 0.0), "auroc_high": min(value + reach, 1.0), **counts}
