"""Recipe `probe`: its plan follows from public numbers, its guarantee from what it releases."""

import math
from itertools import pairwise

import numpy as np
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.probe_settings import MIN_COMPONENTS, STEPS, components_for, private_settings, signal_to_noise
from dpmed_core.training.recipes.train_probe import accounted_steps, plan_probe, train_as_planned
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec


def spec(epsilon=1.0, seed=0):
    target = None if epsilon is None else PrivacyTarget(epsilon, 1e-5)
    return RunSpec("f" * 64, 0, "probe", 3, PrivacyUnit.PATIENT, target, seed)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(24, sum(COMPONENTS.values()))).astype(np.float32)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_steps_and_the_release_of_means_together_spend_the_target(epsilon):
    plan = plan_probe(spec(epsilon), n_units=400, n_findings=8)
    of_steps = plan.settings.steps / plan.noise_multiplier**2
    of_means = plan.settings.mean_release_steps / plan.noise_multiplier**2  # their noise is smaller by the root of mean_release_steps
    spent = gaussian_epsilon(math.sqrt(of_steps + of_means), 1e-5)
    assert spent == pytest.approx(epsilon, rel=1e-6) and spent <= epsilon
    assert plan.guarantee.epsilon == pytest.approx(spent) and plan.guarantee.steps == accounted_steps(plan)


def test_the_non_private_reference_has_no_guarantee_no_noise_and_no_clipping():
    plan = plan_probe(spec(None), n_units=400, n_findings=8)
    assert plan.guarantee is None and plan.noise_multiplier == 0 and plan.settings.max_grad_norm is None


def test_more_units_or_epsilon_or_fewer_findings_raise_the_signal_to_noise_ratio():
    usual = {"n_units": 400, "n_findings": 8}
    assert signal_to_noise(0.2, n_units=800, n_findings=8) == pytest.approx(2 * signal_to_noise(0.2, **usual))
    assert signal_to_noise(0.4, **usual) == pytest.approx(2 * signal_to_noise(0.2, **usual))
    assert signal_to_noise(0.2, n_units=400, n_findings=2) == pytest.approx(2 * signal_to_noise(0.2, **usual))


def test_with_less_noise_a_head_takes_more_steps_on_more_components_under_a_larger_bound():
    ratios = [1, 30, 100, 300, 1000, 3000, 10_000, 1e6]
    settings, components = [private_settings(r) for r in ratios], [components_for(r) for r in ratios]
    for before, after in pairwise(settings):
        assert after.steps >= before.steps and after.max_grad_norm >= before.max_grad_norm
        assert after.steps * after.learning_rate >= before.steps * before.learning_rate
    for before, after in pairwise(components):
        assert all(b >= a for (_, a), (_, b) in zip(before, after, strict=True))
    assert dict(components[0]) == MIN_COMPONENTS and dict(components[-1]) == COMPONENTS
    assert (settings[0].steps, settings[-1].steps) == STEPS


def test_leading_components_of_each_kind_have_the_same_norm_and_together_norm_one(features):
    read = leading_components(features, {"narrow": 5, "wide": 3, "scattering": 7})
    assert read.shape == (24, 15)
    for begin, kind in ((0, slice(0, 5)), (COMPONENTS["narrow"], slice(5, 8)), (COMPONENTS["narrow"] + COMPONENTS["wide"], slice(8, 15))):
        own = features[:, begin : begin + kind.stop - kind.start]
        assert np.allclose(read[:, kind], own / np.linalg.norm(own, axis=1, keepdims=True) / math.sqrt(3), atol=1e-6)


def test_models_come_in_the_order_of_their_specs(make_cohort, features):
    cohort, split = make_cohort()
    units = training_units(cohort, split, PrivacyUnit.PATIENT)
    specs = [spec(8.0), spec(None), spec(0.1), spec(8.0, seed=1)]
    plans = [plan_probe(s, n_units=len(units), n_findings=2) for s in specs]
    models = train_as_planned(specs, plans, cohort, split, features=features[: len(cohort.cases)], units=units)
    assert [m.result.spec for m in models] == specs
    assert [m.result.guarantee for m in models] == [p.guarantee for p in plans]
    assert not np.allclose(models[0].weights["weights"], models[3].weights["weights"])
    n_held_out = int((split.parts != Part.TRAIN.value).sum())
    assert all(len(m.scores) == 2 * n_held_out and m.scores["score"].between(0, 1).all() for m in models)


def test_plans_that_differ_in_seed_alone_share_a_product():
    assert len({plan_probe(spec(1.0, seed=s), n_units=400, n_findings=8) for s in range(3)}) == 1
