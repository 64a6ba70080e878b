"""Limits of differences against a general optimiser, against the paired interval on straight paths, and of combinations of them."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from dpmed_core.evaluation.metrics.limits import Limits, PairedLimits
from dpmed_core.evaluation.metrics.metric import Scale
from dpmed_core.evaluation.statistics.combination import Combination

MANY = 1e9


def one(scale: Scale, value: float, variance: float, n_effective: float = 50.0) -> Limits:
    return Limits(scale, *(np.array([number]) for number in (value, variance, MANY, n_effective)))


def limits(pair: PairedLimits) -> tuple[float, float]:
    below, above = pair.distances()
    return float(pair.values[0] - below[0]), float(pair.values[0] + above[0])


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.6, 0.95])
@pytest.mark.parametrize(("first", "second"), [((0.7, 0.05), (0.75, 0.04)), ((0.96, 0.1), (0.99, 0.3)), ((0.985, 0.2), (0.985, 0.2))])
def test_limits_are_the_extremes_that_a_general_optimiser_finds(first, second, correlation):
    """The least and largest difference of two logits' back-transforms within the 95 % region of their normal estimates (one df)."""
    centre = np.array([np.log(p / (1 - p)) for p, _ in (first, second)])
    errors = np.sqrt([variance for _, variance in (first, second)]) * norm.ppf(0.975)
    # u = root @ s maps the unit disc to the region.
    root = np.linalg.cholesky(np.array([[1, correlation], [correlation, 1]]))

    def difference(s):
        a, b = 1 / (1 + np.exp(-(centre + errors * (root @ s))))
        return a - b

    disc = {"type": "ineq", "fun": lambda s: 1 - s @ s}
    starts = [np.array([np.cos(t), np.sin(t)]) for t in np.linspace(0, 2 * np.pi, 9)]
    extremes = [min(minimize(lambda s, k=k: k * difference(s), s, constraints=[disc]).fun for s in starts) for k in (1, -1)]
    found = limits(PairedLimits(one(Scale.LOGIT, *first), one(Scale.LOGIT, *second), np.array([correlation])))
    assert found == pytest.approx((extremes[0], -extremes[1]), abs=2e-5)


def test_straight_paths_give_the_usual_paired_interval():
    found = limits(PairedLimits(one(Scale.PLAIN, 0.3, 0.04), one(Scale.PLAIN, 0.1, 0.09), np.array([0.5])))
    reach = norm.ppf(0.975) * np.sqrt(0.04 + 0.09 - 2 * 0.5 * 0.2 * 0.3)
    assert found == pytest.approx((0.2 - reach, 0.2 + reach), abs=1e-4)


def test_estimates_that_move_together_cannot_move_apart():
    found = limits(PairedLimits(one(Scale.LOGIT, 0.98, 0.2), one(Scale.LOGIT, 0.98, 0.2), np.array([1.0])))
    assert found == pytest.approx((0, 0), abs=1e-12)


@pytest.mark.parametrize(("first", "second", "expected"), [(1.0, 1.0, (0.478 - 1, 1 - 0.478)), (1.0, 0.5, (0.478 - 0.5, None))])
def test_at_1_the_number_of_patients_gives_the_limit(first, second, expected):
    """Five patients seen at 1: the far end of a share seen in all of five, 0.025^(1/5) = 0.478."""
    found = limits(PairedLimits(one(Scale.LOGIT, first, 0.0, 5), one(Scale.LOGIT, second, 0.0, 5), np.array([0.0])))
    for end, wanted in zip(found, expected, strict=True):
        assert wanted is None or end == pytest.approx(wanted, abs=1e-3)


def combination(values, errors, coefficients, correlation, other=0.0):
    values, errors = np.array([values]), np.array([errors])

    def distances(tail):
        reach = norm.isf(tail) * errors
        return reach, reach

    return Combination(np.array([coefficients]), values, distances, np.array([correlation]), np.array([other]), np.array([MANY]))


def test_symmetric_parts_combine_as_variances_do():
    correlation = np.array([[1, 0.3], [0.3, 1]])
    found = combination([0.2, 0.1], [0.05, 0.02], [1.0, -2.0], correlation, other=0.0009)
    c, e = np.array([1.0, -2.0]), np.array([0.05, 0.02])
    error = np.sqrt((c * e) @ correlation @ (c * e) + 0.0009)
    low, high = found.limits()
    assert (low[0], high[0]) == pytest.approx((-norm.ppf(0.975) * error, norm.ppf(0.975) * error), rel=1e-6)
    assert found.upper_p()[0] == 0.5


@pytest.mark.parametrize("value", [0.01, 0.1, -0.05, -0.3])
def test_p_values_of_symmetric_parts_are_those_of_the_normal_distribution(value):
    p = combination([value], [0.05], [1.0], [[1.0]]).upper_p()[0]
    assert p == pytest.approx(norm.sf(value / 0.05), rel=1e-6)
