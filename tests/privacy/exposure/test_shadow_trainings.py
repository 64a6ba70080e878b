"""Shadow trainings: what they find without privacy, what a guarantee holds, and that who is out leaves no trace."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.privacy.exposure.exposure_rows import LEVEL, Arm
from dpmed_core.privacy.exposure.patient_auc import flagged, patient_auc
from dpmed_core.privacy.exposure.shadow_trainings import draw_halves, patient_likelihoods, shadow_likelihoods, shadow_scores
from dpmed_core.training.recipes import linear_head
from dpmed_core.training.recipes.linear_head import CentredFeatures, head_data, unit_means
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from dpmed_core.training.starts.phantom_start import PhantomStart
from tests.privacy.exposure.conftest import N_PATIENTS, make_images

PATIENT, IMAGE = PrivacyUnit.PATIENT, PrivacyUnit.IMAGE
ONE = PrivacyTarget(1.0, 1e-5)


def attack_on(images, unit, target, n=200, seed=1):
    halves = draw_halves(n, images.n_patients, np.random.default_rng(seed))
    return patient_auc(shadow_likelihoods(images, halves, unit=unit, target=target), halves)


def at_a_start(images):
    """The images with a public start that tells their labels: two outputs behind the features, one a finding."""
    outputs = np.where(np.nan_to_num(images.labels) > 0, 3.0, -3.0) + np.random.default_rng(3).normal(size=images.labels.shape)
    start = PhantomStart(np.eye(2), np.zeros(2), np.ones(2))
    return replace(images, features=np.concatenate([images.features, outputs.astype(np.float32)], axis=1), start=start)


def test_without_privacy_models_remember_patients(images):
    assert np.median(attack_on(images, PATIENT, None, n=60).value) > 0.9


def test_a_guarantee_of_epsilon_1_hides_them(images):
    attack = attack_on(images, PATIENT, ONE)
    low, _ = attack.limits(level=LEVEL, n_comparisons=N_PATIENTS)
    assert (low <= Arm(PATIENT, ONE).bound).all() and np.median(attack.value) < 0.6


def test_trainings_at_a_start_begin_there_and_a_guarantee_holds_for_them_too(images):
    # Noise has no seed: the mean of so many trainings was .95 ± .01 at the start, and .50 ± .01 without it.
    begun, halves = at_a_start(images), draw_halves(40, N_PATIENTS, np.random.default_rng(1))
    little = PrivacyTarget(0.01, 1e-5)
    known = []
    for one in (images, begun):
        drawn = shadow_scores(one, halves, one.features, unit=PATIENT, target=little)
        known.append(np.mean([roc_auc_score(one.labels[:, 0], scores[:, 0]) for scores in drawn]))
    assert known[0] < 0.65 and known[1] > 0.9, "nothing is learnt at this budget: what is known is the start's"
    attack = attack_on(begun, PATIENT, ONE)
    low, _ = attack.limits(level=LEVEL, n_comparisons=N_PATIENTS)
    assert (low <= Arm(PATIENT, ONE).bound).all()
    assert np.median(attack_on(begun, PATIENT, None, n=60).value) > 0.8, "without privacy a start hides nobody"


def test_masks_that_ignore_training_flag_at_most_a_twentieth(images):
    halves = draw_halves(200, N_PATIENTS, np.random.default_rng(1))
    likelihoods = shadow_likelihoods(images, halves, unit=PATIENT, target=None)
    shares = [
        flagged(patient_auc(likelihoods, draw_halves(200, N_PATIENTS, np.random.default_rng(k))).p_values()).mean() for k in range(2, 12)
    ]
    assert np.mean(shares) <= 0.05
    assert flagged(patient_auc(likelihoods, halves).p_values()).mean() > 0.9


def test_a_planted_patient_is_found_where_the_unit_is_the_image_and_hidden_where_it_is_the_patient():
    images, bound = make_images(exposed=True), Arm(PATIENT, ONE).bound
    of_image, of_patient = attack_on(images, IMAGE, ONE), attack_on(images, PATIENT, ONE)
    assert of_image.limits(level=LEVEL, n_comparisons=N_PATIENTS)[0][0] > bound and flagged(of_image.p_values())[0]
    assert of_patient.limits(level=LEVEL, n_comparisons=N_PATIENTS)[0][0] <= bound
    assert of_patient.value[0] < of_image.value[0] - 0.2


def test_all_trainings_of_a_private_arm_have_the_same_number_of_units(images, monkeypatch):
    """What an attacker is to find out must not show in a count that is public."""
    seen = []
    original = linear_head.release_means
    monkeypatch.setattr(linear_head, "release_means", lambda data, *rest: seen.append(data.n_units) or original(data, *rest))
    attack_on(images, PATIENT, ONE, n=30)
    assert len(seen) == 30 and len(set(seen)) == 1
    seen.clear()
    attack_on(images, PATIENT, None, n=30)
    assert len(set(seen)) > 1  # there is no guarantee to keep: who is out is left out


def test_an_empty_record_adds_nothing_to_any_sum(images):
    features = np.concatenate([images.features[:4], np.zeros((1, images.features.shape[1]), np.float32)])
    labels = np.concatenate([images.labels[:4], np.full((1, 2), np.nan)])
    data = head_data(features, labels, [np.array([0, 1]), np.array([2, 3]), np.array([4])])
    assert (unit_means(data)[2] == 0).all()
    centred = CentredFeatures.of(data, np.full((features.shape[1], 1), 0.01), 0.1)
    residuals = (np.full(data.labels.shape, 0.7) * data.weights)[:, :, None]
    both = centred.clipped_sum(residuals, 0.3)
    residuals[4] = 0
    np.testing.assert_array_equal(both, centred.clipped_sum(residuals, 0.3))


def test_a_patient_whose_labels_are_unknown_cannot_be_found(images):
    labels = images.labels.copy()
    labels[images.patients == 3] = np.nan
    assert attack_on(replace(images, labels=labels), PATIENT, None, n=40).value[3] == 0.5


def test_likelihoods_join_a_patients_images_and_findings(images):
    rng = np.random.default_rng(5)
    probabilities = rng.uniform(0.1, 0.9, images.labels.shape)
    found = patient_likelihoods(probabilities, images)
    by_hand = np.log(np.where(images.labels == 1, probabilities, 1 - probabilities))
    for patient in range(N_PATIENTS):
        assert found[patient] == pytest.approx(by_hand[images.patients == patient].sum())
