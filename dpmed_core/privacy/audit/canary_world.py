"""Training data for an audit of the head: others, and one worst-case patient (the canary) who is in, or whose record is empty.

No patient is in it. Whatever the data, the mechanism claims the same bound; the canary is chosen so that nothing hides it: its images lie
in a direction of their own, and its labels, positive for all findings, of which the others have few, pull against the model at every step.
Further directions are empty in everybody, so that what a head holds there is noise and nothing else.

Source: Nasr, Song, Thakurta, Papernot & Carlini 2021, "Adversary instantiation", arXiv 2101.04535 (a worst-case record as canary).
"""

from dataclasses import dataclass, field

import numpy as np

from dpmed_core.training.recipes.linear_head import HeadData, head_data

N_UNITS = 40
"""Units, the canary included: few, so that an error that shrinks with their number shows."""
OTHERS_WIDTH, NOISE_WIDTH = 16, 32
"""Directions of the others' features, and directions that are empty in everybody."""
PREVALENCE, UNKNOWN_SHARE, MOST_IMAGES = 0.2, 0.1, 3
"""Of the others: share of positive labels, share of unknown ones, and most images of a unit."""
CANARY_IMAGES = 6
"""Images of the canary where the unit is the patient."""
NOISE_ONLY = slice(OTHERS_WIDTH, OTHERS_WIDTH + NOISE_WIDTH)
"""The columns that are empty in everybody; the canary's is the last."""


@dataclass(frozen=True, eq=False)
class CanaryWorld:
    """The two data sets that an attacker is to distinguish: zero-out neighbours.

    Attributes:
        with_canary: all units.
        without: the same number of units; the canary's record is empty.
    """

    with_canary: HeadData = field(repr=False)
    without: HeadData = field(repr=False)


def canary_world(*, n_findings: int, canary_images: int, seed: int = 0) -> CanaryWorld:
    """The data of an audit.

    Args:
        n_findings: findings of the audited training.
        canary_images: images of the canary; 1 where the unit is the image.
        seed: of the others.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 1 + min(MOST_IMAGES, canary_images), N_UNITS - 1)
    features = np.zeros((sizes.sum(), OTHERS_WIDTH + NOISE_WIDTH + 1))
    features[:, :OTHERS_WIDTH] = rng.standard_normal((len(features), OTHERS_WIDTH))
    labels = (rng.random((len(features), n_findings)) < PREVALENCE).astype(float)
    labels[rng.random(labels.shape) < UNKNOWN_SHARE] = np.nan
    units = np.split(np.arange(len(features)), np.cumsum(sizes)[:-1])

    def joined(own_features: np.ndarray, own_labels: np.ndarray) -> HeadData:
        canary = len(features) + np.arange(len(own_features))
        return head_data(np.concatenate([features, own_features]), np.concatenate([labels, own_labels]), [*units, canary])

    canary = np.zeros((canary_images, features.shape[1]))
    canary[:, -1] = 1
    empty = np.zeros((1, features.shape[1]))
    return CanaryWorld(joined(canary, np.ones((canary_images, n_findings))), joined(empty, np.full((1, n_findings), np.nan)))
