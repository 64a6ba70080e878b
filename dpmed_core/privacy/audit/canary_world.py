"""Training data for an audit of the head: others, and one worst-case patient (the canary) who is in, or whose record is empty.

No patient is in it. Whatever the data, the mechanism claims the same bound; the canary is chosen so that nothing hides it: its images lie
in a direction of their own, and its labels, positive for all findings, of which the others have few, pull against the model at every step.
Further directions are empty in everybody, so that what a head holds there is noise and nothing else.

With a public start, its own feature says nothing of the others, and is sure, and wrong, about the canary.

Source: Nasr, Song, Thakurta, Papernot & Carlini 2021, "Adversary instantiation", arXiv 2101.04535 (a worst-case record as canary).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.recipes.linear_head import HeadData, head_data
from dpmed_core.training.starts.public_head import PublicHead

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
START_SPREAD, START_LOGIT = 1e4, 1e6
"""Of the public start: sure of itself, and so wide that what is learnt hardly changes the share that is kept, and with it the pace."""


@dataclass(frozen=True, eq=False)
class CanaryWorld:
    """The two data sets that an attacker is to distinguish: zero-out neighbours.

    Attributes:
        with_canary: all units.
        without: the same number of units; the canary's record is empty.
        start_weights: of the public start, `[n_findings]`; None without one.
    """

    with_canary: HeadData = field(repr=False)
    without: HeadData = field(repr=False)
    start_weights: NDArray[np.float64] | None = field(default=None, repr=False)


def canary_world(*, n_findings: int, canary_images: int, with_start: bool = False, seed: int = 0) -> CanaryWorld:
    """The data of an audit.

    Args:
        n_findings: findings of the audited training.
        canary_images: images of the canary; 1 where the unit is the image.
        with_start: whether the heads begin at a public start.
        seed: of the others.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 1 + min(MOST_IMAGES, canary_images), N_UNITS - 1)
    features = np.zeros((sizes.sum(), OTHERS_WIDTH + NOISE_WIDTH + 1))
    features[:, :OTHERS_WIDTH] = rng.standard_normal((len(features), OTHERS_WIDTH))
    labels = (rng.random((len(features), n_findings)) < PREVALENCE).astype(float)
    labels[rng.random(labels.shape) < UNKNOWN_SHARE] = np.nan
    units = np.split(np.arange(len(features)), np.cumsum(sizes)[:-1])

    start = wrong_start(n_findings) if with_start else None

    def joined(own_features: np.ndarray, own_labels: np.ndarray) -> HeadData:
        canary = len(features) + np.arange(len(own_features))
        joint = np.concatenate([features, own_features])
        own = None if start is None else start.own_features(start_features(joint))
        return head_data(joint, np.concatenate([labels, own_labels]), [*units, canary], own=own)

    canary = np.zeros((canary_images, features.shape[1]))
    canary[:, -1] = 1
    empty = np.zeros((1, features.shape[1]))
    inside, outside = joined(canary, np.ones((canary_images, n_findings))), joined(empty, np.full((1, n_findings), np.nan))
    return CanaryWorld(inside, outside, None if start is None else start.start_weights)


def wrong_start(n_findings: int) -> PublicHead:
    """A start that gives the canary, who has all findings, none of them, and everybody else its mean."""
    n_features = sum(COMPONENTS.values())
    weights, nothing = np.zeros((n_features, n_findings)), np.zeros(n_findings)
    weights[0] = -START_LOGIT
    return PublicHead(weights, np.zeros(n_features), nothing, nothing, np.full(n_findings, START_SPREAD))


def start_features(features: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the start reads of each image: its first feature is the canary's direction, and the second stands for all else."""
    read = np.zeros((len(features), sum(COMPONENTS.values())), dtype=np.float32)
    read[:, 0] = features[:, -1]
    read[:, 1] = np.linalg.norm(features[:, :-1], axis=1)
    return read
