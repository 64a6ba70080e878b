import math

import numpy as np
import pytest
from dp_accounting.pld import PLDAccountant
from scipy.integrate import quad
from scipy.stats import norm

from dpmed_core.errors import SpecError
from dpmed_core.training.accounting import accounting
from dpmed_core.training.accounting.accounting import (
    DIRECTIONS,
    TIGHTNESS,
    Calibration,
    UnitAddedPRV,
    calibrate_poisson,
    guarantee_poisson,
    prv_epsilon,
    prv_epsilon_in_direction,
    rdp_epsilon,
)
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.accounting.pld import check_sampled, sampled_event
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

FACTS = {"max_grad_norm": 1.5, "unit": PrivacyUnit.PATIENT, "n_units": 500}
PAPER_RATE, PAPER_STEPS, PAPER_DELTA = 128 / 153_502, 24_000, 6e-6


@pytest.fixture
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("calibrations")


@pytest.fixture
def poisson_guarantee(cache_dir):
    def make(target: PrivacyTarget, *, sample_rate: float, steps: int):
        calibration = calibrate_poisson(target, sample_rate=sample_rate, steps=steps, cache_dir=cache_dir)
        return guarantee_poisson(target, calibration, sample_rate=sample_rate, steps=steps, cache_dir=cache_dir, **FACTS)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epsilon", "delta", "sample_rate", "steps"),
    [(0.1, 1e-5, 0.25, 60), (1, 1e-5, 0.01, 1000), (8, 1e-3, 0.25, 120), (7.89, PAPER_DELTA, PAPER_RATE, PAPER_STEPS)],
)
def test_sampled_steps_spend_the_target_nearly_and_never_more(poisson_guarantee, epsilon, delta, sample_rate, steps):
    guarantee = poisson_guarantee(PrivacyTarget(epsilon, delta), sample_rate=sample_rate, steps=steps)
    assert guarantee.accountant == "prv"
    assert (1 - TIGHTNESS) * epsilon <= guarantee.epsilon <= epsilon
    assert guarantee.check_epsilon <= guarantee.epsilon
    assert guarantee.check_epsilon == pytest.approx(guarantee.epsilon, rel=0.02)


def test_the_two_accountants_agree_on_a_published_training():
    """TensorFlow Privacy's MNIST tutorial (N = 60,000, batch 256, noise 1.1, 60 epochs): 3.01 by the older, looser RDP conversion."""
    sample_rate, steps, target = 256 / 60_000, 14_062, PrivacyTarget(3, 1e-5)
    by_prv = prv_epsilon(1.1, sample_rate, steps, target)
    by_pld = PLDAccountant().compose(sampled_event(1.1, sample_rate, steps)).get_epsilon(1e-5)
    assert by_pld <= by_prv < 3.01
    assert by_prv == pytest.approx(by_pld, rel=0.02)


@pytest.mark.parametrize(("sample_rate", "noise"), [(0.3, 0.8), (0.01, 1.5), (0.9, 3.0)])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_loss_of_one_step_gives_the_delta_of_its_definition(direction, sample_rate, noise):
    """delta(epsilon) = integral of max(0, P - e^epsilon Q): P with the unit and Q without it where removed, the reverse where added."""
    loss = direction(sample_rate, noise)

    def with_unit(x):
        return (1 - sample_rate) * norm.pdf(x, 0, noise) + sample_rate * norm.pdf(x, 1, noise)

    def without(x):
        return norm.pdf(x, 0, noise)

    p, q = (without, with_unit) if direction is UnitAddedPRV else (with_unit, without)
    for epsilon in (-0.2, 0.05, 0.2):
        x = np.linspace(-14 * noise, 14 * noise, 400_001)
        expected = np.trapezoid(np.maximum(0, p(x) - math.exp(epsilon) * q(x)), x)
        # E max(0, 1 - e^(epsilon - loss)) by parts: the integral of e^(epsilon - t) P(loss > t) from epsilon on
        found, _ = quad(lambda t, e=epsilon: math.exp(e - t) * (1 - float(loss.cdf(np.array(t)))), epsilon, epsilon + 40, limit=400)
        assert found == pytest.approx(expected, abs=2e-6)


def test_the_density_of_the_loss_is_the_slope_of_its_distribution():
    loss, t = UnitAddedPRV(0.2, 1.3), np.linspace(-1.5, 0.2, 300)
    slope = (loss.cdf(t + 1e-5) - loss.cdf(t - 1e-5)) / 2e-5
    assert np.allclose(loss.pdf(t), slope, atol=1e-4)
    assert loss.cdf(np.array([-math.log1p(-0.2) + 0.01])) == 1.0


def test_both_directions_count(monkeypatch):
    target = PrivacyTarget(1, 1e-5)
    epsilons = {direction: prv_epsilon_in_direction(direction, 2.0, 0.1, 100, target) for direction in DIRECTIONS}
    assert prv_epsilon(2.0, 0.1, 100, target) == max(epsilons.values())
    monkeypatch.setattr(accounting, "DIRECTIONS", (UnitAddedPRV,))
    assert prv_epsilon(2.0, 0.1, 100, target) == epsilons[UnitAddedPRV]


def test_rdp_counts_an_epsilon_beyond_the_range_of_prv(poisson_guarantee):
    guarantee = poisson_guarantee(PrivacyTarget(1000, 1e-5), sample_rate=0.25, steps=60)
    assert guarantee.accountant == "rdp"
    assert guarantee.check_epsilon <= guarantee.epsilon <= 1000


def test_a_calibration_that_takes_too_long_falls_back_to_rdp(cache_dir):
    target = PrivacyTarget(1, 1e-5)
    quick = calibrate_poisson(target, sample_rate=0.25, steps=60, seconds=-1, cache_dir=cache_dir)
    assert quick.accountant == "rdp"
    assert rdp_epsilon(quick.noise_multiplier, 0.25, 60, 1e-5) <= 1
    full = calibrate_poisson(target, sample_rate=0.25, steps=60, cache_dir=cache_dir)
    assert full.accountant == "prv" and full.noise_multiplier < quick.noise_multiplier


def test_a_repeated_calibration_comes_from_the_cache(cache_dir, monkeypatch):
    target = PrivacyTarget(2, 1e-5)
    first = calibrate_poisson(target, sample_rate=0.2, steps=40, cache_dir=cache_dir)
    once = guarantee_poisson(target, first, sample_rate=0.2, steps=40, cache_dir=cache_dir, **FACTS)
    for name in ("prv_epsilon", "rdp_epsilon", "check_sampled"):
        monkeypatch.delattr(accounting, name)
    assert calibrate_poisson(target, sample_rate=0.2, steps=40, cache_dir=cache_dir) == first
    assert guarantee_poisson(target, first, sample_rate=0.2, steps=40, cache_dir=cache_dir, **FACTS) == once


@pytest.mark.slow
def test_without_a_cache_a_calibration_is_the_same_and_writes_nothing(cache_dir, monkeypatch):
    monkeypatch.chdir(cache_dir)
    target = PrivacyTarget(1, 1e-5)
    uncached = calibrate_poisson(target, sample_rate=0.25, steps=60)
    assert not list(cache_dir.iterdir())
    assert uncached == calibrate_poisson(target, sample_rate=0.25, steps=60, cache_dir=cache_dir)


def test_sampling_half_of_the_units_spends_less_than_taking_all():
    noise = math.sqrt(50) / gaussian_mu(PrivacyTarget(1, 1e-5))
    assert check_sampled(noise_multiplier=noise, sample_rate=0.5, steps=50, delta=1e-5, epsilon=1) < 0.9


def test_a_guarantee_above_its_target_is_refused(cache_dir):
    with pytest.raises(SpecError, match="more than the 1 asked for"):
        guarantee_poisson(PrivacyTarget(1, 1e-5), Calibration(3.0, "prv"), sample_rate=0.25, steps=60, cache_dir=cache_dir, **FACTS)


def test_a_guarantee_says_everything_needed_to_count_it_again(poisson_guarantee):
    guarantee = poisson_guarantee(PrivacyTarget(3, 1e-5), sample_rate=0.2, steps=30)
    facts = {name: getattr(guarantee, name) for name in ("noise_multiplier", "sample_rate", "steps", "delta")}
    assert math.isclose(check_sampled(**facts, epsilon=3), guarantee.check_epsilon)
    assert guarantee.neighboring_relation == "zero-out"
    assert (guarantee.unit, guarantee.n_units, guarantee.max_grad_norm) == (PrivacyUnit.PATIENT, 500, 1.5)
