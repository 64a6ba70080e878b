"""Calibration: whether 20 % of the images with a score of 0.2 have the finding.

slope: of a logistic regression of the label on the score's logit; 1 is ideal, below 1 the scores are too extreme. intercept: calibration in
the large, of the same regression with the slope fixed at 1; 0 is ideal, above 0 the scores are too low.

Source: Van Calster et al. 2016, Journal of Clinical Epidemiology 74.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.metric import Better, Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.statistics.calibration_error import calibration_error_floor, expected_calibration_error
from dpmed_core.evaluation.statistics.intervals import logit
from dpmed_core.evaluation.statistics.jackknife import influence_values

MOST_STEPS = 50
CLIP = 1e-6
"""Scores are kept this far from 0 and 1: one score of exactly 0 or 1 would have an infinite logit."""
Floats = NDArray[np.float64]


def logistic_regression(design: Floats, labels: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Maximum-likelihood coefficients `[n_coefficients]` and each image's influence on them `[n, n_coefficients]`.

    The influence is the inverse information times the image's score function, x (y - p): summed by patient and squared it is the sandwich
    variance (Huber 1967; Liang & Zeger 1986, Biometrika 73). NaN where the classes are separated and there is no maximum.

    >>> ones, labels = np.ones((5, 1)), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    >>> coefficients, _ = logistic_regression(ones, labels, np.zeros(5))
    >>> round(float(coefficients[0]), 6)  # log(3 / 2)
    0.405465

    Args:
        design: `[n, n_coefficients]`.
        labels: `[n]`, 1 or 0.
        offset: `[n]`, added to the linear predictor with a coefficient of 1.
    """
    beta = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ beta + offset, -30, 30)))
        information = (design * (p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:  # coefficients that run away from separated classes leave no information
            break
        inverse = np.linalg.inv(information)
        step = inverse @ (design.T @ (labels - p))
        beta = beta + np.clip(step, -5, 5)  # a full Newton step may overshoot where the classes are nearly separated
        if np.abs(step).max() < 1e-9:
            return beta, (design * (labels - p)[:, None]) @ inverse
    return np.full_like(beta, np.nan), np.full_like(design, np.nan)


def _slope(x: Floats, labels: Floats) -> tuple[float, Floats]:
    coefficients, influence = logistic_regression(np.column_stack([np.ones_like(x), x]), labels, np.zeros_like(x))
    return float(coefficients[1]), influence[:, 1]


def _intercept(x: Floats, labels: Floats) -> tuple[float, Floats]:
    coefficients, influence = logistic_regression(np.ones((len(x), 1)), labels, x)  # the offset holds the slope at 1
    return float(coefficients[0]), influence[:, 0]


def _fitted(fit: Callable[[Floats, Floats], tuple[float, Floats]]) -> Callable[[FindingScores], Estimate]:
    """The estimate of a coefficient that is fitted in each subgroup by itself."""

    def estimate(scored: FindingScores) -> Estimate:
        """NaN where a subgroup has too few images or patients of a class, or the fit has no maximum."""
        design, grouping = scored.design, scored.design.grouping
        x = logit(np.clip(scored.scores, CLIP, 1 - CLIP))
        values, by_image = np.full(len(grouping.groups), np.nan), np.zeros((len(grouping.blocks), len(x)))
        reasons = design.counts.reasons()
        for block, group, members in design.members():
            if not reasons[group]:
                values[group], by_image[block, members] = fit(x[members], design.positive[members].astype(float))
        images = design.cell_counts.sum(axis=0)
        total, squares = grouping.sum_cells(images), grouping.sum_cells(np.square(images))
        n_patients, group_of_cell = grouping.sum_cells((images > 0).astype(float)), grouping.cell_group
        by_cell = design.sum_cases(by_image).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = images / total[group_of_cell]
        # The share of the images stands for the patient's leverage, which makes the sandwich too small where few patients hold many images.
        influence = influence_values(by_cell, share, n_patients[group_of_cell])
        return Estimate(values, influence, np.square(total) / np.maximum(squares, 1), total)

    return estimate


def _expected_error(scored: FindingScores) -> Estimate:
    """The error without influence values, so without an interval.

    It is biased (`statistics.calibration_error`), so an interval around it would mislead.
    """
    design = scored.design
    values = np.full(len(design.grouping.groups), np.nan)
    for _, group, members in design.members():
        if members.any():
            values[group] = expected_calibration_error(scored.scores[members], design.positive[members].astype(float))
    unknown = np.full(len(design.grouping.cell_patient), np.nan)
    return Estimate(values, unknown, design.counts.effective, design.counts.cases.astype(float))


def error_floor(scored: FindingScores) -> Floats:
    """The expected calibration error that a perfectly calibrated model with these scores would have in each subgroup `[n_groups]`."""
    floor = np.full(len(scored.design.grouping.groups), np.nan)
    for _, group, members in scored.design.members():
        if members.any():
            floor[group] = calibration_error_floor(scored.scores[members])
    return floor


CALIBRATION_SLOPE = Metric(
    "calibration_slope",
    "calibration slope",
    _fitted(_slope),
    low=-np.inf,
    high=np.inf,
    better=Better.NEAR_IDEAL,
    scale=Scale.PLAIN,
    is_kept=True,
)
CALIBRATION_INTERCEPT = Metric(
    "calibration_intercept",
    "calibration in the large",
    _fitted(_intercept),
    low=-np.inf,
    high=np.inf,
    better=Better.NEAR_IDEAL,
    ideal=0.0,
    scale=Scale.PLAIN,
    is_kept=True,
)
CALIBRATION_ERROR = Metric(
    "ece",
    "expected calibration error",
    _expected_error,
    better=Better.LOWER,
    ideal=0.0,
    scale=Scale.PLAIN,
    is_kept=True,
)
