"""The loss of AUROC to expect of a private training of recipe `probe`, with a prediction interval: a law fitted to public proxies.

Scores of the reference separate the classes by d_0 standard deviations, AUROC = Phi(d / sqrt(2)) for normal scores. Noise in the weights of
the head is noise in the scores, so that a private training keeps a share of d_0, which grows with the informative units U:

    d / d_0 = ceiling / sqrt(1 + exp(-(a + b log U + c log d_0 + e))),    e normal with a standard deviation s between cohorts and findings.

`spread` is s; `floor` is a standard deviation of AUROC that no predictor explains. d_0 is a prior too: normal around a line in the log of
n p (1 - p), the number of training units times the variance of their labels, unless the user names the AUROC to expect without privacy.

`python -m benchmarks.expected_loss` measures the proxies, fits the numbers, and writes them to `loss_law.json` beside this file.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from dpmed_core.evaluation.planning.training_prior import TrainingPrior

LAW_FILE = Path(__file__).with_name("loss_law.json")
CONFIDENCE = 0.90
"""Of the prediction interval."""
GRID, FLOOR_GRID = 61, 9
"""Points of equal probability at which normal distributions are taken."""
LOWEST_SEPARATION = 0.02
Floats = NDArray[np.float64]


def separation(auroc: ArrayLike) -> Floats:
    """The distance of the classes' means in standard deviations of normal scores with this AUROC.

    >>> separation([0.5, 0.76]).round(2).tolist()  # AUROC = Phi(d / sqrt(2))
    [0.0, 1.0]
    """
    return np.asarray(math.sqrt(2) * ndtri(np.asarray(auroc, dtype=float)))


def auroc_of(separated: ArrayLike) -> Floats:
    """The AUROC of normal scores whose classes are so far apart: the inverse of `separation`."""
    return np.asarray(ndtr(np.asarray(separated, dtype=float) / math.sqrt(2)))


@dataclass(frozen=True)
class Expected:
    """A loss of AUROC to expect.

    Attributes:
        reference: AUROC to expect without privacy.
        loss: its mean fall.
        low, high: ends of the 90 % prediction interval of the loss, of one cohort and finding.
    """

    reference: float
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class LossLaw:
    """The numbers of the law; see the module.

    Attributes:
        recipe_version: of `probe`, that was measured.
        intercept, slope, separation_slope, ceiling: a, b, c, and the largest share of the separation that is kept.
        spread: standard deviation of e.
        floor: standard deviation of AUROC beyond it.
        reachable_intercept, reachable_slope, reachable_spread: of d_0 against the log of n p (1 - p).
        least_units, most_units: informative units, of the proxies.
        training_scale, training_power: the variance between trainings is scale x (expected loss) ^ power.
        group_share: the variance of a group's AUROC minus the others' over that.
        trainings_power, arms_power: correlations of errors are powers of the share that is kept.
        n_cells: findings and budgets of proxies that it was fitted to.
    """

    recipe_version: int
    intercept: float
    slope: float
    separation_slope: float
    ceiling: float
    spread: float
    floor: float
    reachable_intercept: float
    reachable_slope: float
    reachable_spread: float
    least_units: float
    most_units: float
    training_scale: float
    training_power: float
    group_share: float
    trainings_power: float
    arms_power: float
    n_cells: int

    def kept(self, units: ArrayLike, apart: ArrayLike, error: ArrayLike = 0.0) -> Floats:
        """The share of the separation `apart` that a private training keeps, for informative units and deviations e."""
        z = self.intercept + self.slope * np.log(np.asarray(units, dtype=float)) + self.separation_slope * np.log(apart) + np.asarray(error)
        return np.asarray(self.ceiling / np.sqrt(1 + np.exp(-z)))

    def expected(self, units: float, *, label_information: float, reference: float | None = None, error: float = 0.0) -> Expected:
        """The loss to expect.

        Args:
            units: informative units; beyond those of the proxies the nearest that were measured count.
            label_information: n p (1 - p), training units times the variance of their labels.
            reference: AUROC to expect without privacy, above 0.5; None for the prior.
            error: standard error with which the loss will be seen; 0 for the true loss.
        """
        measured = min(max(units, self.least_units), self.most_units)
        points = ndtri((np.arange(GRID) + 0.5) / GRID)
        of_reference = self._references(label_information, points) if reference is None else np.full(1, reference)
        apart = separation(of_reference)[:, None, None]
        kept = self.kept(measured, apart, self.spread * points[None, :, None])
        floor = math.hypot(self.floor, error) * ndtri((np.arange(FLOOR_GRID) + 0.5) / FLOOR_GRID)[None, None, :]
        losses = of_reference[:, None, None] - auroc_of(kept * apart) + floor
        low, high = np.quantile(losses, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Expected(float(np.median(of_reference)), float(losses.mean()), float(low), float(high))

    def _references(self, label_information: float, points: Floats) -> Floats:
        centre = self.reachable_intercept + self.reachable_slope * math.log(max(label_information, 1.0))
        return auroc_of(np.maximum(centre + self.reachable_spread * points, LOWEST_SEPARATION))

    def training_prior(self, units: float, expected: Expected, *, reference_varies: bool) -> TrainingPrior:
        """How much trainings at so many informative units vary."""
        measured = min(max(units, self.least_units), self.most_units)
        kept = min(float(self.kept(measured, separation(expected.reference))) / self.ceiling, 1.0)
        variance = self.training_scale * max(expected.loss, 1e-4) ** self.training_power
        return TrainingPrior(
            variance=variance,
            group_variance=self.group_share * variance,
            between_trainings=kept**self.trainings_power,
            between_arms=kept**self.arms_power,
            reference_varies=reference_varies,
        )


@cache
def loss_law() -> LossLaw:
    """The law that ships with the product."""
    stored: dict[str, Any] = json.loads(LAW_FILE.read_text())
    return LossLaw(**stored["law"])
