"""Whom a guarantee protects, and what it is worth to a patient with several images."""

import math
from dataclasses import dataclass

from dpmed_core.errors import SpecError
from dpmed_core.phrases import counted
from dpmed_core.training.accounting.dominating_gaussian import squared_mu
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.result import PrivacyGuarantee
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit


@dataclass(frozen=True)
class ProtectedUnit:
    """What one attack is about.

    Attributes:
        unit: what the training samples and clips as one.
        images: of the patient whom the attack is about, where the unit is the image; 1 is one image by itself.
    """

    unit: PrivacyUnit
    images: int = 1

    def __post_init__(self) -> None:
        if self.images < 1:
            raise SpecError(f"A patient with {self.images} images cannot be protected: write a number from 1 on.")
        if self.unit is PrivacyUnit.PATIENT and self.images > 1:
            raise SpecError("Where the unit is the patient, the guarantee holds whatever the number of images: leave out --images.")

    def sentence(self) -> str:
        """The unit of privacy in words."""
        if self.unit is PrivacyUnit.PATIENT:
            return "Unit of privacy: a patient with all images."
        if self.images == 1:
            return "Unit of privacy: one image, and no patient who has several; --images K says what it is worth to a patient with K."
        worth = counted(self.images, "image", "images")
        return f"Unit of privacy: one image; the numbers are what that is worth to a patient with {worth}."


def mechanism_of_target(target: PrivacyTarget, protected: ProtectedUnit) -> Mechanism:
    """The Gaussian mechanism that spends exactly `target` on a unit, as whom it protects experiences it.

    Full-batch steps, as recipe `probe` takes them, are such a mechanism. For k images it moves by k clipping bounds, so that mu is k-fold.
    """
    return Mechanism(1 / gaussian_mu(target), 1.0, 1, protected.images)


def mechanism_of_guarantee(guarantee: PrivacyGuarantee, protected: ProtectedUnit) -> Mechanism:
    """The steps that a training took, as whom it protects experiences them."""
    return Mechanism(guarantee.noise_multiplier, guarantee.sample_rate, guarantee.steps, protected.images)


def mu_of(mechanism: Mechanism) -> float:
    """The mu of the Gaussian mechanism that `mechanism` is, or that dominates it (up to a probability of 1e-10).

    >>> round(mu_of(mechanism_of_target(PrivacyTarget(1.0, 1e-5), ProtectedUnit(PrivacyUnit.IMAGE, 3))) * 3.7306 / 3, 4)
    1.0
    """
    return math.sqrt(squared_mu(mechanism))
