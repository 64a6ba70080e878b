"""Nearest cases and strangeness, on features whose neighbours are known."""

import numpy as np
import pytest

from dpmed_core.explanations import similar_cases as neighbours
from dpmed_core.explanations.similar_cases import FEWEST_CASES, NTH, Reference
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
    reference = Reference.of(features, patients)
    found = reference.nearest(features[10], n=6, leaving_out=10)
    assert found[0][0] == 11 and found[0][1] < 0.05
    assert all(number < 30 for number, _ in found) and 10 not in [number for number, _ in found]
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)


def test_a_copy_of_a_case_is_at_no_distance(features, patients):
    (number, distance), *_ = Reference.of(features, patients).nearest(features[7], n=1)
    assert number == 7 and distance == pytest.approx(0, abs=1e-6)


def test_a_patients_own_cases_do_not_make_each_other_look_usual(features, patients):
    """Without leaving the patient out, a radiograph repeated `NTH` times would be the most usual of all."""
    odd = np.random.default_rng(5).normal(size=WIDTH).astype(np.float32)
    with_odd = np.concatenate([features, np.tile(odd, (NTH + 1, 1))])
    reference = Reference.of(with_odd, [*patients, *["odd"] * (NTH + 1)])
    assert reference.own_distances[-1] > np.quantile(reference.own_distances[:60], 0.95)


def test_what_is_unlike_everything_is_called_strange_and_what_is_alike_is_not(features, patients):
    reference = Reference.of(features, patients)
    strange = reference.out_of_distribution(np.random.default_rng(9).normal(size=WIDTH).astype(np.float32))
    usual = reference.out_of_distribution(features[20] + np.random.default_rng(3).normal(scale=0.05, size=WIDTH).astype(np.float32))
    assert strange.is_out_of_distribution and strange.percentile == 100 and "may mean nothing" in strange.sentence()
    assert not usual.is_out_of_distribution and "looks like others" in usual.sentence()


def test_what_lies_far_out_is_strange_in_whatever_direction(features, patients):
    """Far beyond a usual case the angle to it is small, and so many spreads away is nobody."""
    reference = Reference.of(features, patients)
    beyond = features.mean(axis=0) + 8 * (features[20] - features.mean(axis=0))
    assert reference.nearest(beyond, n=1)[0][1] < 0.3
    assert reference.out_of_distribution(beyond).is_out_of_distribution


def test_of_many_cases_some_spread_evenly_are_judged_against_all(features, patients, monkeypatch):
    whole = Reference.of(features, patients).own_distances
    monkeypatch.setattr(neighbours, "MOST_CASES", 30)
    monkeypatch.setattr(neighbours, "AT_ONCE", 7)
    some = Reference.of(features, patients).own_distances
    assert len(some) == 30 and set(np.round(some, 9)) < set(np.round(whole, 9))


def test_few_cases_say_nothing(features, patients):
    few = Reference.of(features[: FEWEST_CASES - 2], patients[: FEWEST_CASES - 2]).out_of_distribution(features[50])
    assert np.isnan(few.percentile) and not few.is_out_of_distribution and "too few" in few.sentence()
