import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dpmed_core.training.entropy import SecureRandom
from dpmed_core.training.head import HeadSettings, clipped_sum, head_data, head_probabilities, prior_logit, train_head

UNITS = [np.array([0]), np.array([3, 1]), np.array([2, 4, 5, 6])]


class CountedNoise(SecureRandom):
    """Gives ones instead of noise, and remembers the shapes asked for."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def normal(self, shape):
        self.shapes.append(shape)
        return np.ones(shape)


@pytest.fixture
def films():
    rng = np.random.default_rng(0)
    labels = rng.choice([0.0, 1.0, np.nan], (7, 3))
    return rng.normal(size=(7, 5)), labels


def unit_gradients(features, labels, residual_of):
    """By the definition, one unit and finding at a time: the mean over the films whose label is known of x r."""
    gradients = []
    for unit in UNITS:
        gradient = np.zeros((features.shape[1], labels.shape[1]))
        for finding in range(labels.shape[1]):
            known = [film for film in unit if not np.isnan(labels[film, finding])]
            for film in known:
                gradient[:, finding] += features[film] * residual_of(film, finding) / len(known)
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("bound", [0.05, 0.7, 5.0, None])
def test_each_units_gradient_over_all_findings_is_clipped_once(films, bound):
    features, labels = films
    data = head_data(features, labels, UNITS)
    residuals = (0.5 - data.labels) * data.weights
    expected = 0
    for gradient in unit_gradients(features, labels, lambda film, finding: 0.5 - labels[film, finding]):
        norm = np.linalg.norm(gradient)
        expected = expected + (gradient if bound is None else gradient * min(1, bound / norm))
    assert np.allclose(clipped_sum(data, residuals, bound), expected, atol=1e-12)


def test_one_unit_moves_the_sum_by_at_most_the_bound(films):
    features, labels = films
    features[3] *= 1e6
    everyone, without = head_data(features, labels, UNITS), head_data(features, labels, [UNITS[0], UNITS[2]])
    sums = [clipped_sum(data, (0.5 - data.labels) * data.weights, 0.4) for data in (everyone, without)]
    assert np.linalg.norm(sums[0] - sums[1]) <= 0.4 * (1 + 1e-12)


def test_a_feature_that_is_no_number_cannot_carry_a_unit_past_the_bound(films):
    features, labels = films
    features[1, 2], features[2, 0] = np.nan, np.inf
    data = head_data(features, labels, UNITS)
    total = clipped_sum(data, (0.5 - data.labels) * data.weights, 0.3)
    assert np.isfinite(total).all() and np.linalg.norm(total) <= 3 * 0.3


def test_every_step_adds_noise_of_bound_times_multiplier_to_every_entry(films):
    features, labels = films
    noise = CountedNoise()
    settings = HeadSettings(steps=1, learning_rate=3, momentum=0.9, max_grad_norm=0.2, noise_multiplier=7)
    data = head_data(features, labels, UNITS)
    weights = train_head(data, settings, noise)
    offset = prior_logit(settings.prior)
    clipped = clipped_sum(data, (1 / (1 + np.exp(-offset)) - data.labels) * data.weights, 0.2)
    assert np.allclose(weights, -3 * (clipped + 7 * 0.2) / len(UNITS))
    train_head(data, HeadSettings(4, 1, 0.9, 0.2, 7), noise)
    assert noise.shapes == [(5, 3)] * 5


def test_the_twin_draws_no_noise(films):
    features, labels = films
    noise = CountedNoise()
    train_head(head_data(features, labels, UNITS), HeadSettings(3, 1, 0.9, None, 0.0), noise)
    assert noise.shapes == []


def test_without_bound_and_noise_the_head_becomes_scikit_learns_logistic_regression():
    rng = np.random.default_rng(1)
    features = np.c_[rng.normal(size=(400, 3)), np.ones(400)]
    labels = (features @ [1, -1, 0.5, 0.2] + rng.logistic(size=400) > 0).astype(float)[:, None]
    units = [np.array([row]) for row in range(400)]
    weights = train_head(head_data(features, labels, units), HeadSettings(3000, 1.0, 0.9, None, 0.0), SecureRandom())
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(features, labels[:, 0])
    expected = oracle.predict_proba(features)[:, 1]
    assert np.allclose(head_probabilities(features, weights, 0.2)[:, 0], expected, atol=1e-6)
