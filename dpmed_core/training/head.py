"""A linear head for all findings at once, trained on fixed features by full-batch gradient steps, privately or not.

A unit's gradient is G_u = sum over its films i of x_i r_i^T, with x_i the film's features and r_i its residuals over findings, each
weighted so that the unit's known labels of a finding average. Its norm needs no G_u: |G_u|^2 = sum over pairs i, j of the unit's films of
(x_i . x_j)(r_i . r_j). Each unit's gradient, over all findings together, is clipped once to C; N(0, (s C)^2) is added to every entry of
the sum; the divisor is the public number of units. What leaves a step is the noised sum, so momentum and averaging over steps are
post-processing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.entropy import SecureRandom

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeadSettings:
    """How a head is trained.

    Attributes:
        steps: full-batch steps.
        learning_rate: step size for the mean clipped gradient.
        momentum: heavy-ball momentum.
        max_grad_norm: the clipping bound; None for the non-private twin.
        noise_multiplier: 0 for the non-private twin.
        prior: probability from which every finding starts; a public constant.
    """

    steps: int
    learning_rate: float
    momentum: float
    max_grad_norm: float | None
    noise_multiplier: float
    prior: float = 0.2


@dataclass(frozen=True, eq=False)
class HeadData:
    """Training films in the order of their units.

    Attributes:
        features: `[n_films, n_features]`.
        labels: `[n_films, n_findings]`, 0 where unknown.
        weights: `[n_films, n_findings]`: 1 / known labels of that finding in the unit; 0 where unknown.
        unit_of_film: `[n_films]`.
        pairs: films (i, j), i <= j, of one unit.
        products: x_i . x_j of each pair, doubled where i < j.
        n_units: units.
    """

    features: Array
    labels: Array
    weights: Array
    unit_of_film: NDArray[np.intp]
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
    products: Array
    n_units: int


def head_data(features: NDArray[np.floating], labels: NDArray[np.floating], units: list[NDArray[np.intp]]) -> HeadData:
    """The films of `units` (rows of `features` and `labels`, NaN = unknown), ready for training; a feature that is not finite counts 0."""
    rows = np.concatenate(units)
    sizes = np.array([len(unit) for unit in units])
    unit_of_film = np.repeat(np.arange(len(units)), sizes)
    x = np.nan_to_num(np.asarray(features[rows], dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    y = np.asarray(labels[rows], dtype=np.float64)
    known = ~np.isnan(y)
    n_known = np.zeros((len(units), y.shape[1]))
    np.add.at(n_known, unit_of_film, known)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    triangles = [np.triu_indices(size) for size in sizes]
    first = np.concatenate([start + t[0] for start, t in zip(starts, triangles, strict=True)])
    second = np.concatenate([start + t[1] for start, t in zip(starts, triangles, strict=True)])
    products = np.einsum("pd,pd->p", x[first], x[second]) * np.where(first == second, 1.0, 2.0)
    return HeadData(
        features=x,
        labels=np.nan_to_num(y),
        weights=known / np.maximum(n_known[unit_of_film], 1),
        unit_of_film=unit_of_film,
        pairs=(first, second),
        products=products,
        n_units=len(units),
    )


def clipped_sum(data: HeadData, residuals: Array, max_grad_norm: float | None) -> Array:
    """The sum over units of clipped gradients, `[n_features, n_findings]`.

    Args:
        data: the films.
        residuals: weighted residuals `[n_films, n_findings]`.
        max_grad_norm: the bound; None for none.
    """
    if max_grad_norm is not None:
        residuals = residuals * _clip_factors(data, residuals, max_grad_norm)[data.unit_of_film][:, None]
    return np.asarray(data.features.T @ residuals)


def train_head(data: HeadData, settings: HeadSettings, random: SecureRandom) -> Array:
    """Weights `[n_features, n_findings]`, averaged over the second half of the steps; logits are features @ weights + prior's logit."""
    shape = (data.features.shape[1], data.labels.shape[1])
    weights, velocity, average = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    offset = prior_logit(settings.prior)
    averaged_from = settings.steps // 2
    for step in range(settings.steps):
        residuals = (1 / (1 + np.exp(-(data.features @ weights + offset))) - data.labels) * data.weights
        total = clipped_sum(data, residuals, settings.max_grad_norm)
        if settings.noise_multiplier and settings.max_grad_norm:
            total = total + settings.noise_multiplier * settings.max_grad_norm * random.normal(shape)
        velocity = settings.momentum * velocity + total / data.n_units
        weights = weights - settings.learning_rate * velocity
        if step >= averaged_from:
            average += weights / (settings.steps - averaged_from)
    return average


def head_probabilities(features: NDArray[np.floating], weights: Array, prior: float) -> Array:
    """Probabilities `[n_films, n_findings]` of films with `features`."""
    return np.asarray(1 / (1 + np.exp(-(np.asarray(features, dtype=np.float64) @ weights + prior_logit(prior)))))


def prior_logit(prior: float) -> float:
    """Log-odds of the public prior."""
    return float(np.log(prior / (1 - prior)))


def _clip_factors(data: HeadData, residuals: Array, max_grad_norm: float) -> Array:
    first, second = data.pairs
    by_pair = data.products * np.einsum("pf,pf->p", residuals[first], residuals[second])
    squares = np.bincount(data.unit_of_film[first], weights=by_pair, minlength=data.n_units)
    norms = np.sqrt(np.clip(squares, 0, None))
    return np.where(np.isfinite(norms), np.minimum(1.0, max_grad_norm / np.maximum(norms, 1e-12)), 0.0)
