"""How much a private training can learn of a finding, in one number that cohorts of any size, budget and prevalence share."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.recipes.probe_settings import PREVALENCE_RANGE, finding_weights, private_settings, signal_to_noise
from dpmed_core.training.spec import PrivacyTarget


@dataclass(frozen=True)
class TrainingDesign:
    """What is known of a training of recipe `probe` before it: public counts, and prevalences of held-out patients.

    Attributes:
        n_units: training units.
        images_per_unit: mean number of images of a unit.
        prevalences: of each finding, 0 to 1.
    """

    n_units: int
    images_per_unit: float
    prevalences: tuple[float, ...]


def informative_units(design: TrainingDesign, finding_index: int, target: PrivacyTarget) -> float:
    """The sum of a finding's gradients over all units, over the noise: how many units' full information the training is worth.

    A unit's gradient for finding k is of size a_k v_k towards what sets the classes apart, v = p (1 - p) being the variance of its label
    and a_k the weight of the finding. Clipping keeps C / sqrt(C^2 + g^2) of it, g^2 = sum of a_j^2 v_j / m over all findings, for m images
    a unit. Noise of mu-Gaussian privacy is C / mu. With n units

        U = n mu a_k v_k / sqrt(C^2 + g^2).

    >>> design = TrainingDesign(n_units=1000, images_per_unit=1.0, prevalences=(0.5,))
    >>> round(informative_units(design, 0, PrivacyTarget(1.0, 1e-5)), 1)  # 1000 x 0.268 x 0.25 / sqrt(0.3^2 + 0.5^2)
    114.9

    Args:
        design: of the training.
        finding_index: k.
        target: whose mu counts.
    """
    mu = _mu(target)
    # Released prevalences are cut off like this before findings are weighted.
    weights = finding_weights(np.clip(np.array(design.prevalences), *PREVALENCE_RANGE)[:, None])[:, 0]
    variances = np.array([p * (1 - p) for p in design.prevalences])
    ratio = signal_to_noise(mu, n_units=design.n_units, n_findings=len(variances))
    bound = private_settings(ratio).max_grad_norm or math.inf  # never None in private settings
    size = math.hypot(bound, math.sqrt(float(np.square(weights) @ variances) / design.images_per_unit))
    return float(design.n_units * mu * weights[finding_index] * variances[finding_index] / size)


@lru_cache(maxsize=256)
def _mu(target: PrivacyTarget) -> float:
    """`gaussian_mu`, found once a budget: a plan asks for it in every row."""
    return gaussian_mu(target)
