"""Some units of a head's data are exactly what `head_data` makes of them alone, units too large for pairs included."""

import numpy as np
import pytest

from dpmed_core.training.recipes import linear_head
from dpmed_core.training.recipes.head_subset import subset
from dpmed_core.training.recipes.linear_head import head_data


@pytest.mark.parametrize("most_in_pairs", [400, 3])
def test_a_subset_is_what_head_data_makes_of_its_units(monkeypatch, most_in_pairs):
    monkeypatch.setattr(linear_head, "MAX_IMAGES_IN_PAIRS", most_in_pairs)
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 7, 30)
    features = rng.standard_normal((sizes.sum(), 9)).astype(np.float32)
    labels = np.where(rng.random((sizes.sum(), 2)) < 0.2, np.nan, rng.integers(0, 2, (sizes.sum(), 2)))
    units = np.split(rng.permutation(sizes.sum()), np.cumsum(sizes)[:-1])
    chosen = rng.random(30) < 0.5
    ours = subset(head_data(features, labels, units), chosen)
    theirs = head_data(features, labels, [unit for unit, taken in zip(units, chosen, strict=True) if taken])
    for name in ("features", "labels", "weights", "unit_of_image", "first_images", "products"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    np.testing.assert_array_equal(ours.pairs, theirs.pairs)
    assert ours.large_units == theirs.large_units and ours.n_units == chosen.sum()
