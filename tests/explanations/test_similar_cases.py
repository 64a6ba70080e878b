"""Similar cases and out-of-distribution distances, on features whose neighbours are known."""

import numpy as np
import pytest

from dpmed_core.explanations import similar_cases
from dpmed_core.explanations.similar_cases import FEWEST_CASES, NEIGHBOUR_RANK, ReferenceCases
from dpmed_core.training.encoders.card import COMPONENTS

WIDTH = sum(COMPONENTS.values())


@pytest.fixture
def features():
    """Two clusters of thirty cases; case 2i and 2i + 1 are one patient's and nearly the same."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, WIDTH))
    own = np.repeat(rng.normal(scale=0.4, size=(30, WIDTH)), 2, axis=0)
    return (np.repeat(centres, 30, axis=0) + own + rng.normal(scale=0.02, size=(60, WIDTH))).astype(np.float32)


@pytest.fixture
def patients():
    return [f"p{i // 2}" for i in range(60)]


def test_the_nearest_case_is_the_patients_other_one_and_the_next_are_of_the_same_cluster(features, patients):
    reference = ReferenceCases.of(features, patients)
    found = reference.nearest(features[10], n=6, leaving_out=10)
    assert found[0][0] == 11 and found[0][1] < 0.05
    assert all(number < 30 for number, _ in found) and 10 not in [number for number, _ in found]
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)


def test_a_copy_of_a_case_is_at_no_distance(features, patients):
    (number, distance), *_ = ReferenceCases.of(features, patients).nearest(features[7], n=1)
    assert number == 7 and distance == pytest.approx(0, abs=1e-6)


def test_a_patients_own_cases_do_not_reduce_each_others_distance(features, patients):
    """If the patient were not left out, a radiograph repeated `NEIGHBOUR_RANK` times would have the smallest distance of all."""
    odd = np.random.default_rng(5).normal(size=WIDTH).astype(np.float32)
    with_odd = np.concatenate([features, np.tile(odd, (NEIGHBOUR_RANK + 1, 1))])
    reference = ReferenceCases.of(with_odd, [*patients, *["odd"] * (NEIGHBOUR_RANK + 1)])
    assert reference.reference_distances[-1] > np.quantile(reference.reference_distances[:60], 0.95)


def test_an_image_unlike_all_others_is_out_of_distribution_and_a_similar_one_is_not(features, patients):
    reference = ReferenceCases.of(features, patients)
    unlike = reference.out_of_distribution(np.random.default_rng(9).normal(size=WIDTH).astype(np.float32))
    usual = reference.out_of_distribution(features[20] + np.random.default_rng(3).normal(scale=0.05, size=WIDTH).astype(np.float32))
    assert unlike.is_out_of_distribution and unlike.percentile == 100 and "may be meaningless" in unlike.sentence()
    assert not usual.is_out_of_distribution and "resembles the cohort's images" in usual.sentence()


def test_an_image_far_outside_is_out_of_distribution_in_any_direction(features, patients):
    """Far beyond a usual case the angle to it is small, but the distance is not."""
    reference = ReferenceCases.of(features, patients)
    beyond = features.mean(axis=0) + 8 * (features[20] - features.mean(axis=0))
    assert reference.nearest(beyond, n=1)[0][1] < 0.3
    assert reference.out_of_distribution(beyond).is_out_of_distribution


def test_of_many_cases_evenly_spaced_ones_are_compared_with_all(features, patients, monkeypatch):
    whole = ReferenceCases.of(features, patients).reference_distances
    monkeypatch.setattr(similar_cases, "MOST_CASES", 30)
    monkeypatch.setattr(similar_cases, "BATCH_SIZE", 7)
    some = ReferenceCases.of(features, patients).reference_distances
    assert len(some) == 30 and set(np.round(some, 9)) < set(np.round(whole, 9))


def test_too_few_cases_give_no_judgement(features, patients):
    few = ReferenceCases.of(features[: FEWEST_CASES - 2], patients[: FEWEST_CASES - 2]).out_of_distribution(features[50])
    assert np.isnan(few.percentile) and not few.is_out_of_distribution and "too few" in few.sentence()
