"""Shadow trainings of recipe `probe`: the same training many times, each time with a random half of its patients.

Each patient is in each training with probability one half, whatever the others are. In a private training the record of a patient who is
out is empty, and the number of units is the same in all trainings: what an attacker is to distinguish are zero-out neighbours, and the
bound of the guarantee holds for the attack as it is made. Without privacy there is no bound to hold, and the patients who are out are left
out, as whoever trains a model on fewer patients would.

Nothing is kept of a shadow model but what a measurement needs of its scores: exposure takes one number for each patient, how likely the
patient's labels are under it (`patient_likelihoods`); returning patients take sums over trainings (`privacy.returning`).

Source: Shokri, Stronati, Song & Shmatikov 2017, arXiv 1610.05820 (shadow models); Carlini et al. 2022, arXiv 2112.03570.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.exposure.training_images import TrainingImages
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import leading_components
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.recipes.head_subset import subset
from dpmed_core.training.recipes.linear_head import HeadData, head_data, train_heads
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

Floats = NDArray[np.float64]
Halves = NDArray[np.bool_]
SMALLEST_PROBABILITY = 1e-9
"""Probabilities are cut off here and at 1 minus it: a label that a model holds for impossible is as unlikely as that."""


def draw_halves(n_trainings: int, n_patients: int, rng: np.random.Generator) -> Halves:
    """Who is in which training, `[n_trainings, n_patients]`, each with probability one half, independently of everybody else.

    Exact halves would tell more than a patient's presence: another patient would be in each time that this one is out.
    """
    return rng.random((n_trainings, n_patients)) < 0.5


def shadow_likelihoods(
    images: TrainingImages,
    halves: Halves,
    *,
    unit: PrivacyUnit,
    target: PrivacyTarget | None,
    step: Callable[[], None] = lambda: None,
) -> Floats:
    """How likely each patient's labels are under each shadow model, `[n_trainings, n_patients]`.

    Args:
        images: of all training patients.
        halves: who is in which training.
        unit: what the trainings sample, clip and protect as one.
        target: the privacy target; None for the non-private reference.
        step: called after each training.
    """
    scores = shadow_scores(images, halves, images.features, unit=unit, target=target, step=step)
    return np.array([patient_likelihoods(probabilities, images) for probabilities in scores])


def shadow_scores(
    images: TrainingImages,
    halves: Halves,
    scored: NDArray[np.float32],
    *,
    unit: PrivacyUnit,
    target: PrivacyTarget | None,
    step: Callable[[], None] = lambda: None,
) -> Iterator[Floats]:
    """The probabilities that each shadow model gives to images, `[n_scored, n_findings]`, one training after another.

    Args:
        images: of all training patients, to train on.
        halves: who is in which training.
        scored: features of the images to be scored, `[n_scored, n_features]`, as those of `images`.
        unit: what the trainings sample, clip and protect as one.
        target: the privacy target; None for the non-private reference.
        step: called after each training.
    """
    rows = [np.flatnonzero(images.patients == patient) for patient in range(images.n_patients)]
    units = [of_unit for own in rows for of_unit in ([own] if unit is PrivacyUnit.PATIENT else own[:, None])]
    patient_of_unit = np.array([images.patients[of_unit[0]] for of_unit in units])
    inside = halves[:, patient_of_unit]
    counts = inside.sum(axis=1)
    # The largest count of units among all trainings, whoever is in: the same for all of them, and so no sign of anybody.
    n_units, n_empty = int(counts.max()), 0 if target is None else int(counts.max() - counts.min())
    plan = plan_probe(RunSpec("", None, PROBE.name, PROBE.version, unit, target, seed=0), n_units=n_units, n_findings=images.n_findings)
    components = dict(plan.components)
    data, seen = _with_empty_units(images, units, n_empty, components), leading_components(scored, components)
    start, own = images.start, None if images.start is None else images.start.own_features(scored)
    start_weights, random = None if start is None else start.start_weights, SecureRandom()
    for taken in inside:
        chosen = np.concatenate([taken, np.arange(n_empty) < n_units - taken.sum()])
        head = train_heads(subset(data, chosen), plan.settings, [plan.noise_multiplier], random, start_weights=start_weights)[0]
        yield head.probabilities(seen, own)
        step()


def _with_empty_units(images: TrainingImages, units: list[NDArray[np.intp]], n_empty: int, components: dict[str, int]) -> HeadData:
    """The units and `n_empty` empty ones, ready for training.

    An empty record is one image of no features whose labels are all unknown: it adds nothing to any sum, at a start either.
    """
    features = leading_components(images.features, components)
    with_empty = np.concatenate([features, np.zeros((1, features.shape[1]), np.float32)])
    labels = np.concatenate([images.labels, np.full((1, images.n_findings), np.nan)])
    own = None
    if images.start is not None:
        own = np.concatenate([images.start.own_features(images.features), np.zeros((1, images.n_findings))])
    return head_data(with_empty, labels, [*units, *[np.array([len(images.labels)])] * n_empty], own=own)


def patient_likelihoods(probabilities: Floats, images: TrainingImages) -> Floats:
    """The logarithm of the joint likelihood of each patient's known labels, over all images and findings, `[n_patients]`.

    Two images with labels 1 and 0 that a model gives .5 and .75 have a likelihood of .5 times .25; an unknown label has no part in it:

    >>> images = TrainingImages(np.zeros((2, 1)), np.array([[1.0, np.nan], [0.0, np.nan]]), np.array([0, 0]))
    >>> bool(np.isclose(np.exp(patient_likelihoods(np.array([[0.5, 0.1], [0.75, 0.1]]), images)[0]), 0.125))
    True

    The images are judged together: the largest of several attacks on single images would be above chance even if nobody had been trained
    on. No weight is fitted to who was in, so that the attack is unbiased without a second half of the trainings. (A ridge discriminant over
    images and findings that is fitted on one half and judged on the other finds less, see docs/protection.md.)
    """
    likely = np.clip(probabilities, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    known, label = ~np.isnan(images.labels), np.nan_to_num(images.labels)
    of_images = np.where(known, label * np.log(likely) + (1 - label) * np.log1p(-likely), 0.0).sum(axis=1)
    return np.asarray(np.bincount(images.patients, weights=of_images, minlength=images.n_patients), dtype=np.float64)
