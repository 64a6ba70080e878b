"""Composition: what several trainings on the same patients spend together."""

import math

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon, gaussian_mu
from dpmed_core.training.accounting.pld import Mechanism, composed_epsilon
from dpmed_core.training.spec import PrivacyTarget

DELTA = 1e-5
SAMPLED = Mechanism(noise_multiplier=2.0, sample_rate=0.1, steps=200)


def full(epsilon, steps=20):
    return Mechanism(math.sqrt(steps) / gaussian_mu(PrivacyTarget(epsilon, DELTA)), 1.0, steps)


def test_one_full_batch_training_composes_to_itself():
    assert composed_epsilon([full(1.7)], DELTA) == pytest.approx(1.7, rel=1e-6)


def test_full_batch_trainings_compose_by_the_squares_of_their_mu():
    """Four equal trainings are one of twice the mu, far less than four times epsilon."""
    mu = math.sqrt(20) / full(1.0).noise_multiplier
    together = composed_epsilon([full(1.0)] * 4, DELTA)
    assert together == pytest.approx(gaussian_epsilon(2 * mu, DELTA), rel=1e-9)
    assert 2 < together < 2.5


def test_different_trainings_compose_to_more_than_the_larger_and_less_than_the_sum():
    one, other = composed_epsilon([full(1.0)], DELTA), composed_epsilon([SAMPLED], DELTA)
    together = composed_epsilon([full(1.0), SAMPLED], DELTA)
    assert max(one, other) < together < one + other


def test_a_composition_of_different_trainings_agrees_with_a_finer_count():
    fine = PLDAccountant(value_discretization_interval=1e-4)
    fine.compose(dp_accounting.PoissonSampledDpEvent(0.1, dp_accounting.GaussianDpEvent(2.0)), 200)
    fine.compose(dp_accounting.GaussianDpEvent(full(1.0).noise_multiplier), 20)
    assert composed_epsilon([full(1.0), SAMPLED], DELTA) == pytest.approx(fine.get_epsilon(DELTA), rel=0.01)


def test_an_image_level_training_costs_a_patient_as_many_bounds_as_images():
    """k images move a full-batch step by k bounds: the mu is k times as large."""
    one = full(0.5)
    of_patient = Mechanism(one.noise_multiplier, 1.0, one.steps, images_per_patient=4)
    mu = math.sqrt(one.steps) / one.noise_multiplier
    assert composed_epsilon([of_patient], DELTA) == pytest.approx(gaussian_epsilon(4 * mu, DELTA), rel=1e-9)


def test_sampled_images_of_a_patient_spend_between_one_image_and_all_sampled_together():
    images = Mechanism(2.0, 0.1, 200, images_per_patient=3)
    epsilon = composed_epsilon([images], DELTA)
    together = composed_epsilon([Mechanism(2.0 / 3, 0.1, 200)], DELTA)  # all three in a step or none
    assert composed_epsilon([SAMPLED], DELTA) < epsilon < together


def test_a_patient_with_many_sampled_images_has_no_bound():
    assert composed_epsilon([Mechanism(2.0, 0.1, 200, images_per_patient=66)], DELTA) == math.inf


def test_nothing_spends_nothing():
    assert composed_epsilon([], DELTA) == 0.0
    assert composed_epsilon([Mechanism(1.0, 0.1, 0)], DELTA) == 0.0
