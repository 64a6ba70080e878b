import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from dpmed_core.training.accounting.full_batch import guarantee_full_batch
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.accounting.together import epsilon_together, together_sentence
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit


def guarantee(epsilon=1.0, delta=1e-5):
    target = PrivacyTarget(epsilon, delta)
    noise = 1 / gaussian_mu(target) * (1 + 1e-6)
    return guarantee_full_batch(target, noise_multiplier=noise, steps=1, max_grad_norm=1.0, unit=PrivacyUnit.PATIENT, n_units=100)


def test_three_models_of_epsilon_1_are_not_worth_1_together_but_what_dp_accounting_says():
    models = [guarantee()] * 3
    oracle = PLDAccountant()
    oracle.compose(dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(models[0].noise_multiplier), 3))
    assert epsilon_together(models) == pytest.approx(oracle.get_epsilon(1e-5), rel=1e-3)
    assert epsilon_together(models) == pytest.approx(1.83, abs=0.02)
    said = together_sentence(models)
    assert "all 3 models" in said and "ε = 1.8" in said and "δ = 1e-05" in said


def test_one_model_has_its_own_guarantee_and_needs_no_other():
    assert together_sentence([guarantee()]) == "" and epsilon_together([guarantee()]) == pytest.approx(1.0, rel=1e-4)
