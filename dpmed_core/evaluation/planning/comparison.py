"""A planned comparison of private models with their non-private references, and the smallest loss that it will find at 80 % power.

The test is that of `tables/cost_of_privacy.py` and `tables/fairness_verdict.py`: one-sided, its variance that over patients plus that
between trainings over their number. Both are foreseen from the design and from priors.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.planning.auroc_variance import auroc_variance, difference_variance
from dpmed_core.evaluation.planning.training_prior import TrainingPrior
from dpmed_core.evaluation.statistics.intervals import added
from dpmed_core.evaluation.statistics.power import detectable

ONE_TRAINING = "one training: its chance stays unknown, so no loss can be shown; plan two or more"
NOT_EVEN_CHANCE = "even a fall to chance would not be found with these patients and trainings"
MOST_TRAININGS = 100
LEAST_FOLD, MOST_FOLD, N_FOLDS = 0.01, 10_000.0, 60
"""Searches are between these: so many trainings, and so many times the test patients there are."""
FREEDOM_STEP = 1.02
"""Degrees of freedom are rounded down to powers of this, so that few quantiles of the noncentral t have to be found."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sizes:
    """How much there is of one finding in one group of test patients.

    Attributes:
        positive: independent images that the positives are worth (`held_out.effective_by_class`).
        negative: the same of the negatives.
        effective: patients of the rarer class, weighed by their images (`Counts.effective`); bounds the degrees of freedom.
        patients: patients.
    """

    positive: float
    negative: float
    effective: float
    patients: int


@dataclass(frozen=True)
class Detectable:
    """A smallest loss that will be found, or why there is none.

    Attributes:
        loss: of AUROC; None where nothing that is possible would be found.
        reason: empty where there is one.
    """

    loss: float | None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """A group's loss, or its loss beyond that of the others.

    Attributes:
        groups: the group's own sizes; then those of the others, if it is compared with them.
        reference: AUROC expected without privacy, of all groups.
        private: AUROC from which the loss in question is counted: the reference's for a loss, the one expected with privacy for an extra
            loss.
        prior: variances and correlations of trainings at this budget.
        level: one-sided level of this comparison.
    """

    groups: tuple[Sizes, ...] = field(repr=False)
    reference: float
    private: float
    prior: TrainingPrior
    level: float

    @property
    def possible(self) -> float:
        """The largest loss that is possible: a fall to chance."""
        return self.private - 0.5

    def detectable(self, n_trainings: int) -> Detectable:
        """The smallest loss d that is found where d is the truth, in `n_trainings` of each arm."""
        if n_trainings < 2:
            return Detectable(None, ONE_TRAINING)
        return self._smallest(lambda loss: self.needed(loss, n_trainings))

    def detectable_over_splits(self, n_splits: int, *, test_to_train: float) -> Detectable:
        """The same over random splits with one training of each arm, by the corrected resampled t test (`statistics/resampled.py`).

        Args:
            n_splits: at least 2.
            test_to_train: patients of the test part over those of the training part.
        """
        # Splits are correlated by r / (1 + r), r being `test_to_train`: between them lies 1 / (1 + r) of the variance of one.
        factor = np.sqrt((1 / n_splits + test_to_train) / (1 + test_to_train)) * _multiple(_step(n_splits - 1), self.level)
        return self._smallest(lambda loss: factor * self.standard_error(loss, 1))

    def _smallest(self, needed: Callable[[float], float]) -> Detectable:
        """The smallest loss d with needed(d) <= d; none where not even a fall to chance is."""
        if self.possible <= 0 or needed(self.possible) > self.possible:
            return Detectable(None, NOT_EVEN_CHANCE)
        low, high = 0.0, self.possible
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (middle, high) if needed(middle) > middle else (low, middle)
        return Detectable(high)

    def needed(self, loss: float, n_trainings: int, *, fold: float = 1.0) -> float:
        """What the test would find with a probability of 80 % if the truth were `loss`: a lower private AUROC varies more.

        Args:
            loss: of AUROC.
            n_trainings: of each arm, at least 2.
            fold: times the test patients there are.
        """
        patients, trainings, by_images = self._variances(loss, n_trainings, fold)
        # Trainings differ in single test images too, which the test cannot tell from a difference in truth.
        freedom, trainings_freedom = max(fold * min(group.effective for group in self.groups) - 1, 1), n_trainings - 1
        variance, joint = added(patients, freedom, trainings + by_images, trainings_freedom * (1 + self.prior.reference_varies))
        return float(np.sqrt(variance)) * _multiple(_step(float(joint)), self.level)

    def standard_error(self, loss: float, n_trainings: int) -> float:
        """How far what will be seen in these test patients and trainings lies from a true `loss`."""
        patients, trainings, _ = self._variances(loss, n_trainings, 1.0)
        return float(np.sqrt(patients + trainings))

    def _variances(self, loss: float, n_trainings: int, fold: float) -> tuple[float, float, float]:
        """The variance that the patients give to a mean over trainings, that of the trainings, and what single images add to the latter."""
        prior, weights = self.prior, self._squared_weights()
        positive, negative = (fold * np.array([getattr(group, name) for group in self.groups]) for name in ("positive", "negative"))
        private = np.full(len(self.groups), self.private)
        private[0] -= loss
        of_private, of_reference = auroc_variance(private, positive, negative), auroc_variance(self.reference, positive, negative)
        of_patients = difference_variance(
            of_private,
            of_reference,
            between_arms=prior.between_arms,
            between_trainings=prior.between_trainings,
            n_trainings=n_trainings,
        )
        by_images = (1 - prior.between_trainings) * (of_private + (of_reference if prior.reference_varies else 0))
        of_training = (prior.variance if len(self.groups) == 1 else prior.group_variance) * (2 if prior.reference_varies else 1)
        return float(weights @ of_patients), of_training / n_trainings, float(weights @ by_images) / n_trainings

    def trainings_needed(self, margin: float) -> int | None:
        """The fewest trainings of each arm with which a loss of `margin` is found; None where `MOST_TRAININGS` are not enough."""
        if margin > self.possible or self.needed(margin, MOST_TRAININGS) > margin:
            return None
        low, high = 1, MOST_TRAININGS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.needed(margin, middle) <= margin else (middle, high)
        return high

    def fold_needed(self, margin: float, n_trainings: int) -> float | None:
        """How many times the test patients a loss of `margin` needs, to a per cent; None where `MOST_FOLD` is not enough.

        More patients can find less: where trainings hold nearly all of the variance, it has hardly more degrees of freedom than there are
        trainings. So the smallest number is searched for from below.
        """
        if n_trainings < 2 or margin > self.possible:
            return None
        folds = [float(fold) for fold in np.geomspace(LEAST_FOLD, MOST_FOLD, N_FOLDS)]
        first = next((i for i, fold in enumerate(folds) if self.needed(margin, n_trainings, fold=fold) <= margin), None)
        if first is None:
            return None
        low, high = folds[max(first - 1, 0)], folds[first]
        while high / low > 1.01:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if self.needed(margin, n_trainings, fold=middle) <= margin else (middle, high)
        return high

    def _squared_weights(self) -> Floats:
        """Of the group, 1; of the others, their shares of the others' patients; all squared, since groups vary independently."""
        others = np.array([group.patients for group in self.groups[1:]], dtype=float)
        return np.concatenate([[1.0], (others / others.sum()) ** 2]) if len(others) else np.ones(1)


def _step(freedom: float) -> int:
    """The power of `FREEDOM_STEP` below."""
    return math.floor(math.log(freedom) / math.log(FREEDOM_STEP))


@lru_cache(maxsize=4096)
def _multiple(step: int, level: float) -> float:
    """The detectable difference in standard errors."""
    return float(detectable(1.0, FREEDOM_STEP**step, level=level))
