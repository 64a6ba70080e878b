"""Points of curves: the ROC curve and the calibration (reliability) curve of each run and finding."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from dpmed_core.evaluation.scores.design import Design
from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.evaluation.scores.scored_runs import RUN_COLUMNS
from dpmed_core.evaluation.statistics.calibration_error import calibration_error_floor, expected_calibration_error

ROC_COLUMNS = (*RUN_COLUMNS, "finding", "false_positive_rate", "sensitivity", "n_cases", "n_positive", "n_patients", "reason")
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
    "ece",
    "ece_floor",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
MOST_BINS = 10
SMALLEST_BIN = 20
"""Images; fewer make fewer bins."""
QUANTILE = 1.959963984540054
"""Of the standard normal distribution at 0.975."""

Array = NDArray[np.float64]


def roc_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """The vertices of each ROC curve from (0, 0) to (1, 1), by run and finding, with `ROC_COLUMNS`.

    Between two vertices the curve is a straight line, so that its area by trapezoids is the Mann-Whitney statistic exactly. Vertices on a
    straight line between their neighbours are left out. reason: why the finding is not estimable in these patients; it then has one row
    without vertices. Empty where it is estimable.
    """
    tables = []
    for facts, cases in _of_findings(panels):
        curve: dict[str, object] = {"false_positive_rate": [np.nan], "sensitivity": [np.nan]}
        if not facts["reason"]:
            curve["false_positive_rate"], curve["sensitivity"], _ = roc_curve(cases["label"], cases["score"])
        tables.append(pd.DataFrame({**facts, **_counts(cases), **curve}))
    return pd.concat(tables, ignore_index=True)[list(ROC_COLUMNS)] if tables else pd.DataFrame(columns=list(ROC_COLUMNS))


def mean_roc(curves: pd.DataFrame) -> pd.DataFrame:
    """The mean of ROC curves over training runs: the sensitivities averaged at each false-positive rate, columns as in `curves`.

    The mean of curves that are straight between vertices is straight between the vertices of all of them, with their rises; its area is the
    mean of their areas exactly. Source: Fawcett 2006, "An introduction to ROC analysis", section 8.1 (vertical averaging).

    Args:
        curves: rows of `roc_table` of one finding, one arm.
    """
    own = [(run["false_positive_rate"].to_numpy(), run["sensitivity"].to_numpy()) for _, run in curves.groupby("run_id", sort=False)]
    rates = np.unique(np.concatenate([false_positive for false_positive, _ in own]))
    ends = np.mean([_ends_at(rates, *curve) for curve in own], axis=0)
    return pd.DataFrame({"false_positive_rate": np.repeat(rates, 2), "sensitivity": ends.T.ravel()})


def reliability_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """Predicted against observed share of positives in bins of equal size, by run and finding, with `RELIABILITY_COLUMNS`.

    The interval of the observed share is Wilson's with the number of images that independent images of the same variance would be
    (at most their real number); the variance is that of a ratio over patients. reason: as in `roc_table`.
    Source: Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts", Survey
    Methodology 24 (the effective sample size).

    ece is the run's expected calibration error, over bins of its own (`statistics.calibration_error`), and ece_floor what it would be for
    a perfectly calibrated model with these scores.
    """
    rows: list[dict[str, object]] = []
    for facts, cases in _of_findings(panels):
        if facts["reason"]:
            rows.append({**facts, **_counts(cases)})
            continue
        n_bins = max(1, min(MOST_BINS, len(cases) // SMALLEST_BIN))
        # Tied scores are ranked in the order of the cases, so that bins hold equally many images even where most scores are equal.
        ranks = cases["score"].rank(method="first").to_numpy()
        bins = np.minimum((ranks - 1) * n_bins // max(len(cases), 1), n_bins - 1)
        scores, labels = (cases[name].to_numpy(dtype=float) for name in ("score", "label"))
        errors = {"ece": expected_calibration_error(scores, labels), "ece_floor": calibration_error_floor(scores)}
        rows.extend({**facts, "bin": number, **_bin_fields(cases[bins == number]), **errors, **_counts(cases)} for number in range(n_bins))
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


def _of_findings(panels: Sequence[Panel]) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Each run and finding: the facts of its rows, and label, score and patient of its cases of known label."""
    for panel in panels:
        everybody = group_cases(panel.cases, (), panel.patients, n_patients=panel.n_patients)
        reasons = [Design.of(labels, everybody).counts.reasons()[0] for labels in panel.labels]
        for run, facts in enumerate(panel.runs.to_dict("records")):
            for finding_index, finding in enumerate(panel.findings):
                label, score = panel.labels[finding_index], panel.scores[run, finding_index]
                cases = pd.DataFrame({"label": label, "score": score, "patient_id": panel.patients})
                about = {**{str(name): fact for name, fact in facts.items()}, "finding": finding, "reason": reasons[finding_index]}
                yield about, cases[cases["label"].notna()]


def _counts(cases: pd.DataFrame) -> dict[str, int]:
    return {"n_cases": len(cases), "n_positive": int(cases["label"].sum()), "n_patients": int(cases["patient_id"].nunique())}


def _ends_at(rates: Array, false_positive: Array, sensitivity: Array) -> tuple[Array, Array]:
    """The lower and the upper end of the curve at each of `rates`; they differ where it rises straight up."""
    # Interpolation needs one point for each rate: the first or the last of a vertical rise.
    first = np.flatnonzero(np.diff(false_positive, prepend=-np.inf) > 0)
    last = np.flatnonzero(np.diff(false_positive, append=np.inf) > 0)
    exact = np.isin(rates, false_positive)
    upper = np.interp(rates, false_positive[last], sensitivity[last])
    # Between two vertices the line runs from the end of one rise to the beginning of the next.
    following = np.minimum(np.searchsorted(false_positive[last], rates), len(first) - 1)
    before = np.maximum(following - 1, 0)
    x0, x1 = false_positive[last][before], false_positive[first][following]
    y0, y1 = sensitivity[last][before], sensitivity[first][following]
    share = np.divide(rates - x0, x1 - x0, out=np.zeros_like(rates), where=x1 > x0)
    between = y0 + share * (y1 - y0)
    lower = np.where(exact, sensitivity[first][following], between)
    return lower, np.where(exact, upper, between)


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
