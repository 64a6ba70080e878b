import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.recipes import linear_head as head_module
from dpmed_core.training.recipes.linear_head import (
    LABEL_SCALE,
    CentredFeatures,
    head_data,
    release_means,
    train_heads,
    unit_means,
)
from dpmed_core.training.recipes.probe_settings import HeadSettings, finding_weights

UNITS = [np.array([0]), np.array([3, 1]), np.array([2, 4, 5, 6])]
BIAS = 0.1


class UnitNoise(SecureRandom):
    """Gives ones instead of noise, and records the shapes of its draws."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def normal(self, shape):
        self.shapes.append(shape)
        return np.ones(shape)


def settings(steps=1, *, bound=0.2, learning_rate=3.0):
    return HeadSettings(steps=steps, learning_rate=learning_rate, max_grad_norm=bound, mean_release_steps=2, bias=BIAS)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = rng.choice([0.0, 1.0, np.nan], (7, 3))
    return rng.normal(size=(7, 5)), labels


@pytest.fixture
def centres():
    return 0.3 * np.random.default_rng(1).normal(size=(5, 2))


def seen_from(features, centre):
    """By the definition: features at norm 1, less the centre, again at norm 1, and a constant entry."""
    x = features / np.linalg.norm(features, axis=1, keepdims=True) - centre
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.c_[x, np.full(len(x), BIAS)]


def unit_gradients(features, labels, probability):
    """By the definition, one unit and finding at a time: the mean over the images whose label is known of x (p - y)."""
    gradients = []
    for unit in UNITS:
        gradient = np.zeros((features.shape[1], labels.shape[1]))
        for finding in range(labels.shape[1]):
            known = [image for image in unit if not np.isnan(labels[image, finding])]
            for image in known:
                gradient[:, finding] += features[image] * (probability - labels[image, finding]) / len(known)
        gradients.append(gradient)
    return gradients


def residuals_at(data, probability, n_runs):
    return np.repeat(((probability - data.labels) * data.weights)[:, :, None], n_runs, axis=2)


@pytest.mark.parametrize("pairs_at_most", [0, 3, 400])
@pytest.mark.parametrize("bound", [0.05, 0.7, 5.0, None])
def test_each_units_gradient_over_all_findings_is_clipped_once(images, centres, bound, pairs_at_most, monkeypatch):
    monkeypatch.setattr(head_module, "MAX_IMAGES_IN_PAIRS", pairs_at_most)
    features, labels = images
    data = head_data(features, labels, UNITS)
    total = CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals_at(data, 0.5, 2), bound)
    for run in range(2):
        gradients = unit_gradients(seen_from(features, centres[:, run]), labels, 0.5)
        expected = sum(g if bound is None else g * min(1, bound / np.linalg.norm(g)) for g in gradients)
        assert np.allclose(total[:, :, run], expected, atol=2e-6 * (bound or 1))


@pytest.mark.parametrize("pairs_at_most", [0, 3, 400])
@pytest.mark.parametrize("bound", [0.05, 0.7, None])
def test_findings_own_features_are_one_more_row_that_is_clipped_with_the_others(images, centres, bound, pairs_at_most, monkeypatch):
    monkeypatch.setattr(head_module, "MAX_IMAGES_IN_PAIRS", pairs_at_most)
    features, labels = images
    own = np.random.default_rng(3).uniform(-1, 1, labels.shape)
    data = head_data(features, labels, UNITS, own=own)
    total = CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals_at(data, 0.5, 2), bound)
    for run in range(2):
        expected = 0
        for unit, gradient in zip(UNITS, unit_gradients(seen_from(features, centres[:, run]), labels, 0.5), strict=True):
            n_known = np.maximum((~np.isnan(labels[unit])).sum(0), 1)
            row = np.nansum(own[unit] * (0.5 - labels[unit]), axis=0) / n_known
            whole = np.vstack([gradient, row])
            expected = expected + whole * (1 if bound is None else min(1, bound / np.linalg.norm(whole)))
        assert np.allclose(total[:, :, run], expected, atol=2e-6 * (bound or 1))


def test_one_unit_moves_the_sum_by_at_most_the_bound_also_with_own_features(images, centres):
    features, labels = images
    own = np.full(labels.shape, 1e9)
    own[2] = np.nan
    sums = []
    for units in (UNITS, [UNITS[0], UNITS[2]]):
        data = head_data(features, labels, units, own=own)
        assert np.abs(data.own).max() <= 1
        sums.append(CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals_at(data, 0.5, 2), 0.4))
    assert np.linalg.norm(sums[0] - sums[1], axis=(0, 1)).max() <= 0.4


def test_with_a_start_every_row_is_noised_and_the_start_is_followed(images):
    features, labels = images
    data = head_data(features, labels, UNITS, own=np.zeros(labels.shape))
    noise = UnitNoise()
    head = train_heads(data, settings(steps=4), [7.0], noise, start_weights=np.array([1.0, 2.0, 0.0]))[0]
    assert noise.shapes == [(8, 1)] + [(7, 3, 1)] * 4
    assert head.own.shape == (3,) and head.own[2] == 0


def test_a_large_sum_in_single_precision_is_exact_to_a_millionth_of_the_bound():
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(3000, 64)), (rng.random((3000, 8)) < 0.3).astype(float)
    data = head_data(features, labels, np.split(np.arange(3000), range(3, 3000, 3)))
    view, residuals = CentredFeatures.of(data, np.zeros((64, 1)), BIAS), residuals_at(data, 0.5, 1)
    x = np.c_[data.features.astype(np.float64), np.full(3000, BIAS)]
    expected = 0
    for unit in range(1000):
        gradient = x[3 * unit : 3 * unit + 3].T @ residuals[3 * unit : 3 * unit + 3, :, 0]
        expected = expected + gradient * min(1, 0.3 / np.linalg.norm(gradient))
    off = np.abs(view.clipped_sum(residuals, 0.3)[:, :, 0] - expected)
    assert off.max() <= 1e-6 * 0.3 * 1000  # ROUNDING_MARGIN gives away a millionth a unit; rounding is far below that


def test_one_unit_moves_the_sum_by_at_most_the_bound(images, centres):
    features, labels = images
    features[3] *= 1e6
    sums = []
    for units in (UNITS, [UNITS[0], UNITS[2]]):
        data = head_data(features, labels, units)
        sums.append(CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals_at(data, 0.5, 2), 0.4))
    assert np.linalg.norm(sums[0] - sums[1], axis=(0, 1)).max() <= 0.4


def test_one_unit_moves_the_sum_of_means_by_at_most_its_sensitivity():
    features = np.tile([3.0, 0, 0], (6, 1))
    labels = np.ones((6, 4))
    norms = np.linalg.norm(unit_means(head_data(features, labels, [np.arange(5), np.array([5])])), axis=1)
    assert norms.max() <= math.hypot(1, LABEL_SCALE)
    assert norms.max() == pytest.approx(math.hypot(1, LABEL_SCALE), abs=1e-6)


def test_features_longer_than_1_by_rounding_move_the_sum_of_means_by_no_more():
    features = np.random.default_rng(4).normal(size=(500, 96))
    data = head_data(features, np.ones((500, 3)), [np.array([row]) for row in range(500)])
    assert np.linalg.norm(data.features.astype(np.float64), axis=1).max() > 1
    assert np.linalg.norm(unit_means(data), axis=1).max() <= math.hypot(1, LABEL_SCALE)


def test_a_residual_that_is_not_finite_counts_nothing(images, centres):
    data = head_data(*images, UNITS)
    residuals = residuals_at(data, 0.5, 2)
    expected = CentredFeatures.of(data, centres, BIAS).clipped_sum(np.where(data.unit_of_image[:, None, None] == 1, 0, residuals), 0.3)
    residuals[1, 0] = np.inf
    assert np.allclose(CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals, 0.3), expected, atol=1e-6)


def test_an_image_that_is_not_finite_counts_nothing_in_gradients_and_means(images, centres):
    features, labels = images
    features[1, 2], features[2, 0] = np.nan, np.inf
    data = head_data(features, labels, UNITS)
    total = CentredFeatures.of(data, centres, BIAS).clipped_sum(residuals_at(data, 0.5, 2), 0.3)
    assert np.isfinite(total).all() and np.linalg.norm(total, axis=(0, 1)).max() <= 3 * 0.3
    assert np.isfinite(unit_means(data)).all()


def test_means_are_released_once_with_noise_on_every_entry_and_steps_after_them(images):
    data = head_data(*images, UNITS)
    mean, prevalence = release_means(data, np.array([0.0]), SecureRandom())
    exact = unit_means(data).sum(0) / 3
    assert np.allclose(mean[:, 0], exact[:5], atol=1e-6)
    assert np.allclose(prevalence[:, 0], np.clip(0.5 + exact[5:] * math.sqrt(3) / LABEL_SCALE / 2, 0.02, 0.98), atol=1e-6)

    noise = UnitNoise()
    train_heads(data, settings(steps=4), [7.0], noise)
    assert noise.shapes == [(8, 1)] + [(6, 3, 1)] * 4


@pytest.mark.parametrize("multiplier", [0.01, 0.3, 3.0])
def test_noisy_means_are_shrunk_and_noisy_prevalences_drawn_towards_the_prior(images, multiplier):
    data = head_data(*images, UNITS)
    spread = math.hypot(1, LABEL_SCALE) * multiplier / 3
    mean, prevalence = release_means(data, np.array([multiplier]), UnitNoise())
    noisy = unit_means(data).sum(0) / 3 + spread
    kept = max(0, 1 - 5 * spread**2 / np.square(noisy[:5]).sum())
    assert np.allclose(mean[:, 0], kept * noisy[:5])
    known_to = spread * math.sqrt(3) / LABEL_SCALE / 2
    expected = ((0.5 + noisy[5:] * math.sqrt(3) / LABEL_SCALE / 2) / known_to**2 + 0.3 / 0.04) / (1 / known_to**2 + 1 / 0.04)
    assert np.allclose(prevalence[:, 0], np.clip(expected, 0.02, 0.98))


def test_every_step_adds_noise_of_bound_times_multiplier_to_every_entry(images):
    features, labels = images
    data = head_data(features, labels, UNITS)
    trained = train_heads(data, settings(), [7.0], UnitNoise())[0]
    centre, prevalence = release_means(data, np.array([7.0]) / math.sqrt(2), UnitNoise())
    residuals = ((prevalence[:, 0] - data.labels) * data.weights * finding_weights(prevalence)[:, 0])[:, :, None]
    clipped = CentredFeatures.of(data, centre, BIAS).clipped_sum(residuals, 0.2)[:, :, 0]
    step = -3 * (clipped + 7 * 0.2) / 3
    assert np.allclose(trained.weights, step[:-1])
    assert np.allclose(trained.offset, np.log(prevalence / (1 - prevalence))[:, 0] + BIAS * step[-1])


def test_finding_weights_halve_differences_of_spread_and_leave_a_single_finding_as_it_is():
    prevalences = np.array([[0.5, 0.02], [0.1, 0.3], [0.8, 0.3]])
    even, spreads = finding_weights(prevalences), np.sqrt(prevalences * (1 - prevalences))
    before, after = (np.log(s / s[0]) for s in (spreads, even * spreads))
    assert np.allclose(after, before / 2) and np.allclose(np.square(even).mean(0), 1)
    assert even[1, 0] / even[0, 0] == pytest.approx(math.sqrt(0.5 / 0.3))
    assert np.allclose(finding_weights(prevalences[1:2]), 1)


def test_residuals_are_clipped_after_they_are_weighted_by_finding():
    rng = np.random.default_rng(3)
    labels = np.zeros((200, 3))
    labels[:100, 0], labels[0, 1], labels[0, 2] = 1, 1, 1  # unit 0 has all findings, and is the only one with two of them
    units = [np.array([row]) for row in range(200)]
    features = rng.normal(size=(200, 4))
    steps = []
    for known in (labels, np.where(np.arange(200)[:, None] == 0, np.nan, labels)):  # without known labels a unit has no gradient
        data = head_data(features, known, units)
        prevalence = np.array([[0.5], [0.02], [0.02]])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(head_module, "release_means", lambda *_, p=prevalence: (np.zeros((4, 1)), p))
            head = train_heads(data, settings(bound=0.2), [0.0], SecureRandom())[0]
        start = np.log(prevalence / (1 - prevalence))[:, 0]
        steps.append(np.vstack([head.weights, (head.offset - start) / BIAS]))
    moved = np.linalg.norm(steps[0] - steps[1]) * 200 / 3.0
    assert 0.19 < moved <= 0.2


def test_a_head_is_the_mean_of_its_weights_after_the_last_fifth_of_the_steps(images):
    features, labels = images
    data = head_data(features, np.full_like(labels, np.nan), UNITS)  # without labels, noise alone moves the weights
    head = train_heads(data, settings(steps=10), [7.0], UnitNoise())[0]
    after_each = -3 * 7 * 0.2 / 3 * np.arange(1, 11)
    assert np.allclose(head.weights, after_each[8:].mean())


def test_each_run_of_a_product_has_its_own_noise(images):
    data = head_data(*images, UNITS)
    heads = train_heads(data, settings(steps=3), [1.0, 1.0, 0.0, 0.0], SecureRandom())
    assert not np.allclose(heads[0].weights, heads[1].weights)
    assert np.array_equal(heads[2].weights, heads[3].weights)


def test_runs_too_many_for_one_product_are_trained_in_several(images, monkeypatch):
    data = head_data(*images, UNITS)
    together = train_heads(data, settings(steps=3), [0.0] * 5, SecureRandom())
    monkeypatch.setattr(head_module, "MAX_RESIDUALS", 2 * data.labels.size)
    apart = train_heads(data, settings(steps=3), [0.0] * 5, SecureRandom())
    assert len(apart) == 5 and np.allclose(apart[4].weights, together[4].weights, atol=1e-6)


def test_without_bound_and_noise_the_head_becomes_scikit_learns_logistic_regression():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 3))
    labels = (features @ [1, -1, 0.5] + rng.logistic(size=400) > 0).astype(float)[:, None]
    data = head_data(features, labels, [np.array([row]) for row in range(400)])
    trained = train_heads(data, settings(steps=4000, bound=None, learning_rate=4.0), [0.0], SecureRandom())[0]
    x = seen_from(features, trained.centre)
    oracle = LogisticRegression(C=np.inf, fit_intercept=True, tol=1e-12, max_iter=10_000).fit(x[:, :-1], labels[:, 0])
    assert np.allclose(trained.probabilities(data.features)[:, 0], oracle.predict_proba(x[:, :-1])[:, 1], atol=2e-3)
