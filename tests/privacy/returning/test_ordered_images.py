"""Which images train and which are later."""

import numpy as np
import pytest

from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.privacy.returning.ordered_images import OrderedImages, halves_in_time

NAN = np.nan


def test_the_earlier_half_trains_and_the_middle_one_with_it():
    patients = np.array([0, 1, 0, 1, 0, 1, 2, 1])
    order = np.array([2, 7, 1, 3, 3, 5, 4, 1.0])
    trains, later = halves_in_time(patients, order)
    assert trains.tolist() == [True, False, True, True, False, False, True, True]
    assert (trains != later).all()


@pytest.mark.parametrize("seed", range(5))
def test_halves_are_those_of_a_loop_over_patients(seed):
    rng = np.random.default_rng(seed)
    patients, order = rng.integers(0, 30, 200), rng.permutation(200).astype(float)
    trains, later = halves_in_time(patients, order)
    for patient in range(30):
        own = np.flatnonzero(patients == patient)
        own = own[np.argsort(order[own])]
        half = (len(own) + 1) // 2
        assert trains[own[:half]].all() and later[own[half:]].all() and not trains[own[half:]].any()


def test_images_of_one_study_are_never_parted():
    trains, later = halves_in_time(np.zeros(4, dtype=int), np.array([1, 2, 2, 2.0]))
    assert trains.all() and not later.any()


def test_an_image_of_unknown_order_is_neither_unless_all_are_unknown():
    patients, order = np.array([0, 0, 0, 1, 1]), np.array([1, NAN, 2, NAN, NAN])
    trains, later = halves_in_time(patients, order)
    assert trains.tolist() == [True, False, False, True, True]
    assert later.tolist() == [False, False, True, False, False]


def test_every_patient_trains_and_keeps_its_number():
    patients = np.array([0, 0, 1, 2, 2])
    images = TrainingImages(np.arange(5.0)[:, None], np.zeros((5, 1)), patients)
    ordered = OrderedImages.of(images, np.array([2, 1, 5, 1, 2.0]))
    assert ordered.earlier.patients.tolist() == [0, 1, 2] and ordered.later.patients.tolist() == [0, 2]
    assert ordered.later.features[:, 0].tolist() == [0, 4] and ordered.n_returning == 2
