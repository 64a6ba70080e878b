"""The detector of negatives on whole, cropped and turned radiographs."""

import numpy as np
import pytest

from benchmarks.polarity import MEASURED_HALF, VIEWS, adults, synthetic
from dpmed_core.imaging.polarity import features, is_negative, polarity_score

MOST_FALSE, LEAST_FOUND = 0.01, 0.99
LIKE_WHOLE = ("whole", "mirrored", "left two thirds", "right two thirds", "lower two thirds")


def shares(images, view):
    correct = [VIEWS[view](image) for image in images]
    return tuple(np.mean([is_negative(image) for image in shown]) for shown in (correct, [1 - one for one in correct]))


def test_the_negative_has_the_same_features_with_the_other_sign():
    image = np.random.default_rng(0).random((90, 70), dtype=np.float32)
    np.testing.assert_allclose(features(1 - image), -features(image), atol=1e-5)
    assert polarity_score(np.full((40, 40), 0.5, np.float32)) == 0 and not is_negative(np.zeros((40, 40), np.float32))


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_of_real_radiographs_whole_or_not_one_in_a_hundred_at_most_is_taken_for_a_negative(real_cohorts, monkeypatch, view):
    """The patients that the weights were not fitted on."""
    monkeypatch.setenv("DPMED_REAL_COHORTS", str(real_cohorts))
    false, found = shares(adults(MEASURED_HALF), view)
    assert false <= MOST_FALSE
    assert found >= (LEAST_FOUND if view in LIKE_WHOLE else 0.92)


@pytest.mark.slow
def test_so_is_it_of_the_demos(monkeypatch):
    images = synthetic(0)[:80]
    for view in VIEWS:
        false, found = shares(images, view)
        assert false <= MOST_FALSE and found >= (LEAST_FOUND if view in LIKE_WHOLE else 0.92), view
