"""Broken versions of the private head, each as a context in which the product's own code is wrong in one place."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from dpmed_core.privacy.audit import head_audit
from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.recipes import linear_head
from dpmed_core.training.recipes.head import Head
from dpmed_core.training.recipes.linear_head import CentredFeatures, HeadData
from dpmed_core.training.recipes.probe_settings import HeadSettings
from dpmed_core.training.starts.public_head import PublicHead

Array = NDArray[np.float64]


class SmallerNoise(SecureRandom):
    """Noise of a fraction of its size."""

    fraction = 0.5

    def normal(self, shape: tuple[int, ...]) -> Array:
        return self.fraction * super().normal(shape)


class LittleSmallerNoise(SmallerNoise):
    """Noise divided by 1.25."""

    fraction = 1 / 1.25


class OneDraw(SecureRandom):
    """The same noise whenever numbers of the same shape are asked for: at every step of a training, and in every product of trainings."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: dict[tuple[int, ...], Array] = {}

    def normal(self, shape: tuple[int, ...]) -> Array:
        return self.drawn.setdefault(shape, super().normal(shape))


class SharedDraw(SecureRandom):
    """One noise for all trainings of a product."""

    def normal(self, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(super().normal((*shape[:-1], 1)), shape).copy()


def no_clipping() -> AbstractContextManager[object]:
    """No unit is clipped."""
    return patch.object(linear_head, "clip_factors", lambda norms, bound: np.ones_like(norms))


def half_noise() -> AbstractContextManager[object]:
    """Half of the noise."""
    return patch.object(head_audit, "SecureRandom", SmallerNoise)


def little_less_noise() -> AbstractContextManager[object]:
    """The noise divided by 1.25."""
    return patch.object(head_audit, "SecureRandom", LittleSmallerNoise)


def noise_of_one_draw() -> AbstractContextManager[object]:
    """The noise of the first step is used at every step."""
    return patch.object(head_audit, "SecureRandom", OneDraw)


def noise_shared() -> AbstractContextManager[object]:
    """Trainings of one product share their noise."""
    return patch.object(head_audit, "SecureRandom", SharedDraw)


@contextmanager
def image_clipping() -> Iterator[None]:
    """Each image is clipped by itself, and a unit adds up its images."""

    def clipped_sum(centred: CentredFeatures, residuals: Array, max_grad_norm: float) -> Array:
        n_images = centred.data.sizes[centred.data.unit_of_image]
        own = residuals * n_images[:, None, None]  # what the image's loss is without its unit
        lengths = np.sqrt(np.square(own).sum(axis=1)) * np.sqrt(1 + centred.bias**2)
        return original(centred, own * np.minimum(1, max_grad_norm / np.maximum(lengths, 1e-12))[:, None, :], None)

    original = CentredFeatures.clipped_sum
    with patch.object(CentredFeatures, "clipped_sum", clipped_sum):
        yield


@contextmanager
def exact_means() -> Iterator[None]:
    """Means and prevalences are released without noise."""
    original = linear_head.release_means
    with patch.object(linear_head, "release_means", lambda data, noise, random: original(data, 0 * noise, random)):
        yield


@contextmanager
def moving_divisor() -> Iterator[None]:
    """Sums are divided by the number of units that have a label."""
    original = linear_head._train

    def train(data: HeadData, settings: HeadSettings, noise: Array, random: SecureRandom, start_weights: Array | None) -> list[Head]:
        known = np.add.reduceat(data.weights.sum(axis=1), data.first_images) > 0
        moved = replace(settings, learning_rate=settings.learning_rate * data.n_units / known.sum())
        return original(data, moved, noise, random, start_weights)

    with patch.object(linear_head, "_train", train):
        yield


@contextmanager
def private_start() -> Iterator[None]:
    """The public start's logits are centred on the private images."""
    original = PublicHead._logits
    with patch.object(PublicHead, "_logits", lambda self, features: (logits := original(self, features)) - logits.mean(axis=0)):
        yield


MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no clipping": no_clipping,
    "half noise": half_noise,
    "noise / 1.25": little_less_noise,
    "images clipped one by one": image_clipping,
    "means without noise": exact_means,
    "noise reused at every step": noise_of_one_draw,
    "noise shared by trainings": noise_shared,
    "divisor follows the sample": moving_divisor,
}
"""Each broken head by name. (A unit that is always sampled is no error of the head, whose batches are full.)"""
