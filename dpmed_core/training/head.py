"""A linear head for all findings at once on fixed features, trained by full-batch steps, privately or not; many runs in one product.

A training makes two kinds of release, each a sum over units (patients, or films) of vectors of bounded norm, plus Gaussian noise:

1. Moments, once: v_u = (mean of the unit's films' features, b (2 mean known label - 1) / sqrt(K) for each of K findings), whose norm is
   at most sqrt(1 + b^2) because features have norm 1. From the noisy sum follow the cohort's mean film, shrunk towards none as its noise
   demands (James & Stein 1961), and each finding's prevalence. Both only move the origin: films are seen from the mean film, at norm 1,
   and logits start at the prevalence. A cohort that looks unlike the public films would otherwise spend its steps on what all of its
   films have in common.
2. Gradients, at each step: G_u = sum over its films i of x_i r_i^T, with x_i the film's centred features and a constant entry and r_i its
   residuals over findings, weighted so that the unit's known labels of a finding average, and that findings weigh more alike (`evened`,
   from the released prevalences); clipped once, over all findings, to C. Its norm needs no G_u: |G_u|^2 = sum over pairs i, j of the unit's
   films of (x_i . x_j)(r_i . r_j).

Noise: s C at each step, and s sqrt(1 + b^2) / sqrt(w) on the moments, which therefore cost as much as w steps: together they are one
Gaussian mechanism with mu = sqrt(steps + w) / s. Everything else (descent, averaging over steps) is post-processing, and a
film that is scored depends on the training through released numbers alone. A step may weigh residuals by what was released before it,
since clipping comes after: one unit moves its sum by at most C whatever the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.entropy import SecureRandom

Array = NDArray[np.float64]
Films = NDArray[np.float32]

LABEL_SHARE = 0.5
"""b: how much of a unit's moments its labels are."""
USUAL_PREVALENCE, PREVALENCE_SPREAD = 0.3, 0.2
"""What is known of a finding's prevalence before the data: noisy prevalences are drawn towards it."""
PREVALENCE_RANGE = (0.02, 0.98)
PAIRS_AT_MOST = 400
"""Units with more films have their gradient written out instead of its pairs."""
FILMS_AT_ONCE = 256
"""Films whose gradients are summed in single precision before the sum goes on in double: it is then off by less than 1e-6 of the bound a
film."""
WITHIN_BOUND = 1 - 1e-6
"""Gradients are scaled to this share of the bound, so that rounding to single precision cannot carry one past it."""
EVENNESS = 0.5
"""How far findings of unlike prevalence are evened: 1 would be fully, but prevalences are noisy."""
AVERAGED_FROM = 0.8
"""The head is the mean of its weights after the last fifth of the steps. While noise outweighs curvature every gradient tells as much, so
that weighing them alike, which the last weights do, hides least under noise; a longer mean gives the latest gradients less. A mean over a
few steps settles what still swings where noise is small and steps are large."""
NUMBERS_AT_ONCE = 6_000_000
"""Residuals (films x findings x runs) in one product, to bound memory."""


@dataclass(frozen=True)
class HeadSettings:
    """How heads are trained.

    Attributes:
        steps: full-batch steps.
        learning_rate: step size for the mean clipped gradient.
        max_grad_norm: the clipping bound; None for the non-private twin.
        moment_steps: w, how many steps' worth of privacy the moments cost.
        bias: the constant entry of every film's features.
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
    """Training films in the order of their units.

    Attributes:
        features: `[n_films, n_features]`, each of norm 1 (or 0), in single precision.
        labels: `[n_films, n_findings]`, 0 where unknown.
        weights: `[n_films, n_findings]`: 1 / known labels of that finding in the unit; 0 where unknown.
        unit_of_film: `[n_films]`.
        starts: the first film of each unit.
        pairs: films (i, j), i <= j, of one unit; of units with at most PAIRS_AT_MOST films.
        products: x_i . x_j of each pair.
        large: (unit, its films) of the other units.
    """

    features: Films
    labels: Array
    weights: Array
    unit_of_film: NDArray[np.intp]
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
        centre: `[n_features]`, subtracted from a film's features before they are brought to norm 1.
    """

    weights: Array = field(repr=False)
    offset: Array = field(repr=False)
    centre: Array = field(repr=False)

    def probabilities(self, features: NDArray[np.floating]) -> Array:
        """Probabilities `[n_films, n_findings]` of films with `features`, each of norm 1."""
        centred = np.asarray(features, dtype=np.float64) - self.centre
        norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), SMALLEST_NORM)
        return sigmoid(centred @ self.weights / norms + self.offset)


SMALLEST_NORM = 1e-3
"""A film that lies closer to the mean film is not blown up to norm 1."""


def head_data(features: NDArray[np.floating], labels: NDArray[np.floating], units: Sequence[NDArray[np.intp]]) -> HeadData:
    """The films of `units` (rows of `features` and `labels`, NaN = unknown), ready for training; a film that is not finite counts as 0."""
    rows, sizes = np.concatenate(units), np.array([len(unit) for unit in units])
    unit_of_film = np.repeat(np.arange(len(units)), sizes)
    x, y = unit_norm(features[rows]), np.asarray(labels[rows], dtype=np.float64)
    known = ~np.isnan(y)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    n_known = np.add.reduceat(known.astype(np.float64), starts, axis=0)
    paired = [(start, size) for start, size in zip(starts, sizes, strict=True) if size <= PAIRS_AT_MOST]
    first, second = _pairs(paired)
    return HeadData(
        features=x,
        labels=np.nan_to_num(y),
        weights=known / np.maximum(n_known[unit_of_film], 1),
        unit_of_film=unit_of_film,
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
    """The mean film `[n_features, n_runs]` and the prevalences `[n_findings, n_runs]`, from one noisy sum for each run.

    Args:
        data: the films.
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
    films = np.add.reduceat(data.features, data.starts, axis=0, dtype=np.float64) / sizes[:, None]
    tilts = np.add.reduceat((2 * data.labels - 1) * data.weights, data.starts, axis=0)
    return np.concatenate([films, LABEL_SHARE * tilts / np.sqrt(data.labels.shape[1])], axis=1)


@dataclass(frozen=True, eq=False)
class CentredView:
    """Training films as each run sees them: from its own centre, at norm 1, with a constant entry; never written out.

    Attributes:
        data: the films.
        centres: `[n_features, n_runs]`.
        scales: 1 / |x_i - centre|, `[n_films, n_runs]`.
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
        """`[n_films, n_findings, n_runs]` for weights `[n_features + 1, n_findings, n_runs]`."""
        n_films, (_, n_findings, n_runs) = len(self.data.features), weights.shape
        seen = weights[:-1].reshape(-1, n_findings * n_runs).astype(np.float32)
        along = (self.data.features @ seen).astype(np.float64).reshape(n_films, n_findings, n_runs)
        along -= np.einsum("dr,dkr->kr", self.centres, weights[:-1])
        along *= self.scales[:, None, :]
        along += self.bias * weights[-1]
        return along

    def clipped_sum(self, residuals: Array, max_grad_norm: float | None) -> Array:
        """The sum over units of gradients clipped to `max_grad_norm` (None: not at all), `[n_features + 1, n_findings, n_runs]`."""
        if max_grad_norm is not None:
            residuals = residuals * self._factors(residuals, WITHIN_BOUND * max_grad_norm)[self.data.unit_of_film][:, None, :]
        scaled = residuals * self.scales[:, None, :]
        total = _sum_of_products(self.data.features, scaled.reshape(len(scaled), -1)).reshape(-1, *residuals.shape[1:])
        total -= self.centres[:, None, :] * scaled.sum(0)
        return np.concatenate([total, self.bias * residuals.sum(0)[None]])

    def _factors(self, residuals: Array, max_grad_norm: float) -> Array:
        """What each unit's residuals are multiplied by, `[n_units, n_runs]`; 0 where its gradient is not finite."""
        first, second = self.data.pairs
        by_pair = self.products * np.einsum("pkr,pkr->pr", residuals[first], residuals[second])
        units = self.data.unit_of_film[first]
        squares = np.zeros((self.data.n_units, residuals.shape[2]))
        if len(first):
            begins = np.flatnonzero(np.diff(units, prepend=-1))
            squares[units[begins]] = np.add.reduceat(by_pair, begins, axis=0)
        for unit, films in self.data.large:
            squares[unit] = self._written_out(films, residuals[films])
        norms = np.sqrt(np.clip(squares, 0, None))
        return np.where(np.isfinite(norms), np.minimum(1.0, max_grad_norm / np.maximum(norms, 1e-12)), 0.0)

    def _written_out(self, films: slice, residuals: Array) -> Array:
        """|G_u|^2 `[n_runs]` of one unit, from its gradient."""
        scaled = residuals * self.scales[films][:, None, :]
        gradient = np.einsum("id,ikr->dkr", self.data.features[films], scaled, optimize=True)
        gradient -= self.centres[:, None, :] * scaled.sum(0)
        return np.asarray(np.square(gradient).sum((0, 1)) + self.bias**2 * np.square(residuals.sum(0)).sum(0))


def unit_norm(features: NDArray[np.floating]) -> Films:
    """Each film's features at norm 1; one that is not finite, or of norm 0, becomes 0."""
    x = np.asarray(features, dtype=np.float32)
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    usable = np.isfinite(squares) & (squares > 0)
    scales = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1.0)), 0.0)
    return np.where(usable[:, None], x, np.float32(0)) * scales[:, None].astype(np.float32)


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-logits)), in place of nothing and without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def _sum_of_products(features: Films, residuals: Array) -> Array:
    """features^T residuals, `[n_features, n_columns]`: single precision within `FILMS_AT_ONCE` films, double over them."""
    total = np.zeros((features.shape[1], residuals.shape[1]))
    single = residuals.astype(np.float32)
    for start in range(0, len(features), FILMS_AT_ONCE):
        total += features[start : start + FILMS_AT_ONCE].T @ single[start : start + FILMS_AT_ONCE]
    return total


def _dots(features: Films, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    """x_i . x_j in double precision, some at a time."""
    dots = np.empty(len(first))
    for start in range(0, len(first), 4096):
        some = slice(start, start + 4096)
        dots[some] = np.einsum("pd,pd->p", features[first[some]].astype(np.float64), features[second[some]].astype(np.float64))
    return dots


def _pairs(units: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All (i, j), i <= j, within each of `units` (first film, number of films)."""
    triangles = [(start + i, start + j) for start, size in units for i, j in [np.triu_indices(size)]]
    if not triangles:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    return np.concatenate([t[0] for t in triangles]), np.concatenate([t[1] for t in triangles])
