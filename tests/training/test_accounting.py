import math

import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from dpmed_core.errors import SpecError
from dpmed_core.training.accounting import (
    TIGHTNESS,
    Calibration,
    calibrate_full_batch,
    calibrate_poisson,
    gaussian_delta,
    gaussian_epsilon,
    guarantee_full_batch,
    guarantee_poisson,
    pld_epsilon,
    prv_epsilon,
)
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

FACTS = {"max_grad_norm": 1.5, "unit": PrivacyUnit.PATIENT, "n_units": 500}


def poisson_guarantee(target: PrivacyTarget, *, sample_rate: float, steps: int):
    calibration = calibrate_poisson(target, sample_rate=sample_rate, steps=steps)
    return guarantee_poisson(target, calibration, sample_rate=sample_rate, steps=steps, **FACTS)


def test_one_gaussian_step_needs_the_published_noise():
    """Balle & Wang 2018: sigma = 3.7306 for sensitivity 1, epsilon 1, delta 1e-5 (the classical formula asks for 4.84)."""
    assert calibrate_full_batch(PrivacyTarget(1, 1e-5), steps=1) == pytest.approx(3.730632, abs=1e-6)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.01, 1e-6), (0.3, 1e-5), (1, 1e-5), (8, 1e-3), (100, 1e-5), (1000, 1e-10)])
def test_full_batch_noise_spends_the_target_and_not_more(epsilon, delta):
    target = PrivacyTarget(epsilon, delta)
    noise = calibrate_full_batch(target, steps=40)
    guarantee = guarantee_full_batch(target, noise_multiplier=noise, steps=40, **FACTS)
    assert (1 - 1e-6) * epsilon < guarantee.epsilon <= epsilon
    assert guarantee.check_epsilon == pytest.approx(epsilon, rel=0.002)
    assert (guarantee.accountant, guarantee.check_accountant, guarantee.sample_rate) == ("analytic-gaussian", "pld", 1.0)


def test_many_full_batch_steps_compose_as_one_with_the_square_root_of_noise():
    target = PrivacyTarget(2, 1e-5)
    assert calibrate_full_batch(target, steps=100) == pytest.approx(10 * calibrate_full_batch(target, steps=1))


def test_epsilon_and_delta_of_a_gaussian_mechanism_are_inverse():
    for mu in (0.05, 0.5, 3.0, 20.0):
        assert gaussian_delta(gaussian_epsilon(mu, 1e-6), mu) == pytest.approx(1e-6, rel=1e-6)


def test_a_gaussian_mechanism_too_weak_for_delta_has_epsilon_zero():
    assert gaussian_epsilon(1e-6, 1e-5) == 0.0


@pytest.mark.parametrize(
    ("epsilon", "sample_rate", "steps"), [(0.1, 0.25, 60), (0.3, 0.1, 200), (1, 0.01, 1000), (8, 0.25, 120), (300, 0.25, 60)]
)
def test_sampled_steps_spend_the_target_nearly_and_never_more(epsilon, sample_rate, steps):
    guarantee = poisson_guarantee(PrivacyTarget(epsilon, 1e-5), sample_rate=sample_rate, steps=steps)
    assert guarantee.accountant == "prv"
    assert (1 - TIGHTNESS) * epsilon <= guarantee.epsilon <= epsilon
    assert guarantee.check_epsilon <= guarantee.epsilon
    assert guarantee.check_epsilon == pytest.approx(guarantee.epsilon, rel=0.02)


def test_the_two_accountants_agree_on_a_published_training():
    """TensorFlow Privacy's MNIST tutorial (N = 60,000, batch 256, noise 1.1, 60 epochs): 3.01 by the older, looser Renyi conversion."""
    sample_rate, steps, target = 256 / 60_000, 14_062, PrivacyTarget(3, 1e-5)
    by_prv = prv_epsilon(1.1, sample_rate, steps, target)
    step = dp_accounting.PoissonSampledDpEvent(sample_rate, dp_accounting.GaussianDpEvent(1.1))
    by_pld = PLDAccountant().compose(step, steps).get_epsilon(1e-5)
    assert by_pld <= by_prv < 3.01
    assert by_prv == pytest.approx(by_pld, rel=0.02)


def test_an_epsilon_beyond_the_reach_of_prv_is_counted_by_renyi_differential_privacy():
    guarantee = poisson_guarantee(PrivacyTarget(1000, 1e-5), sample_rate=0.25, steps=60)
    assert guarantee.accountant == "rdp"
    assert guarantee.check_epsilon <= guarantee.epsilon <= 1000


def test_sampling_half_of_the_units_needs_less_noise_than_taking_all():
    target = PrivacyTarget(1, 1e-5)
    assert calibrate_poisson(target, sample_rate=0.5, steps=50).noise_multiplier < calibrate_full_batch(target, steps=50)


def test_a_guarantee_above_its_target_is_refused():
    target = PrivacyTarget(1, 1e-5)
    with pytest.raises(SpecError, match="more than the 1 asked for"):
        guarantee_poisson(target, Calibration(1.0, "prv"), sample_rate=0.25, steps=60, **FACTS)
    with pytest.raises(SpecError, match="more than the 1 asked for"):
        guarantee_full_batch(target, noise_multiplier=1.0, steps=60, **FACTS)


def test_a_guarantee_says_everything_needed_to_count_it_again():
    target = PrivacyTarget(3, 1e-5)
    guarantee = poisson_guarantee(target, sample_rate=0.2, steps=30)
    step = dp_accounting.PoissonSampledDpEvent(guarantee.sample_rate, dp_accounting.GaussianDpEvent(guarantee.noise_multiplier))
    again = pld_epsilon(dp_accounting.SelfComposedDpEvent(step, guarantee.steps), PrivacyTarget(3, guarantee.delta))
    assert math.isclose(again, guarantee.check_epsilon)
    assert guarantee.neighboring_relation == "add-or-remove-one"
    assert (guarantee.unit, guarantee.n_units, guarantee.max_grad_norm) == (PrivacyUnit.PATIENT, 500, 1.5)
