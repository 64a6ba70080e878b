import math

import pytest

from dpmed_core.errors import SpecError
from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.accounting.gaussian_dp import gaussian_delta, gaussian_epsilon, gaussian_mu
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

FACTS = {"max_grad_norm": 1.5, "unit": PrivacyUnit.PATIENT, "n_units": 500}


def full_batch_noise(target: PrivacyTarget, *, steps: int) -> float:
    """The smallest noise multiplier with which `steps` full-batch steps meet `target`."""
    return math.sqrt(steps) / gaussian_mu(target)


def test_one_gaussian_step_needs_the_published_noise():
    """Balle & Wang 2018: sigma = 3.7306 for sensitivity 1, epsilon 1, delta 1e-5 (the classical formula asks for 4.84)."""
    assert full_batch_noise(PrivacyTarget(1, 1e-5), steps=1) == pytest.approx(3.730632, abs=1e-6)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.01, 1e-6), (0.3, 1e-5), (1, 1e-5), (8, 1e-3), (100, 1e-5), (1000, 1e-10)])
def test_full_batch_noise_spends_the_target_and_not_more(epsilon, delta):
    target = PrivacyTarget(epsilon, delta)
    noise = full_batch_noise(target, steps=40)
    guarantee = guarantee_full_batch(target, noise_multiplier=noise, steps=40, **FACTS)
    assert (1 - 1e-6) * epsilon < guarantee.epsilon <= epsilon
    assert guarantee.check_epsilon == pytest.approx(epsilon, rel=0.005)
    assert (guarantee.accountant, guarantee.check_accountant, guarantee.sample_rate) == ("analytic-gaussian", "pld", 1.0)


def test_many_full_batch_steps_compose_as_one_with_the_square_root_of_noise():
    target = PrivacyTarget(2, 1e-5)
    assert full_batch_noise(target, steps=100) == pytest.approx(10 * full_batch_noise(target, steps=1))


def test_epsilon_and_delta_of_a_gaussian_mechanism_are_inverse():
    for mu in (0.05, 0.5, 3.0, 20.0):
        assert gaussian_delta(gaussian_epsilon(mu, 1e-6), mu) == pytest.approx(1e-6, rel=1e-6)


def test_a_gaussian_mechanism_too_weak_for_delta_has_epsilon_zero():
    assert gaussian_epsilon(1e-6, 1e-5) == 0.0
    assert gaussian_epsilon(0.0, 1e-5) == 0.0


def test_a_guarantee_above_its_target_is_refused():
    with pytest.raises(SpecError, match="more than the 1 asked for"):
        guarantee_full_batch(PrivacyTarget(1, 1e-5), noise_multiplier=1.0, steps=60, **FACTS)
