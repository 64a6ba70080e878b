"""What a guarantee for one image is worth to the patient with most images."""

import math

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from dpmed_core.privacy.meaning.most_images import epsilon_for_patient, most_images, own_epsilon, own_epsilon_sentence
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.accounting.pld import Mechanism
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.small_runs import cohort, installation, settings

__all__ = ["cohort", "installation", "settings"]

DELTA = 1e-5


def guarantee(unit: PrivacyUnit, noise: float = 12.0):
    target = PrivacyTarget(1000.0, DELTA)
    return guarantee_full_batch(target, noise_multiplier=noise, steps=20, max_grad_norm=0.3, unit=unit, n_units=80)


@pytest.mark.parametrize("images", [2, 3, 66])
def test_full_batches_move_k_times_as_far(images):
    accountant = PLDAccountant(value_discretization_interval=1e-2)
    expected = accountant.compose(dp_accounting.GaussianDpEvent(12 / math.sqrt(20) / images)).get_epsilon(DELTA)
    found = own_epsilon(guarantee(PrivacyUnit.IMAGE), images)
    assert found <= expected * (1 + 1e-9) and found == pytest.approx(expected, rel=2e-3)


def test_sampled_steps_have_a_bound_for_any_number_of_images():
    worth = [epsilon_for_patient(Mechanism(4.0, 0.1, 20, images), DELTA) for images in (1, 2, 9, 66)]
    assert worth == sorted(worth) and math.isfinite(worth[-1])


def test_it_is_said_with_delta_and_accountant_where_the_guarantee_does_not_say_it(cohort):
    assert most_images(cohort) == 2
    said = own_epsilon_sentence(guarantee(PrivacyUnit.IMAGE), 2)
    assert "2 images" in said and "at the same δ (exact composition" in said and "zero-out" in said
    assert own_epsilon_sentence(guarantee(PrivacyUnit.PATIENT), 2) == own_epsilon_sentence(guarantee(PrivacyUnit.IMAGE), 1) == ""
