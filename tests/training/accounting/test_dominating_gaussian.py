"""The Gaussian that dominates sampled steps: at every epsilon it spends at least as much, and hardly more than needed."""

import numpy as np
import pytest
from dp_accounting import NeighboringRelation
from dp_accounting.pld import PLDAccountant

from dpmed_core.training.accounting.dominating_gaussian import DELTA0, delta0_of, gaussian_deltas, squared_mu
from dpmed_core.training.accounting.gaussian_dp import gaussian_delta, gaussian_epsilon
from dpmed_core.training.accounting.pld import Mechanism, pld_epsilon, sampled_event

SAMPLED = [Mechanism(1.1, 256 / 60_000, 2_000), Mechanism(2.0, 0.1, 200), Mechanism(0.6, 0.05, 50), Mechanism(5.0, 0.01, 2)]


@pytest.mark.parametrize("mechanism", SAMPLED)
def test_at_every_delta_the_price_is_above_the_privacy_loss_distribution_and_not_far(mechanism):
    mu = squared_mu(mechanism) ** 0.5
    event = sampled_event(mechanism.noise_multiplier, mechanism.sample_rate, mechanism.steps)
    # Composed once for all deltas, as `pld_epsilon` composes it for one.
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=1e-4).compose(event)
    assert accountant.get_epsilon(1e-5) == pld_epsilon(event, 1e-5, interval=1e-4)
    ratios = []
    for delta in (1e-2, 1e-3, 1e-5, 1e-7, 1e-9):
        exact, price = accountant.get_epsilon(delta), gaussian_epsilon(mu, delta - DELTA0)
        assert price >= exact * (1 - 1e-3) - 2e-4  # but for the discretisation, which makes `exact` an upper bound itself
        ratios.append(price / exact if exact > 0.05 else np.nan)
    assert np.isnan(ratios).all() or np.nanmin(ratios) < 1.2


def test_full_batches_are_priced_exactly_and_without_a_probability_of_failing():
    assert squared_mu(Mechanism(2.0, 1.0, 8)) == 2.0 and delta0_of(Mechanism(2.0, 1.0, 8)) == 0.0
    assert squared_mu(Mechanism(2.0, 0.1, 0)) == 0.0 and delta0_of(Mechanism(2.0, 0.1, 0)) == 0.0
    assert delta0_of(Mechanism(2.0, 0.1, 1)) == DELTA0


def test_what_cannot_be_discretised_costs_what_it_would_without_sampling(tmp_path):
    for mechanism in (Mechanism(0.3, 0.5, 100), Mechanism(2.0, 0.1, 10, images_per_patient=66)):
        without = mechanism.steps * (mechanism.images_per_patient / mechanism.noise_multiplier) ** 2
        assert squared_mu(mechanism, cache_dir=tmp_path) == squared_mu(mechanism, cache_dir=tmp_path) == without


def test_deltas_of_many_epsilons_are_those_of_each():
    epsilons = np.array([0.0, 0.5, 3.0, 20.0])
    np.testing.assert_allclose(gaussian_deltas(epsilons, 1.3), [gaussian_delta(e, 1.3) for e in epsilons], rtol=1e-12)
