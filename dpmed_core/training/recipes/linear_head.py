"""A linear head for all findings at once on fixed features, trained by full-batch steps, privately or not; many runs in one product.

A training makes two kinds of release, each a sum over units (patients, or images) of vectors of bounded norm, plus Gaussian noise:

1. Moments, once: v_u = (mean of the unit's images' features, b (2 mean known label - 1) / sqrt(K) for each of K findings), whose norm is
   at most sqrt(1 + b^2) because features have norm 1. From the noisy sum follow the cohort's mean image, shrunk towards none as its noise
   demands (James & Stein 1961), and each finding's prevalence. Both only move the origin: images are seen from the mean image, at norm 1,
   and logits start at the prevalence. A cohort that looks unlike the public images would otherwise spend its steps on what all of its
   images have in common.
2. Gradients, at each step: G_u = sum over its images i of x_i r_i^T, with x_i the image's centred features and a constant entry and r_i its
   residuals over findings, weighted so that the unit's known labels of a finding average, and that findings weigh more alike (`evened`,
   from the released prevalences); clipped once, over all findings, to C. Its norm needs no G_u: |G_u|^2 = sum over pairs i, j of the unit's
   images of (x_i . x_j)(r_i . r_j).

Noise: s C at each step, and s sqrt(1 + b^2) / sqrt(w) on the moments, which therefore cost as much as w steps: together they are one
Gaussian mechanism with mu = sqrt(steps + w) / s. Everything else (descent, averaging over steps) is post-processing, and a
image that is scored depends on the training through released numbers alone. A step may weigh residuals by what was released before it,
since clipping comes after: one unit moves its sum by at most C whatever the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.features import SMALLEST_NORM, Images, unit_norm

Array = NDArray[np.float64]

LABEL_SHARE = 0.5
"""b: how much of a unit's moments its labels are."""
USUAL_PREVALENCE, PREVALENCE_SPREAD = 0.3, 0.2
"""What is known of a finding's prevalence before the data: noisy prevalences are drawn towards it."""
PREVALENCE_RANGE = (0.02, 0.98)
PAIRS_AT_MOST = 400
"""Units with more images have their gradient written out instead of its pairs."""
IMAGES_AT_ONCE = 256
"""Images whose gradients are summed in single precision before the sum goes on in double: it is then off by less than 1e-6 of the bound a
image."""
WITHIN_BOUND = 1 - 1e-6
"""Gradients are scaled to this share of the bound, so that rounding to single precision cannot carry one past it."""
EVENNESS = 0.5
"""How far findings of unlike prevalence are evened: 1 would be fully, but prevalences are noisy."""
AVERAGED_FROM = 0.8
"""The head is the mean of its weights after the last fifth of the steps. While noise outweighs curvature every gradient tells as much, so
that weighing them alike, which the last weights do, hides least under noise; a longer mean gives the latest gradients less. A mean over a
few steps settles what still swings where noise is small and steps are large."""
NUMBERS_AT_ONCE = 6_000_000
"""Residuals (images x findings x runs) in one product, to bound memory."""


@dataclass(frozen=True)
class HeadSettings:
    """How heads are trained.

    Attributes:
        steps: full-batch steps.
        learning_rate: step size for the mean clipped gradient.
        max_grad_norm: the clipping bound; None for the non-private twin.
        moment_steps: w, how many steps' worth of privacy the moments cost.
        bias: the constant entry of every image's features.
    """

    steps: int
    learning_rate: float
    max_grad_norm: float | None
    moment_steps: float
    bias: float

    @property
    def charged_steps(self) -> float:
        """Steps of the noise multiplier that a training spends."""
        return self.steps + self.moment_steps


@dataclass(frozen=True, eq=False)
class HeadData:
    """Training images in the order of their units.

    Attributes:
        features: `[n_images, n_features]`, each of norm 1 (or 0), in single precision.
        labels: `[n_images, n_findings]`, 0 where unknown.
        weights: `[n_images, n_findings]`: 1 / known labels of that finding in the unit; 0 where unknown.
        unit_of_film: `[n_images]`.
        starts: the first image of each unit.
        pairs: images (i, j), i <= j, of one unit; of units with at most PAIRS_AT_MOST images.
        products: x_i . x_j of each pair.
        large: (unit, its images) of the other units.
    """

    features: Images
    labels: Array
    weights: Array
    unit_of_image: NDArray[np.intp]
    starts: NDArray[np.intp]
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
    products: Array
    large: tuple[tuple[int, slice], ...]

    @property
    def n_units(self) -> int:
        """Training units."""
        return len(self.starts)


@dataclass(frozen=True, eq=False)
class Head:
    """A trained head; nothing in it but released numbers.

    Attributes:
        weights: `[n_features, n_findings]`.
        offset: `[n_findings]`, added to the logits.
        centre: `[n_features]`, subtracted from an image's features before they are brought to norm 1.
    """

    weights: Array = field(repr=False)
    offset: Array = field(repr=False)
    centre: Array = field(repr=False)

    def probabilities(self, features: NDArray[np.floating]) -> Array:
        """Probabilities `[n_images, n_findings]` of images with `features`, each of norm 1."""
        centred = np.asarray(features, dtype=np.float64) - self.centre
        norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), SMALLEST_NORM)
        return sigmoid(centred @ self.weights / norms + self.offset)


def head_data(features: NDArray[np.floating], labels: NDArray[np.floating], units: Sequence[NDArray[np.intp]]) -> HeadData:
    """The images of `units` (rows of `features` and `labels`, NaN = unknown), ready for training; an image that is not finite counts as 0."""
    rows, sizes = np.concatenate(units), np.array([len(unit) for unit in units])
    unit_of_image = np.repeat(np.arange(len(units)), sizes)
    x, y = unit_norm(features[rows]), np.asarray(labels[rows], dtype=np.float64)
    known = ~np.isnan(y)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    n_known = np.add.reduceat(known.astype(np.float64), starts, axis=0)
    paired = [(start, size) for start, size in zip(starts, sizes, strict=True) if size <= PAIRS_AT_MOST]
    first, second = _pairs(paired)
    return HeadData(
        features=x,
        labels=np.nan_to_num(y),
        weights=known / np.maximum(n_known[unit_of_image], 1),
        unit_of_image=unit_of_image,
        starts=starts,
        pairs=(first, second),
        products=_dots(x, first, second),
        large=tuple((int(u), slice(starts[u], starts[u] + sizes[u])) for u in np.flatnonzero(sizes > PAIRS_AT_MOST)),
    )


def train_heads(data: HeadData, settings: HeadSettings, noise_multipliers: Sequence[float], random: SecureRandom) -> list[Head]:
    """One head for each of `noise_multipliers` (0 without privacy), each with noise of its own."""
    at_once = max(1, NUMBERS_AT_ONCE // data.labels.size)
    heads: list[Head] = []
    for start in range(0, len(noise_multipliers), at_once):
        heads += _train(data, settings, np.array(noise_multipliers[start : start + at_once], dtype=np.float64), random)
    return heads


def _train(data: HeadData, settings: HeadSettings, noise: Array, random: SecureRandom) -> list[Head]:
    """`train_heads` for runs that fit one product; arrays are `[..., n_findings, n_runs]`."""
    n_features, n_findings, n_runs = data.features.shape[1], data.labels.shape[1], len(noise)
    centres, prevalences = moments(data, noise / np.sqrt(max(settings.moment_steps, 1)), random)
    view = CentredView.of(data, centres, settings.bias)
    start, even = np.log(prevalences / (1 - prevalences)), evened(prevalences)
    weights, average = np.zeros((2, n_features + 1, n_findings, n_runs))
    averaged_from = int(AVERAGED_FROM * settings.steps)
    labels, shares = data.labels[:, :, None], data.weights[:, :, None]
    for step in range(settings.steps):
        residuals = (sigmoid(view.logits(weights) + start) - labels) * shares
        residuals *= even
        total = view.clipped_sum(residuals, settings.max_grad_norm)
        if settings.max_grad_norm is not None:
            total += noise * settings.max_grad_norm * random.normal(total.shape)
        weights -= settings.learning_rate / data.n_units * total
        if step >= averaged_from:
            average += weights / (settings.steps - averaged_from)
    offsets = start + settings.bias * average[-1]
    return [Head(average[:-1, :, run].copy(), offsets[:, run].copy(), centres[:, run].copy()) for run in range(n_runs)]


def moments(data: HeadData, noise_multipliers: Array, random: SecureRandom) -> tuple[Array, Array]:
    """The mean image `[n_features, n_runs]` and the prevalences `[n_findings, n_runs]`, from one noisy sum for each run.

    Args:
        data: the images.
        noise_multipliers: `[n_runs]`, noise over the sum's sensitivity; 0 for the exact moments.
        random: where noise comes from.
    """
    by_unit = unit_moments(data)
    n_features, n_findings = data.features.shape[1], data.labels.shape[1]
    spread = np.hypot(1, LABEL_SHARE) * noise_multipliers / data.n_units
    noisy = by_unit.sum(0)[:, None] / data.n_units + spread * random.normal((by_unit.shape[1], len(noise_multipliers)))
    mean, tilt = noisy[:n_features], noisy[n_features:]
    kept = np.maximum(0, 1 - n_features * spread**2 / np.maximum(np.square(mean).sum(0), 1e-30))
    to_prevalence = np.sqrt(n_findings) / LABEL_SHARE / 2
    precision, usual = 1 / np.maximum(spread * to_prevalence, 1e-9) ** 2, 1 / PREVALENCE_SPREAD**2
    prevalence = (precision * (0.5 + to_prevalence * tilt) + usual * USUAL_PREVALENCE) / (precision + usual)
    return kept * mean, np.clip(prevalence, *PREVALENCE_RANGE)


def evened(prevalences: Array) -> Array:
    """What residuals `[..., n_findings, n_runs]` are multiplied by so that findings' labels spread more alike, `[n_findings, n_runs]`.

    (p (1 - p)) ** (-EVENNESS / 2), brought to mean square 1 over findings: a lone finding keeps its residuals; beside common findings a
    rare one would otherwise have the smaller gradient and the same noise.
    """
    squares = (prevalences * (1 - prevalences)) ** -EVENNESS
    return np.asarray(np.sqrt(squares / squares.mean(axis=0)))


def unit_moments(data: HeadData) -> Array:
    """v_u of each unit, `[n_units, n_features + n_findings]`, of norm at most sqrt(1 + LABEL_SHARE^2)."""
    sizes = np.diff(np.append(data.starts, len(data.features)))
    images = np.add.reduceat(data.features, data.starts, axis=0, dtype=np.float64) / sizes[:, None]
    tilts = np.add.reduceat((2 * data.labels - 1) * data.weights, data.starts, axis=0)
    return np.concatenate([images, LABEL_SHARE * tilts / np.sqrt(data.labels.shape[1])], axis=1)


@dataclass(frozen=True, eq=False)
class CentredView:
    """Training images as each run sees them: from its own centre, at norm 1, with a constant entry; never written out.

    Attributes:
        data: the images.
        centres: `[n_features, n_runs]`.
        scales: 1 / |x_i - centre|, `[n_images, n_runs]`.
        products: of each pair, centred, with the constant entry, doubled where i < j, `[n_pairs, n_runs]`.
        bias: the constant entry.
    """

    data: HeadData
    centres: Array
    scales: Array
    products: Array
    bias: float

    @classmethod
    def of(cls, data: HeadData, centres: Array, bias: float) -> "CentredView":
        """The view of `data` from `centres`."""
        towards, square = data.features @ centres, np.square(centres).sum(0)
        own = np.square(data.features).sum(1, dtype=np.float64)[:, None]
        scales = 1 / np.sqrt(np.maximum(own - 2 * towards + square, SMALLEST_NORM**2))
        first, second = data.pairs
        centred = data.products[:, None] - towards[first] - towards[second] + square
        doubled = np.where(first == second, 1.0, 2.0)[:, None]
        return cls(data, centres, scales, doubled * (centred * scales[first] * scales[second] + bias**2), bias)

    def logits(self, weights: Array) -> Array:
        """`[n_images, n_findings, n_runs]` for weights `[n_features + 1, n_findings, n_runs]`."""
        n_images, (_, n_findings, n_runs) = len(self.data.features), weights.shape
        seen = weights[:-1].reshape(-1, n_findings * n_runs).astype(np.float32)
        along = (self.data.features @ seen).astype(np.float64).reshape(n_images, n_findings, n_runs)
        along -= np.einsum("dr,dkr->kr", self.centres, weights[:-1])
        along *= self.scales[:, None, :]
        along += self.bias * weights[-1]
        return along

    def clipped_sum(self, residuals: Array, max_grad_norm: float | None) -> Array:
        """The sum over units of gradients clipped to `max_grad_norm` (None: not at all), `[n_features + 1, n_findings, n_runs]`."""
        if max_grad_norm is not None:
            residuals = residuals * self._factors(residuals, WITHIN_BOUND * max_grad_norm)[self.data.unit_of_image][:, None, :]
        scaled = residuals * self.scales[:, None, :]
        total = _sum_of_products(self.data.features, scaled.reshape(len(scaled), -1)).reshape(-1, *residuals.shape[1:])
        total -= self.centres[:, None, :] * scaled.sum(0)
        return np.concatenate([total, self.bias * residuals.sum(0)[None]])

    def _factors(self, residuals: Array, max_grad_norm: float) -> Array:
        """What each unit's residuals are multiplied by, `[n_units, n_runs]`; 0 where its gradient is not finite."""
        first, second = self.data.pairs
        by_pair = self.products * np.einsum("pkr,pkr->pr", residuals[first], residuals[second])
        units = self.data.unit_of_image[first]
        squares = np.zeros((self.data.n_units, residuals.shape[2]))
        if len(first):
            begins = np.flatnonzero(np.diff(units, prepend=-1))
            squares[units[begins]] = np.add.reduceat(by_pair, begins, axis=0)
        for unit, images in self.data.large:
            squares[unit] = self._written_out(images, residuals[images])
        norms = np.sqrt(np.clip(squares, 0, None))
        return np.where(np.isfinite(norms), np.minimum(1.0, max_grad_norm / np.maximum(norms, 1e-12)), 0.0)

    def _written_out(self, images: slice, residuals: Array) -> Array:
        """|G_u|^2 `[n_runs]` of one unit, from its gradient."""
        scaled = residuals * self.scales[images][:, None, :]
        gradient = np.einsum("id,ikr->dkr", self.data.features[images], scaled, optimize=True)
        gradient -= self.centres[:, None, :] * scaled.sum(0)
        return np.asarray(np.square(gradient).sum((0, 1)) + self.bias**2 * np.square(residuals.sum(0)).sum(0))


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-logits)), in place of nothing and without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def _sum_of_products(features: Images, residuals: Array) -> Array:
    """features^T residuals, `[n_features, n_columns]`: single precision within `FILMS_AT_ONCE` images, double over them."""
    total = np.zeros((features.shape[1], residuals.shape[1]))
    single = residuals.astype(np.float32)
    for start in range(0, len(features), IMAGES_AT_ONCE):
        total += features[start : start + IMAGES_AT_ONCE].T @ single[start : start + IMAGES_AT_ONCE]
    return total


def _dots(features: Images, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    """x_i . x_j in double precision, some at a time."""
    dots = np.empty(len(first))
    for start in range(0, len(first), 4096):
        some = slice(start, start + 4096)
        dots[some] = np.einsum("pd,pd->p", features[first[some]].astype(np.float64), features[second[some]].astype(np.float64))
    return dots


def _pairs(units: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All (i, j), i <= j, within each of `units` (first image, number of images)."""
    triangles = [(start + i, start + j) for start, size in units for i, j in [np.triu_indices(size)]]
    if not triangles:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    return np.concatenate([t[0] for t in triangles]), np.concatenate([t[1] for t in triangles])
