"""The law of the loss to expect: its shape, and that it is the one that was fitted."""

import json

import numpy as np
import pytest

from dpmed_core.evaluation.planning.informative_units import TrainingDesign, informative_units
from dpmed_core.evaluation.planning.loss_law import LAW_FILE, auroc_of, loss_law, separation
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyTarget

TARGET = PrivacyTarget(1.0, 1e-5)


def test_the_law_is_of_the_recipe_that_is_trained():
    assert loss_law().recipe_version == PROBE.version, "fit it anew: python -m benchmarks.expected_loss"
    assert json.loads(LAW_FILE.read_text())["measured"]["designs"] >= 100


def test_separation_and_auroc_are_inverse():
    aurocs = np.array([0.51, 0.7, 0.9, 0.99])
    assert np.allclose(auroc_of(separation(aurocs)), aurocs)


def test_informative_units_grow_with_units_budget_and_balance_and_shrink_with_findings():
    def units(n=500, p=(0.3,), target=TARGET, images=1.0):
        return informative_units(TrainingDesign(n, images, p), 0, target)

    assert units(n=1000) == pytest.approx(2 * units())
    assert units(target=PrivacyTarget(8.0, 1e-5)) > units() > units(p=(0.05,))
    assert units(p=(0.3, 0.3, 0.3)) < units() < units(images=4.0)


def test_the_expected_loss_falls_and_its_interval_narrows_as_units_grow():
    found = [loss_law().expected(u, label_information=100.0) for u in (10, 30, 100, 300)]
    losses, widths = [e.loss for e in found], [e.high - e.low for e in found]
    assert losses == sorted(losses, reverse=True) and widths == sorted(widths, reverse=True)
    assert all(0 < e.loss < e.reference - 0.5 and e.low < e.loss < e.high for e in found)


def test_a_named_auroc_bounds_the_loss_and_beyond_the_proxies_the_nearest_counts():
    law = loss_law()
    hard, easy = (law.expected(15, label_information=100.0, reference=auroc) for auroc in (0.62, 0.9))
    assert (hard.reference, easy.reference) == (0.62, 0.9) and hard.loss < 0.12 < easy.loss
    assert law.expected(1e9, label_information=100.0) == law.expected(law.most_units, label_information=100.0)


def test_trainings_vary_more_where_more_is_lost():
    law = loss_law()
    little, much = (law.training_prior(u, law.expected(u, label_information=100.0), reference_varies=False) for u in (300.0, 15.0))
    assert much.variance > little.variance > 0 and much.group_variance < much.variance
    assert 0 < much.between_arms < little.between_arms <= 1 and 0 < much.between_trainings < little.between_trainings <= 1
