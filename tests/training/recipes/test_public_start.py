"""A head that begins at a public start: what it gains, what it gives up, and what is stored of it."""

import numpy as np
import pytest

from dpmed_core.cohort.schema import Part
from dpmed_core.errors import SpecError
from dpmed_core.training.accounting.gaussian_dp import gaussian_mu
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.fitted import StoredModel
from dpmed_core.training.privacy_units import training_units
from dpmed_core.training.recipes.train_probe import accounted_steps, plan_probe, rebuild_probe, train_as_planned
from dpmed_core.training.recipes.train_public_head import train_public_head
from dpmed_core.training.result import NO_TRAINING
from dpmed_core.training.spec import NOTHING_LEARNT, PrivacyTarget, PrivacyUnit, RunSpec, StartChoice

START = StartChoice("elsewhere", "d" * 64, (("effusion", "effusion"),))


def spec(target, start=START):
    return RunSpec("f" * 64, 0, "probe", 3, PrivacyUnit.PATIENT, target, 0, start=start)


@pytest.fixture
def features_of():
    """Features in which one direction tells the first finding, and the rest is noise."""

    def make(cohort, seed, sign=1.0):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(len(cohort.cases), sum(COMPONENTS.values()))).astype(np.float32)
        features[:, 0] += sign * 3.0 * np.nan_to_num(cohort.labels[:, 0])
        return features

    return make


@pytest.fixture
def public(make_cohort, features_of):
    cohort, _ = make_cohort(n_patients=120, side=4)
    return cohort, train_public_head(cohort, features_of(cohort, 1))


def auroc_of(model, cohort, split):
    held_out = np.isin(split.parts, [Part.VALIDATION.value, Part.TEST.value])
    first = model.scores[model.scores["finding"] == cohort.findings[0]]
    label, score = cohort.labels[held_out, 0], first["score"].to_numpy()
    positive, negative = score[label == 1], score[label == 0]
    return float((positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2)


def trained(cohort, split, features, head, targets):
    units = training_units(cohort, split, PrivacyUnit.PATIENT)
    specs = [spec(target) for target in targets]
    plans = [plan_probe(one, n_units=len(units), n_findings=len(cohort.findings)) for one in specs]
    return plans, train_as_planned(specs, plans, cohort, split, features=features, units=units, start=head)


def test_the_public_head_is_judged_by_patients_that_it_was_not_trained_on(public):
    cohort, (head, told) = public
    findings = tuple(told)
    assert findings == cohort.findings
    assert 0.85 < told[findings[0]].auroc <= 1
    assert head.begins.all() and told[findings[0]].n_positive == int(np.nansum(cohort.labels[:, 0]))


def test_own_features_are_centred_on_public_images_and_below_1(public, features_of):
    cohort, (head, _) = public
    own = head.own_features(features_of(cohort, 1))
    assert np.abs(own).max() < 1
    logits = 2 * head.spread * np.arctanh(own)
    assert np.allclose(logits.mean(0), 0, atol=1e-5)


def test_at_epsilon_0_the_start_is_scored_and_nothing_of_the_cohort_enters(public, make_cohort, features_of):
    cohort, split = make_cohort(n_patients=90, side=4)
    features = features_of(cohort, 2)
    head = public[1][0].of(cohort.findings, START.findings, tuple(public[1][1]))
    (plan,), (model,) = trained(cohort, split, features, head, [NOTHING_LEARNT])
    assert plan.guarantee.epsilon == plan.guarantee.delta == plan.guarantee.steps == accounted_steps(plan) == 0
    assert plan.guarantee.accountant == NO_TRAINING and gaussian_mu(NOTHING_LEARNT) == 0
    train = split.parts == Part.TRAIN.value
    other = features.copy()
    other[train] = 0  # other training patients altogether
    _, (same,) = trained(cohort, split, other, head, [NOTHING_LEARNT])
    assert np.array_equal(model.scores["score"], same.scores["score"])
    assert auroc_of(model, cohort, split) > 0.9
    assert model.result.n_parameters == 0 and model.result.n_train_cases == 0


def test_a_good_start_is_kept_where_noise_is_large(public, make_cohort, features_of):
    cohort, split = make_cohort(n_patients=90, side=4)
    features = features_of(cohort, 2)
    head = public[1][0].of(cohort.findings, START.findings, tuple(public[1][1]))
    _, models = trained(cohort, split, features, head, [PrivacyTarget(0.5, 1e-5)] * 8)
    _, alone = trained(cohort, split, features, head, [NOTHING_LEARNT])
    mean = np.mean([auroc_of(model, cohort, split) for model in models])
    assert mean > auroc_of(alone[0], cohort, split) - 0.03
    _, scratch = trained(cohort, split, features, None, [PrivacyTarget(0.5, 1e-5)] * 8)
    assert mean > np.mean([auroc_of(model, cohort, split) for model in scratch]) + 0.1


def test_an_inverted_start_is_given_up_where_the_patients_can_tell(public, make_cohort, features_of):
    cohort, split = make_cohort(n_patients=400, side=4)
    features = features_of(cohort, 2, sign=-1.0)  # what the finding looks like elsewhere is what its absence looks like here
    head = public[1][0].of(cohort.findings, START.findings, tuple(public[1][1]))
    _, models = trained(cohort, split, features, head, [PrivacyTarget(8.0, 1e-5)] * 8)
    _, scratch = trained(cohort, split, features, None, [PrivacyTarget(8.0, 1e-5)] * 8)
    _, alone = trained(cohort, split, features, head, [NOTHING_LEARNT])
    assert auroc_of(alone[0], cohort, split) < 0.1
    gap = np.mean([auroc_of(m, cohort, split) for m in scratch]) - np.mean([auroc_of(m, cohort, split) for m in models])
    assert gap < 0.03
    assert max(abs(float(m.weights["own"][0])) for m in models) < 0.1 * 2 * head.spread[0]


def test_a_finding_without_a_start_begins_from_scratch(public, make_cohort, features_of):
    cohort, split = make_cohort(n_patients=90, side=4)
    head = public[1][0].of(cohort.findings, START.findings, tuple(public[1][1]))
    assert head.spread[0] > 0 and (head.spread[1:] == 0).all()
    own = head.own_features(features_of(cohort, 2))
    assert (own[:, 1:] == 0).all() and np.isfinite(own).all()
    _, (model,) = trained(cohort, split, features_of(cohort, 2), head, [PrivacyTarget(8.0, 1e-5)])
    assert (model.weights["own"][1:] == 0).all()


def test_a_stored_model_scores_as_it_did_without_the_start_that_it_began_at(public, make_cohort, features_of, tmp_path):
    cohort, split = make_cohort(n_patients=90, side=4)
    features = features_of(cohort, 2)
    head = public[1][0].of(cohort.findings, START.findings, tuple(public[1][1]))
    _, models = trained(cohort, split, features, head, [PrivacyTarget(2.0, 1e-5), NOTHING_LEARNT, None])
    held_out = np.isin(split.parts, [Part.VALIDATION.value, Part.TEST.value])
    for model in models:
        fitted = rebuild_probe(StoredModel(model.result, model.weights, tmp_path, cohort.modality))
        expected = model.scores["score"].to_numpy().reshape(-1, len(cohort.findings))
        assert np.allclose(fitted.score_features(features[held_out]), expected, atol=1e-6)


def test_too_few_patients_or_one_class_make_no_start(make_cohort, features_of):
    cohort, _ = make_cohort(n_patients=6)
    with pytest.raises(SpecError, match="has 6 patients, and a public start needs 10"):
        train_public_head(cohort, features_of(cohort, 0))
    cohort, _ = make_cohort(n_patients=30)
    cohort.cases[list(cohort.findings)] = 0.0
    with pytest.raises(SpecError, match="no finding that some images have"):
        train_public_head(cohort, features_of(cohort, 0))
