"""Points of curves: the ROC curve and the calibration (reliability) curve of each run and finding."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS

ROC_COLUMNS = (*RUN_COLUMNS, "finding", "false_positive_rate", "sensitivity", "n_cases", "n_positive", "n_patients")
RELIABILITY_COLUMNS = (
    *RUN_COLUMNS,
    "finding",
    "bin",
    "predicted",
    "observed",
    "observed_low",
    "observed_high",
    "bin_cases",
    "bin_positive",
    "n_cases",
    "n_positive",
    "n_patients",
)
GRID = np.linspace(0.0, 1.0, 101)
"""False-positive rates at which a ROC curve is read: curves on one grid can be averaged over training runs."""
MOST_BINS = 10
SMALLEST_BIN = 20
"""Images; fewer make fewer bins."""
QUANTILE = 1.959963984540054
"""Of the standard normal distribution at 0.975."""

Array = NDArray[np.float64]


def roc_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """Sensitivity at each false-positive rate of `GRID`, by run and finding, with `ROC_COLUMNS`; findings of one class have no rows.

    Between two thresholds the curve is a straight line, so that its area is the Mann-Whitney statistic up to the grid's fineness.
    """
    tables = []
    for facts, cases in _known(panels):
        if cases["label"].nunique() == 2:
            false_positive, sensitivity, _ = roc_curve(cases["label"], cases["score"])
            curve = {"false_positive_rate": GRID, "sensitivity": _highest_at(GRID, false_positive, sensitivity)}
            tables.append(pd.DataFrame({**facts, **_counts(cases), **curve}))
    return pd.concat(tables, ignore_index=True)[list(ROC_COLUMNS)] if tables else pd.DataFrame(columns=list(ROC_COLUMNS))


def reliability_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """Predicted against observed share of positives in bins of equal size, by run and finding, with `RELIABILITY_COLUMNS`.

    The interval of the observed share is Wilson's with the number of images that independent images of the same variance would be
    (at most their real number); the variance is that of a ratio over patients.
    Source: Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts", Survey
    Methodology 24 (the effective sample size).
    """
    rows: list[dict[str, object]] = []
    for facts, cases in _known(panels):
        n_bins = max(1, min(MOST_BINS, len(cases) // SMALLEST_BIN))
        # Tied scores are ranked in the order of the cases, so that bins hold equally many images even where most scores are equal.
        ranks = cases["score"].rank(method="first").to_numpy()
        bins = np.minimum((ranks - 1) * n_bins // max(len(cases), 1), n_bins - 1)
        rows.extend({**facts, "bin": number, **_bin_fields(cases[bins == number]), **_counts(cases)} for number in range(n_bins))
    return pd.DataFrame(rows, columns=list(RELIABILITY_COLUMNS))


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was seen in `n` independent cases; `n` need not be whole.

    >>> [round(end, 4) for end in wilson_interval(81 / 263, 263)]  # the example of Newcombe 1998, Statistics in Medicine 17
    [0.2553, 0.3662]
    >>> [round(end, 4) for end in wilson_interval(0, 20)]
    [0.0, 0.1611]

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    centre = (share + QUANTILE**2 / (2 * n)) / (1 + QUANTILE**2 / n)
    reach = QUANTILE / (1 + QUANTILE**2 / n) * math.sqrt(share * (1 - share) / n + QUANTILE**2 / (4 * n**2))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def _known(panels: Sequence[Panel]) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Each run and finding that has one: the facts of its rows, and label, score and patient of its cases of known label."""
    for panel in panels:
        for run, facts in enumerate(panel.runs.to_dict("records")):
            for finding_index, finding in enumerate(panel.findings):
                label, score = panel.labels[finding_index], panel.scores[run, finding_index]
                cases = pd.DataFrame({"label": label, "score": score, "patient_id": panel.patients})
                if (known := cases["label"].notna()).any():
                    yield {**{str(name): fact for name, fact in facts.items()}, "finding": finding}, cases[known]


def _counts(cases: pd.DataFrame) -> dict[str, int]:
    return {"n_cases": len(cases), "n_positive": int(cases["label"].sum()), "n_patients": int(cases["patient_id"].nunique())}


def _highest_at(wanted: Array, false_positive: Array, sensitivity: Array) -> Array:
    """The curve at the rates `wanted`; where it rises straight up, its upper end."""
    # Interpolation needs one point for each rate: the last of a vertical rise.
    last = np.flatnonzero(np.diff(false_positive, append=np.inf) > 0)
    return np.asarray(np.interp(wanted, false_positive[last], sensitivity[last]))


def _bin_fields(cases: pd.DataFrame) -> dict[str, float]:
    """Mean score and share of positives of one bin, with the interval of the share."""
    n, observed = len(cases), float(cases["label"].mean())
    by_patient = (cases["label"] - observed).groupby(cases["patient_id"]).sum()
    n_patients = len(by_patient)
    # Of a ratio of sums over patients, linearised: I / (I - 1) sum over patients of (sum of label - share)^2 / n^2.
    variance = n_patients / max(n_patients - 1, 1) * float(np.square(by_patient).sum()) / n**2
    # So many independent images would have this variance. Where all labels are equal it is 0, and only patients count as independent.
    effective = min(n, observed * (1 - observed) / variance) if variance > 0 else min(n, n_patients)
    low, high = wilson_interval(observed, effective)
    predicted = float(cases["score"].mean())
    counts = {"bin_cases": n, "bin_positive": int(cases["label"].sum())}
    return {"predicted": predicted, "observed": observed, "observed_low": low, "observed_high": high, **counts}
