"""Detectable losses: variances against an oracle, and the power that they state against simulated tests."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from dpmed_core.evaluation.planning.auroc_variance import auroc_variance, difference_variance
from dpmed_core.evaluation.planning.comparison import NOT_EVEN_CHANCE, Comparison, Sizes
from dpmed_core.evaluation.planning.training_prior import TrainingPrior
from dpmed_core.evaluation.statistics.intervals import added, mann_whitney_interval

PRIOR = TrainingPrior(variance=2e-4, group_variance=5e-5, between_trainings=0.8, between_arms=0.85, reference_varies=False)
ALONE = Comparison((Sizes(80.0, 200.0, 80.0, 280),), reference=0.85, private=0.85, prior=PRIOR, level=0.05)
MANY_PATIENTS = replace(ALONE, groups=(Sizes(2000.0, 5000.0, 2000.0, 7000),))


def test_the_variance_is_that_of_newcombes_interval():
    low, high = mann_whitney_interval(0.85, 30, 70)
    for end in (low, high):
        assert (0.85 - end) ** 2 == pytest.approx(norm.ppf(0.975) ** 2 * float(auroc_variance(end, 30, 70)), rel=1e-6)


def test_the_variance_is_near_that_of_simulated_normal_scores():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1.2, 1, (4000, 30, 1)), rng.normal(0, 1, (4000, 1, 70))
    simulated = (positive > negative).mean(axis=(1, 2))
    assert float(auroc_variance(simulated.mean(), 30, 70)) == pytest.approx(float(simulated.var()), rel=0.15)


def test_the_variance_of_a_mean_difference_is_that_of_correlated_normals():
    rng, m, r10, r11 = np.random.default_rng(1), 3, 0.6, 0.7
    correlation = np.full((m + 1, m + 1), r11)
    correlation[0], correlation[:, 0] = r10, r10
    np.fill_diagonal(correlation, 1)
    draws = rng.multivariate_normal(np.zeros(m + 1), correlation, 200_000)
    simulated = (draws[:, 1:].mean(axis=1) - draws[:, 0]).var()
    assert float(difference_variance(1.0, 1.0, between_arms=r10, between_trainings=r11, n_trainings=m)) == pytest.approx(
        simulated, rel=0.02
    )


@pytest.mark.parametrize("n_trainings", [2, 3, 5])
@pytest.mark.parametrize("comparison", [ALONE, MANY_PATIENTS], ids=["patients decide", "trainings decide"])
def test_the_detectable_loss_is_found_in_four_of_five_simulated_comparisons(comparison, n_trainings):
    """Estimates and their two estimated variances are drawn as the test would see them; what is stated counts single images twice."""
    loss, rng, n = comparison.detectable(n_trainings).loss, np.random.default_rng(n_trainings), 40_000
    own, size = 0.85 - loss, comparison.groups[0]
    of_private, of_reference = (float(auroc_variance(a, size.positive, size.negative)) for a in (own, 0.85))
    patients = float(difference_variance(of_private, of_reference, between_arms=0.85, between_trainings=0.8, n_trainings=n_trainings))
    between = PRIOR.variance + 0.2 * of_private
    freedom = size.effective - 1
    seen = loss + rng.normal(0, np.sqrt(patients + between / n_trainings), n)
    variance, joint = added(
        patients * rng.chisquare(freedom, n) / freedom,
        np.full(n, freedom),
        between / n_trainings * rng.chisquare(n_trainings - 1, n) / (n_trainings - 1),
        np.full(n, n_trainings - 1.0),
    )
    power = np.mean(seen / np.sqrt(variance) > t.isf(0.05, joint))
    assert 0.75 < power < 0.85


def test_what_is_detectable_shrinks_with_trainings_and_patients_and_grows_with_comparisons():
    found = [ALONE.detectable(m).loss for m in (2, 3, 5, 20)]
    assert found == sorted(found, reverse=True)
    assert replace(ALONE, level=0.05 / 12).detectable(3).loss > ALONE.detectable(3).loss
    bigger = replace(ALONE, groups=(Sizes(800.0, 2000.0, 800.0, 2800),))
    assert bigger.detectable(3).loss < ALONE.detectable(3).loss


def test_where_even_a_fall_to_chance_would_not_be_found_there_is_none():
    tiny = replace(ALONE, groups=(Sizes(5.0, 8.0, 5.0, 13),), level=0.001)
    assert tiny.detectable(2).loss is None and tiny.detectable(2).reason == NOT_EVEN_CHANCE
    assert tiny.trainings_needed(0.02) is None


def test_variance_between_trainings_can_make_any_number_of_patients_too_few():
    wild = replace(ALONE, prior=replace(PRIOR, variance=4e-3))
    assert wild.fold_needed(0.02, 2) is None and wild.fold_needed(0.02, 90) is not None


def test_an_extra_loss_is_harder_to_find_than_a_loss_and_easier_against_more_others():
    others = (Sizes(40.0, 100.0, 40.0, 140), Sizes(40.0, 100.0, 40.0, 140))
    against = replace(ALONE, groups=(*ALONE.groups, *others), prior=replace(PRIOR, group_variance=PRIOR.variance))
    assert against.detectable(3).loss > ALONE.detectable(3).loss
    many = tuple(replace(other, positive=400.0, negative=1000.0, effective=400.0) for other in others)
    assert replace(against, groups=(*ALONE.groups, *many)).detectable(3).loss < against.detectable(3).loss


def test_repeated_splits_find_smaller_losses_where_one_has_few_trainings_and_many_splits_hardly_more():
    one = ALONE.detectable(2).loss
    ten, fifty = (ALONE.detectable_over_splits(n, test_to_train=2 / 7).loss for n in (10, 50))
    assert ten < one and 0.8 * ten < fifty < ten


def test_the_loss_that_splits_find_is_found_in_four_of_five_simulations():
    """Splits whose differences are correlated by n_test / (n_test + n_train), as Nadeau and Bengio assume."""
    n, ratio, rng = 10, 2 / 7, np.random.default_rng(5)
    loss = ALONE.detectable_over_splits(n, test_to_train=ratio).loss
    error, shared = ALONE.standard_error(loss, 1), ratio / (1 + ratio)
    common, own = rng.normal(0, np.sqrt(shared), (20_000, 1)), rng.normal(0, np.sqrt(1 - shared), (20_000, n))
    seen = loss + error * (common + own)
    statistic = seen.mean(axis=1) / np.sqrt((1 / n + ratio) * seen.var(axis=1, ddof=1))
    assert 0.75 < np.mean(statistic > t.isf(0.05, n - 1)) < 0.85
