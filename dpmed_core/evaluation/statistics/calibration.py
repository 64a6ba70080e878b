"""Whether a score of 0.2 means a fifth: calibration slope and intercept, expected calibration error, Brier score."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.scores.panel import Panel, panels_of
from dpmed_core.evaluation.scores.scored_cases import RUN_COLUMNS
from dpmed_core.evaluation.statistics.auroc import Design, left_out
from dpmed_core.evaluation.statistics.intervals import freedom_of, logit, symmetric

N_BINS = 10
MOST_STEPS = 50
CLIP = 1e-6
MEASURES = ("slope", "intercept", "brier")
CALIBRATION_COLUMNS = (
    *RUN_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    "ece",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
Floats = NDArray[np.float64]


def calibration_table(scored: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Calibration of each run, subgroup and finding, with `CALIBRATION_COLUMNS`.

    slope: of a logistic regression of the label on the score's logit; 1 is right, below 1 the scores are too extreme. intercept:
    calibration in the large, of the same regression with the slope held at 1; 0 is right, above 0 the scores are too low. brier: mean
    squared difference of score and label. Intervals (95 %) by patient. ece: expected calibration error over `N_BINS` bins of equally many
    images, without an interval; it is above 0 even for a right model, the more so the fewer images.

    Source: Van Calster et al. 2016, Journal of Clinical Epidemiology 74 (slope, intercept); Naeini et al. 2015, AAAI (ECE).
    """
    rows = [row for panel in panels_of(scored) for row in _rows(panel, by)]
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def _rows(panel: Panel, by: Sequence[str]) -> Iterator[dict[str, object]]:
    grouping = group_cases(panel.cases, by, panel.patients, n_patients=panel.n_patients)
    places = [(block.codes == code, *grouping.groups[block.first + code]) for block in grouping.blocks for code in range(block.n_groups)]
    for finding, labels in enumerate(panel.labels):
        counts = Design.of(labels, grouping).counts
        reasons = counts.reasons()
        for run, facts in enumerate(panel.runs.to_dict("records")):
            for group, (members, attribute, subgroup) in enumerate(places):
                inside = members & ~np.isnan(labels)
                about = {"attribute": attribute, "subgroup": subgroup, "finding": panel.findings[finding], "reason": reasons[group]}
                numbers = {f"n_{kind}": int(getattr(counts, kind)[group]) for kind in ("cases", "positive", "patients")}
                found = {} if reasons[group] else _calibration(panel.scores[run, finding][inside], labels[inside], panel.patients[inside])
                yield {**{str(key): value for key, value in facts.items()}, **about, **numbers, **found}


def _calibration(scores: Floats, labels: Floats, patients: NDArray[np.intp]) -> dict[str, float]:
    """The measures of one set of images, with intervals."""
    x = logit(np.clip(scores, CLIP, 1 - CLIP))
    slope, slope_influence = _logistic(np.column_stack([np.ones_like(x), x]), labels, np.zeros_like(x))
    large, large_influence = _logistic(np.ones((len(x), 1)), labels, x)
    squared = np.square(scores - labels)
    found: dict[str, float] = {"ece": expected_calibration_error(scores, labels)}
    for name, value, influence in (
        ("slope", slope[1], slope_influence[:, 1]),
        ("intercept", large[0], large_influence[:, 0]),
        ("brier", squared.mean(), (squared - squared.mean()) / len(squared)),
    ):
        low, high = _interval(float(value), influence, patients)
        found |= {name: float(value), f"{name}_low": low, f"{name}_high": high}
    return found


def _interval(value: float, influence: Floats, patients: NDArray[np.intp]) -> tuple[float, float]:
    """The interval over patients of a value with `influence` by image."""
    images: Floats = np.bincount(patients).astype(np.float64)
    share = images[images > 0] / images.sum()
    by_patient: Floats = np.bincount(patients, weights=influence).astype(np.float64)
    squares = np.square(left_out(by_patient[images > 0], share))
    freedom = freedom_of(squares.sum(), np.square(squares).sum(), 1 / np.square(share).sum())
    low, high = symmetric(value, squares.sum() * (1 - 1 / len(share)), freedom)
    return float(low), float(high)


def _logistic(design: Floats, labels: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood coefficients and, for each image, what it adds to them (inverse information times score).

    NaN where the classes are separated and there is no maximum.
    """
    beta = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ beta + offset, -30, 30)))
        information = (design * (p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            break
        inverse = np.linalg.inv(information)
        step = inverse @ (design.T @ (labels - p))
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            return beta, (design * (labels - p)[:, None]) @ inverse
    return np.full_like(beta, np.nan), np.full_like(design, np.nan)


def expected_calibration_error(scores: Floats, labels: Floats) -> float:
    """Mean over bins of |mean score - share of positives|, bins of equally many images by rising score, weighed by their images."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(N_BINS, len(order)))
    return float(sum(abs(scores[part].sum() - labels[part].sum()) for part in parts) / len(scores))
