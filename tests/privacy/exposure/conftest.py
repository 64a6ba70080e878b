"""A small set of training images: features without meaning, so that whatever a model knows of a patient it was taught by that patient."""

import numpy as np
import pytest

from dpmed_core.privacy.exposure.training_images import TrainingImages

N_PATIENTS, MOST_IMAGES, N_FINDINGS, N_FEATURES = 40, 60, 2, 352


def make_images(seed: int = 0, *, exposed: bool = False) -> TrainingImages:
    """Forty patients of one to three images; where `exposed`, the first has 60 images of one kind with labels that nobody else has."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, N_PATIENTS)
    sizes[0] = MOST_IMAGES if exposed else sizes[0]
    patients = np.repeat(np.arange(N_PATIENTS), sizes)
    features = rng.standard_normal((len(patients), N_FEATURES)).astype(np.float32)
    labels = (rng.random((len(patients), N_FINDINGS)) < 0.2).astype(float)
    if exposed:
        features[patients == 0] = features[0] + 0.3 * features[patients == 0]
        labels[patients == 0] = 1.0
    return TrainingImages(features, labels, patients)


@pytest.fixture
def images() -> TrainingImages:
    return make_images()
