"""Returning patients: what models without privacy do, what a guarantee holds, and that masks drawn anew find nothing."""

import numpy as np
import pytest

from dpmed_core.privacy.exposure.exposure_rows import Arm
from dpmed_core.privacy.returning.returning_rows import returning_rows
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit
from tests.privacy.returning.conftest import N_PATIENTS, make_ordered

PATIENT, IMAGE = PrivacyUnit.PATIENT, PrivacyUnit.IMAGE
TENTH = Arm(PATIENT, PrivacyTarget(0.1, 1e-5))
FEW = 0.1
"""Share of images that chance may call shifted: one patient's, in one measurement of twenty; noise is drawn anew in each run of a test."""


@pytest.fixture(scope="module")
def rows():
    return returning_rows(make_ordered(), [Arm(PATIENT, None), TENTH], n_trainings=200, rng=np.random.default_rng(1))


def test_without_privacy_most_later_images_answer_otherwise(rows):
    assert rows[0].shifted > 0.8 * rows[0].n_images and rows[0].largest_shift > 0.2


def test_a_small_epsilon_for_each_patient_leaves_no_shift_to_see(rows):
    assert rows[1].shifted <= FEW * rows[1].n_images
    assert rows[1].largest_shift < 0.5 * rows[0].largest_shift


def test_masks_that_ignore_training_find_nothing(rows):
    assert all(row.control_shifted <= FEW * row.n_images for row in rows)
    assert rows[0].control_largest_shift < 0.5 * rows[0].largest_shift


def test_rows_state_what_was_measured(rows, ordered):
    assert [(row.epsilon, row.delta, row.accountant, row.unit) for row in rows] == [
        (None, None, None, "patient"),
        (0.1, 1e-5, "analytic-gaussian", "patient"),
    ]
    for row in rows:
        assert (row.n_patients, row.n_returning, row.n_images) == (N_PATIENTS, ordered.n_returning, len(ordered.later.patients))
        assert row.n_trainings == 200 and row.to_fields()["shifted"] == row.shifted


def test_a_model_that_remembers_absence_misses_new_disease(rows):
    """Later images resemble those that trained, where the finding was absent."""
    assert rows[0].difference < -0.1 and rows[0].high < 0
    assert rows[0].difference == pytest.approx(rows[0].new_sensitivity_in - rows[0].new_sensitivity_out)
    assert abs(rows[0].control_difference) < 0.1 and rows[1].low < 0.05


def test_progress_counts_all_trainings(ordered):
    told = []
    returning_rows(ordered, [Arm(IMAGE, None)] * 2, n_trainings=3, rng=np.random.default_rng(0), progress=lambda *of: told.append(of))
    assert told == [(k, 6) for k in range(1, 7)]
