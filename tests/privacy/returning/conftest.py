"""Made-up patients with earlier and later images: features without meaning, so that only having seen a patient can shift an answer."""

import numpy as np
import pytest

from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.privacy.returning.ordered_images import OrderedImages

N_PATIENTS, N_FINDINGS, N_FEATURES = 40, 2, 352


def make_ordered(seed: int = 0) -> OrderedImages:
    """Forty patients of one to six images that resemble each other within a patient."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(N_PATIENTS), rng.integers(1, 7, N_PATIENTS))
    own = rng.standard_normal((N_PATIENTS, N_FEATURES))
    features = (own[patients] + 0.5 * rng.standard_normal((len(patients), N_FEATURES))).astype(np.float32)
    labels = (rng.random((len(patients), N_FINDINGS)) < 0.35).astype(float)
    return OrderedImages.of(TrainingImages(features, labels, patients), rng.permutation(len(patients)).astype(float))


@pytest.fixture
def ordered() -> OrderedImages:
    return make_ordered()
