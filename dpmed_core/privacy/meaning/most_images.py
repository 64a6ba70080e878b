"""What a guarantee for each image is worth to the patient who has most of them.

A patient with k images moves a step's sum by up to k clipping bounds. Source: Ganesh 2024, "Tight group-level DP guarantees for DP-SGD with
sampling via mixture of Gaussians mechanisms", arXiv 2401.10294 (`training.accounting.pld.composed_epsilon`).
"""

import math
from pathlib import Path

from dpmed_core.cohort.schema import Cohort
from dpmed_core.phrases import counted, epsilon_text
from dpmed_core.privacy.ledger.totals import EXACT, PLD
from dpmed_core.privacy.meaning.protected_unit import ProtectedUnit, mechanism_of_guarantee
from dpmed_core.training.accounting.calibration_cache import cached
from dpmed_core.training.accounting.dominating_gaussian import delta0_of, squared_mu
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.result import NO_TRAINING, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit


def most_images(cohort: Cohort) -> int:
    """Images of the patient who has most, in whatever part of the cohort: which patients train is not in it."""
    return int(cohort.cases.groupby("patient_id").size().max())


def epsilon_for_patient(mechanism: Mechanism, delta: float, *, cache_dir: Path | None = None) -> float:
    """The smaller of two upper bounds of epsilon at `delta`, as the ledger composes them; finite for any number of images.

    Four images at noise 4 are one Gaussian mechanism of mu 1, for which the closed form and dp-accounting give 4.37718:

    >>> round(epsilon_for_patient(Mechanism(4.0, 1.0, 1, images_per_patient=4), 1e-5), 5)
    4.37718

    Args:
        mechanism: the steps, with the patient's images.
        delta: at which epsilon holds.
        cache_dir: folder of the calibration cache, for sampled steps, which take seconds; None for no cache.
    """
    if mechanism.sample_rate >= 1:
        return composed_epsilon([mechanism], delta)
    request = {
        "of_patient": [mechanism.noise_multiplier, mechanism.sample_rate, mechanism.steps, mechanism.images_per_patient],
        "delta": delta,
    }

    def bound() -> dict[str, object]:
        left = delta - delta0_of(mechanism)
        dominating = gaussian_epsilon(math.sqrt(squared_mu(mechanism, cache_dir=cache_dir)), left) if left > 0 else math.inf
        return {"epsilon": repr(min(composed_epsilon([mechanism], delta), dominating))}

    return float(str(cached(cache_dir, request, bound)["epsilon"]))


def own_epsilon(guarantee: PrivacyGuarantee, images: int, *, cache_dir: Path | None = None) -> float | None:
    """What `guarantee` is worth to a patient with so many images, at its delta; None where it says so itself."""
    if guarantee.unit is PrivacyUnit.PATIENT or guarantee.accountant == NO_TRAINING or images < 2:
        return None
    mechanism = mechanism_of_guarantee(guarantee, ProtectedUnit(PrivacyUnit.IMAGE, images))
    return epsilon_for_patient(mechanism, guarantee.delta, cache_dir=cache_dir)


def own_epsilon_sentence(guarantee: PrivacyGuarantee, images: int, *, cache_dir: Path | None = None) -> str:
    """`own_epsilon` in words; empty where the guarantee says it itself."""
    epsilon = own_epsilon(guarantee, images, cache_dir=cache_dir)
    if epsilon is None:
        return ""
    how = EXACT if guarantee.sample_rate >= 1 else PLD
    return (
        f"The patient with most images here has {counted(images, 'image', 'images')}: to that patient it is worth "
        f"ε = {epsilon_text(epsilon)} at the same δ ({how}, {guarantee.neighboring_relation} neighbours)."
    )
