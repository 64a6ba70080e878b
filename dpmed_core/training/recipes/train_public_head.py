"""Training the head of a public start: as recipe `probe` without privacy, on every labelled image of a public cohort."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.schema import Cohort
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import head_data, train_heads
from dpmed_core.training.recipes.probe_settings import reference_settings
from dpmed_core.training.recipes.public_images import OnPublicImages, PublicImages
from dpmed_core.training.starts.public_head import PublicHead


def train_public_head(cohort: Cohort, features: NDArray[np.float32]) -> tuple[PublicHead, Mapping[str, OnPublicImages]]:
    """(the head, how it does on public images by cross-validation over patients, by finding).

    A finding that no public image has, or that every one has, is left out.

    Args:
        cohort: public images with labels.
        features: public features of its images, `[n_cases, sum of COMPONENTS]`.

    Raises:
        SpecError: it has too few patients, or no finding that some images have and others have not.
    """
    images = PublicImages.of(cohort)
    read, everything = leading_components(features, COMPONENTS), np.ones(len(features), dtype=bool)
    head = _trained(read, images, everything)
    logits, outside = head.logits(read), np.empty(images.labels.shape)
    for fold in images.folds():
        outside[fold] = _trained(read, images, ~fold).logits(read[fold])
    middle = logits.mean(0)
    public = PublicHead(head.weights, head.centre, middle - head.offset, middle, outside.std(0))
    return public, images.judged(outside, everything)


def _trained(read: NDArray[np.float32], images: PublicImages, rows: NDArray[np.bool_]) -> Head:
    """The head trained on the images `rows`."""
    units = images.rows_by_unit(rows)
    return train_heads(head_data(read, images.labels, units), reference_settings(len(units)), [0.0], SecureRandom())[0]
