"""Whether one random split of a small cohort is too little, and what repeated splits would find and spend."""

import math
from dataclasses import dataclass
from functools import lru_cache

from dpmed_core.evaluation.planning.comparison import Comparison
from dpmed_core.evaluation.tables.over_splits import TEST_TO_TRAIN
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon, gaussian_mu
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget, base_recipe

N_SPLITS = 10
"""Splits that are offered: with more the corrected variance hardly falls, and each spends."""
WORTH = 0.5
"""One split is too little where repeated splits would find a loss of at most this share of what it finds."""


@dataclass(frozen=True)
class SplitsAdvice:
    """What `N_SPLITS` random splits would find, with one training of each arm in each.

    Attributes:
        loss: the smallest loss that they would find; None where nothing that is possible.
        epsilon: what they spend on a patient who is in the training part of each, at the budget's delta; None for recipes whose
            mechanism is not known before their steps are planned.
        worth: whether one split is too little.
    """

    loss: float | None
    epsilon: float | None
    worth: bool


def splits_advice(comparison: Comparison, one_split: float | None, *, recipe: str, target: PrivacyTarget) -> SplitsAdvice:
    """Whether to repeat the split.

    Args:
        comparison: of everybody.
        one_split: the smallest loss that one split finds with the trainings that are planned; None where it finds none.
        recipe: name.
        target: of each training.
    """
    loss = comparison.detectable_over_splits(N_SPLITS, test_to_train=TEST_TO_TRAIN).loss
    worth = loss is not None and (one_split is None or loss <= WORTH * one_split)
    return SplitsAdvice(loss, composed_epsilon(target, N_SPLITS) if base_recipe(recipe) == PROBE.name else None, worth)


@lru_cache(maxsize=256)
def composed_epsilon(target: PrivacyTarget, n_trainings: int) -> float:
    """What so many trainings of recipe `probe` at `target` spend on a patient of all of them, at the same delta: exact, since Gaussian
    mechanisms of mu compose to one of sqrt(n) mu (Dong, Roth & Su 2022, corollary 3.3).

    >>> round(composed_epsilon(PrivacyTarget(1.0, 1e-5), 1), 6), round(composed_epsilon(PrivacyTarget(1.0, 1e-5), 10), 2)
    (1.0, 3.62)
    """
    return gaussian_epsilon(math.sqrt(n_trainings) * gaussian_mu(target), target.delta)
