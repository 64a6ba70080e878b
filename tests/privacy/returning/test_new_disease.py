"""The sensitivity for new disease: what counts as new, whose operating point, and the interval."""

import numpy as np
import pytest

from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.privacy.returning.new_disease import Detections, NewDisease, new_disease
from dpmed_core.privacy.returning.ordered_images import OrderedImages


def images_of(earlier, later):
    """The (patient, labels ...) of each earlier and later image."""
    parts = [np.array(part, dtype=float) for part in (earlier, later)]
    return OrderedImages(*(TrainingImages(np.zeros((len(p), 1), np.float32), p[:, 1:], p[:, 0].astype(int)) for p in parts))


def test_new_is_present_now_and_absent_in_all_that_trained():
    nan = np.nan
    images = images_of(
        [(0, 0, 1), (0, 0, 0), (1, nan, 0), (2, 0, 0)],
        [(0, 1, 1), (1, 1, 1), (2, nan, 0)],
    )
    assert new_disease(images).tolist() == [[True, False], [False, True], [False, False]]


def simulated(n_patients=200, *, effect, seed, n_trainings=60):
    """Scores that rise with disease, and by `effect` on the new disease of patients who were in; the truth is known."""
    rng = np.random.default_rng(seed)
    sick = rng.random(n_patients) < 0.3
    patient = np.arange(n_patients)
    images = images_of(np.column_stack([patient, rng.random(n_patients) < 0.1]), np.column_stack([patient, sick]))
    detections = Detections(images, rng.permutation(n_patients) % 2)
    own = rng.standard_normal((2, n_patients))
    for _ in range(n_trainings):
        inside = rng.random(n_patients) < 0.5
        noise = rng.standard_normal((2, n_patients)) / 2
        earlier, later = (own + noise + 1.5 * np.stack([images.earlier.labels[:, 0], images.later.labels[:, 0]]))[:, :, None]
        later = later + effect * (inside & sick)[:, None]
        detections.add(earlier, later, inside)
    return detections.sensitivity()


def test_intervals_hold_no_difference_where_there_is_none():
    """95 % of them, in 100 simulated cohorts; neither side is favoured by its own patients' part in the operating point."""
    found = [simulated(effect=0.0, seed=seed) for seed in range(100)]
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.88
    differences = [one.difference for one in found]
    assert abs(np.mean(differences)) < 3 * np.std(differences) / 10


def test_a_memory_of_absence_is_found():
    found = [simulated(effect=-0.5, seed=seed) for seed in range(10)]
    assert all(one.high < 0 for one in found)
    assert all(one.difference == pytest.approx(one.with_patient - one.without_patient) for one in found)


def test_too_few_patients_with_new_disease_are_not_estimable():
    assert simulated(n_patients=25, effect=0.0, seed=1) == NewDisease()


def test_the_interval_is_students_over_patients_of_one_image_each():
    images = images_of([(p, 0) for p in range(40)], [(p, p < 15) for p in range(40)])
    detections = Detections(images, np.arange(40) % 2)
    detections.counts[:] = 10.0
    rng = np.random.default_rng(0)
    detections.hits[:] = rng.integers(0, 11, (2, 15))
    d = (detections.hits[1] - detections.hits[0]) / 10
    found = detections.sensitivity()
    assert (found.n_images, found.n_patients) == (15, 15)
    assert found.difference == pytest.approx(d.mean())
    reach = found.high - found.difference
    assert reach / (d.std(ddof=1) / np.sqrt(15)) == pytest.approx(2.1448, abs=0.2)  # t with 14 degrees of freedom
    assert found.low == pytest.approx(2 * found.difference - found.high)
