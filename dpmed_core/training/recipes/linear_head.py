"""A private linear head for all findings at once on fixed features, trained by full-batch steps; several runs in one matrix product.

Algorithm. Unit u is a patient or an image; there are K findings; features x_i have norm at most 1; C is the clipping bound, s the noise
multiplier; w and b are constants.

1. Release means, once. Each unit has one vector v_u = (mean of its images' features, b / sqrt(K) times its mean labels in [-1, 1]).
   Released is the sum of v_u over units + N(0, (s sqrt(1 + b^2) / sqrt(w))^2 I).
   From it follow the mean features m, shrunk as their noise demands (James & Stein 1961), and each finding's prevalence p_k.
2. Centre, which is post-processing. Images are represented by z_i = (x_i - m) / |x_i - m| with a constant entry appended, and logits start
   at those of the prevalences. Otherwise a cohort that differs as a whole from the public images would spend its steps on that difference.
3. Take T steps, with W the weights of the head, a_k the finding weight and n_uk the unit's known labels of finding k:
   residuals  r_ik = a_k (sigmoid(z_i . W_k + logit p_k) - y_ik) / n_uk, 0 where y_ik is unknown
   gradient   G_u = sum over the unit's images of z_i r_i^T, clipped once over all findings: G_u min(1, C / |G_u|)
   step       W = W - (learning rate / number of units) (sum over units of the clipped G_u + N(0, (s C)^2 I))
4. Average the weights after the last fifth of the steps.

Sensitivity: |v_u| <= sqrt(1 + b^2), and the clipped |G_u| <= C, for every unit whatever its number of images and labels. A unit's
record emptied therefore moves each sum by at most that. The number of units, by which sums are divided, is the same and public.

Accounting: T full-batch steps of noise multiplier s, and one release of noise multiplier s / sqrt(w), which costs as much as w steps, are
together one Gaussian mechanism with mu = sqrt(T + w) / s. Finding weights and centring may depend on what was released before a step: a
unit's gradient is clipped after them, so that it moves the sum by at most C whatever they are. All else is post-processing, and the score
of an image depends on the training data through released numbers alone.

The norm of a gradient needs no G_u: |G_u|^2 is the sum over pairs i, j of the unit's images of (z_i . z_j)(r_i . r_j).

A finding may have a feature of its own, o_ik in [-1, 1], from a public start (`start_scale`): one more entry of z_i for that finding alone,
a public function of the image. G_u then has one more row, the sum of o_ik r_ik, which is clipped and noised with the others, so that
sensitivity and accounting stay as they are. The weight of that row begins at what the public start says and follows the noisy sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.dpsgd.secure_random import SecureRandom
from dpmed_core.training.encoders.components import SMALLEST_NORM, Features, unit_norm
from dpmed_core.training.recipes.head import Head, sigmoid
from dpmed_core.training.recipes.head_rounding import HeadRounding, sum_of_products
from dpmed_core.training.recipes.probe_settings import PREVALENCE_RANGE, HeadSettings, finding_weights
from dpmed_core.training.recipes.start_scale import StartScale

Array = NDArray[np.float64]

LABEL_SCALE = 0.5
"""b: the largest norm that a unit's labels have in the release of means; that of its features is 1."""
PRIOR_PREVALENCE, PRIOR_SPREAD = 0.3, 0.2
"""Mean and standard deviation of a finding's prevalence before any data: noisy prevalences are drawn towards the mean."""
MAX_IMAGES_IN_PAIRS = 400
"""The gradient of a unit with more images is written out for its norm: pairs grow with the square of their number."""
ROUNDING_MARGIN = 1 - 1e-12
"""Bounds are aimed at up to this share, for the last roundings in double precision; what is added in single has `head_rounding`."""
AVERAGING_START = 0.8
"""The head is the mean of the weights after the last fifth of the steps. While noise outweighs curvature all gradients are equally
informative, and the last weights contain them all; a longer mean gives the latest less weight. A mean over a few steps damps the
oscillation that remains where noise is small and steps are large."""
MAX_RESIDUALS = 6_000_000
"""Residuals (images x findings x runs) in one product, to bound memory."""


@dataclass(frozen=True, eq=False)
class HeadData:
    """Training images, unit after unit.

    Attributes:
        features: `[n_images, n_features]`, each of norm 1 (or 0), in single precision.
        labels: `[n_images, n_findings]`, 0 where unknown.
        weights: `[n_images, n_findings]`: 1 / (known labels of that finding in the unit); 0 where unknown.
        unit_of_image: `[n_images]`.
        first_images: the first image of each unit, `[n_units]`.
        pairs: images (i, j), i <= j, of the same unit; for units with at most MAX_IMAGES_IN_PAIRS images.
        products: x_i . x_j of each pair.
        large_units: (unit, its images) for the other units.
        own: o_ik, each finding's own feature, `[n_images, n_findings]`, at most 1 in size; None without a public start.
    """

    features: Features
    labels: Array
    weights: Array
    unit_of_image: NDArray[np.intp]
    first_images: NDArray[np.intp]
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
    products: Array
    large_units: tuple[tuple[int, slice], ...]
    own: Array | None = None

    @property
    def n_units(self) -> int:
        """Number of training units."""
        return len(self.first_images)

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of each unit's images, `[n_units]`."""
        return np.diff(np.append(self.first_images, len(self.features)))


def head_data(
    features: NDArray[np.floating], labels: NDArray[np.floating], units: Sequence[NDArray[np.intp]], *, own: Array | None = None
) -> HeadData:
    """The images of `units`, ready for training.

    Args:
        features: `[n, n_features]`; an image whose features are not finite counts as zero.
        labels: `[n, n_findings]`, NaN = unknown.
        units: for each unit, the rows of its images.
        own: each finding's own feature `[n, n_findings]`, cut off at -1 and 1; one that is not finite counts as 0.
    """
    rows, sizes = np.concatenate(units), np.array([len(unit) for unit in units])
    unit_of_image = np.repeat(np.arange(len(units)), sizes)
    x, y = unit_norm(features[rows]), np.asarray(labels[rows], dtype=np.float64)
    known = ~np.isnan(y)
    first_images = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    n_known = np.add.reduceat(known.astype(np.float64), first_images, axis=0)
    paired = [(start, size) for start, size in zip(first_images, sizes, strict=True) if size <= MAX_IMAGES_IN_PAIRS]
    first, second = _image_pairs(paired)
    large = np.flatnonzero(sizes > MAX_IMAGES_IN_PAIRS)
    return HeadData(
        features=x,
        labels=np.nan_to_num(y),
        weights=known / np.maximum(n_known[unit_of_image], 1),  # where no label is known, 0 / 1
        unit_of_image=unit_of_image,
        first_images=first_images,
        pairs=(first, second),
        products=_pair_products(x, first, second),
        large_units=tuple((int(u), slice(first_images[u], first_images[u] + sizes[u])) for u in large),
        own=None if own is None else np.clip(np.nan_to_num(own[rows], posinf=0.0, neginf=0.0), -1, 1),
    )


def train_heads(
    data: HeadData,
    settings: HeadSettings,
    noise_multipliers: Sequence[float],
    random: SecureRandom,
    *,
    start_weights: Array | None = None,
) -> list[Head]:
    """One head for each of `noise_multipliers` (0 without privacy), each with noise of its own.

    Args:
        data: the training images.
        settings: how to train.
        noise_multipliers: one for each head.
        random: source of the noise.
        start_weights: weights of the findings' own features before training, `[n_findings]`, 0 for none; needed where `data` has them.
    """
    # Runs that differ in noise alone share the features: one matrix product serves all of them.
    at_once = max(1, MAX_RESIDUALS // data.labels.size)
    heads: list[Head] = []
    for start in range(0, len(noise_multipliers), at_once):
        noise = np.array(noise_multipliers[start : start + at_once], dtype=np.float64)
        heads += _train(data, settings, noise, random, start_weights)
    return heads


def _train(data: HeadData, settings: HeadSettings, noise: Array, random: SecureRandom, start_weights: Array | None) -> list[Head]:
    """`train_heads` for runs that fit into one product; arrays are `[..., n_findings, n_runs]`."""
    n_features, n_findings, n_runs = data.features.shape[1], data.labels.shape[1], len(noise)
    # Noise of s / sqrt(w) makes the release cost as much as w steps of s: mu^2 = 1 / (s / sqrt(w))^2 = w / s^2.
    centres, prevalences = release_means(data, noise / np.sqrt(max(settings.mean_release_steps, 1)), random)
    centred = CentredFeatures.of(data, centres, settings.bias)
    start, balance = np.log(prevalences / (1 - prevalences)), finding_weights(prevalences)
    # W starts at 0, that is, at the released prevalences for every image, and where the public start says.
    weights, average = np.zeros((2, centred.n_rows, n_findings, n_runs))
    rate = settings.learning_rate / data.n_units
    scale = None if start_weights is None else StartScale(start_weights, noise * (settings.max_grad_norm or 0.0), rate)
    if scale is not None:
        weights[-1] = scale.weights
    averaged_from = int(AVERAGING_START * settings.steps)
    labels, shares = data.labels[:, :, None], data.weights[:, :, None]
    for step in range(settings.steps):
        residuals = (sigmoid(centred.logits(weights) + start) - labels) * shares
        residuals *= balance  # before clipping: weighted afterwards, a unit could move the sum by more than the bound
        total = centred.clipped_sum(residuals, settings.max_grad_norm)
        if settings.max_grad_norm is not None:
            # One unit moves `total` by at most max_grad_norm, over all features and findings together.
            total += noise * settings.max_grad_norm * random.normal(total.shape)
        if scale is None:
            weights -= rate * total
        else:
            weights[:-1] -= rate * scale.pace * total[:-1]
            weights[-1] = scale.after(total[-1])
        if step >= averaged_from:
            average += weights / (settings.steps - averaged_from)
    offsets = start + settings.bias * average[n_features]
    own = [None] * n_runs if scale is None else list(average[-1].T.copy())
    weights = average[:n_features]
    return [Head(weights[..., run].copy(), offsets[:, run].copy(), centres[:, run].copy(), own[run]) for run in range(n_runs)]


def release_means(data: HeadData, noise_multipliers: Array, random: SecureRandom) -> tuple[Array, Array]:
    """The mean features `[n_features, n_runs]` and the prevalences `[n_findings, n_runs]`, from one noisy sum for each run.

    The sum's sensitivity is the largest norm of a unit's vector, sqrt(1 + b^2) (see `unit_means`). What follows the noise is
    post-processing: the mean features are shrunk towards 0 by the positive-part factor max(0, 1 - d sigma^2 / |mean|^2), after James &
    Stein 1961, "Estimation with quadratic loss", and the prevalences are posterior means under a normal prior.

    Args:
        data: the training images.
        noise_multipliers: `[n_runs]`, noise over the sum's sensitivity; 0 for the exact means.
        random: source of the noise.
    """
    by_unit = unit_means(data)
    n_features, n_findings = data.features.shape[1], data.labels.shape[1]
    sigma = np.hypot(1, LABEL_SCALE) * noise_multipliers / data.n_units
    noisy = by_unit.sum(0)[:, None] / data.n_units + sigma * random.normal((by_unit.shape[1], len(noise_multipliers)))
    mean, label_means = noisy[:n_features], noisy[n_features:]
    shrinkage = np.maximum(0, 1 - n_features * sigma**2 / np.maximum(np.square(mean).sum(0), 1e-30))
    to_prevalence = np.sqrt(n_findings) / LABEL_SCALE / 2  # from b / sqrt(K) times labels in [-1, 1] to shares in [0, 1], around 1/2
    precision, prior_precision = 1 / np.maximum(sigma * to_prevalence, 1e-9) ** 2, 1 / PRIOR_SPREAD**2
    observed = 0.5 + to_prevalence * label_means
    prevalence = (precision * observed + prior_precision * PRIOR_PREVALENCE) / (precision + prior_precision)
    return shrinkage * mean, np.clip(prevalence, *PREVALENCE_RANGE)


def unit_means(data: HeadData) -> Array:
    """v_u of each unit, `[n_units, n_features + n_findings]`: its mean features, and b / sqrt(K) times its mean labels in [-1, 1].

    The norm is at most sqrt(1 + b^2): a mean of vectors of norm at most 1 has norm at most 1, and K numbers of size at most b / sqrt(K)
    have norm at most b. Features in single precision may be longer than 1 by rounding; such a v_u is scaled back. A finding that is unknown
    in all of a unit's images counts as 0.
    """
    features = np.add.reduceat(data.features, data.first_images, axis=0, dtype=np.float64) / data.sizes[:, None]
    label_means = np.add.reduceat((2 * data.labels - 1) * data.weights, data.first_images, axis=0)
    vectors = np.concatenate([features, LABEL_SCALE * label_means / np.sqrt(data.labels.shape[1])], axis=1)
    largest = ROUNDING_MARGIN * np.hypot(1, LABEL_SCALE)
    return np.asarray(vectors * np.minimum(1, largest / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), largest)))


@dataclass(frozen=True, eq=False)
class CentredFeatures:
    """z_i: each run's features, centred, at norm 1, with a constant entry; never written out, as runs differ in their centre alone.

    Attributes:
        data: the training images.
        centres: `[n_features, n_runs]`.
        scales: 1 / |x_i - centre|, `[n_images, n_runs]`.
        products: z_i . z_j of each pair, doubled where i < j, `[n_pairs, n_runs]`.
        bias: the constant entry.
        reaches: (1 + |centre|) / |x_i - centre| + bias, and 1 for own features, `[n_images, n_runs]`: what an image's terms have in norm
            for a residual of 1.
        rounding: what rounding can add to norms and contributions.
    """

    data: HeadData
    centres: Array
    scales: Array
    products: Array
    bias: float
    reaches: Array
    rounding: HeadRounding

    @classmethod
    def of(cls, data: HeadData, centres: Array, bias: float) -> "CentredFeatures":
        """The features of `data`, centred at `centres` `[n_features, n_runs]`."""
        # |x - m|^2 and (x_i - m) . (x_j - m) are expanded, so that only x . m is computed for each run
        towards, square = data.features @ centres, np.square(centres).sum(0)
        own = np.square(data.features).sum(1, dtype=np.float64)[:, None]
        # The floor keeps images near the mean from being scaled up to norm 1, which would amplify what sets them apart by chance.
        scales = 1 / np.sqrt(np.maximum(own - 2 * towards + square, SMALLEST_NORM**2))
        first, second = data.pairs
        centred = data.products[:, None] - towards[first] - towards[second] + square
        doubled = np.where(first == second, 1.0, 2.0)[:, None]
        products = doubled * (centred * scales[first] * scales[second] + bias**2)
        # A millionth more than 1: features in single precision may be longer than 1 by rounding. A finding's own feature is at most 1.
        reaches = (1 + 1e-6 + np.sqrt(square)) * scales + bias + (0.0 if data.own is None else 1.0)
        large = np.array([unit for unit, _ in data.large_units], dtype=np.intp)
        rounding = HeadRounding.of(data.sizes, large, n_features=data.features.shape[1], n_findings=data.labels.shape[1])
        return cls(data, centres, scales, products, bias, reaches, rounding)

    @property
    def n_rows(self) -> int:
        """Rows of the weights: one for each feature, one for the constant entry, and one for own features where there are any."""
        return int(self.data.features.shape[1]) + (1 if self.data.own is None else 2)

    def logits(self, weights: Array) -> Array:
        """z_i . W, `[n_images, n_findings, n_runs]`, for weights W `[n_rows, n_findings, n_runs]`."""
        (n_images, n_features), (_, n_findings, n_runs) = self.data.features.shape, weights.shape
        # Single precision may round logits, and so residuals; the norm that is clipped is that of the gradient of those same residuals.
        columns = weights[:n_features].reshape(-1, n_findings * n_runs).astype(np.float32)
        logits = (self.data.features @ columns).astype(np.float64).reshape(n_images, n_findings, n_runs)
        logits -= np.einsum("dr,dkr->kr", self.centres, weights[:n_features])
        logits *= self.scales[:, None, :]
        logits += self.bias * weights[n_features]
        if self.data.own is not None:
            logits += self.data.own[:, :, None] * weights[-1]
        return logits

    def clipped_sum(self, residuals: Array, max_grad_norm: float | None) -> Array:
        """The sum over units of clipped gradients, `[n_rows, n_findings, n_runs]`.

        A unit's gradient is linear in its residuals, so that they are scaled in its place. Each unit contributes a matrix of Frobenius norm
        at most `max_grad_norm`, rounding included; one whose gradient is not finite contributes 0.

        Args:
            residuals: `[n_images, n_findings, n_runs]`.
            max_grad_norm: the clipping bound; None to clip nothing.
        """
        in_double = None
        if max_grad_norm is not None:
            norms, in_double = self._norms(residuals)
            factors = clip_factors(norms, ROUNDING_MARGIN * max_grad_norm)[self.data.unit_of_image][:, None, :]
            if not factors.all():  # 0 times infinity would be NaN
                residuals = np.where(factors == 0, 0.0, residuals)
            residuals = residuals * factors
        scaled = residuals * self.scales[:, None, :]
        # The sum over images of (x_i - m) / |x_i - m| r_i^T, without writing out centred features.
        exact = None if in_double is None else in_double[self.data.unit_of_image]
        total = sum_of_products(self.data.features, scaled, exact)
        total -= self.centres[:, None, :] * scaled.sum(0)
        rows = [total, self.bias * residuals.sum(0)[None]]
        if self.data.own is not None:
            rows.append((self.data.own[:, :, None] * residuals).sum(0)[None])
        return np.concatenate(rows)

    def _norms(self, residuals: Array) -> tuple[Array, NDArray[np.bool_]]:
        """What units are clipped by, and whether they must be added in double precision, `[n_units, n_runs]`; see `head_rounding`."""
        with np.errstate(over="ignore", invalid="ignore"):  # a residual beyond 1e150 leaves no finite norm, and its unit out
            squares = self._squared_norms(residuals)
            lengths = np.sqrt(np.einsum("ikr,ikr->ir", residuals, residuals))
            terms, single = (
                np.add.reduceat(of_image * lengths, self.data.first_images, axis=0) for of_image in (self.reaches, self.scales)
            )
            return self.rounding.norms(squares, terms, single)

    def _squared_norms(self, residuals: Array) -> Array:
        """|G_u|^2 of each unit, `[n_units, n_runs]`, as double precision has it."""
        first, second = self.data.pairs
        # Pairs stand unit after unit, so that one reduceat sums them by unit.
        by_pair = self.products * np.einsum("pkr,pkr->pr", residuals[first], residuals[second])
        units = self.data.unit_of_image[first]
        squares = np.zeros((self.data.n_units, residuals.shape[2]))
        if len(first):
            begins = np.flatnonzero(np.diff(units, prepend=-1))
            squares[units[begins]] = np.add.reduceat(by_pair, begins, axis=0)
        for unit, images in self.data.large_units:
            squares[unit] = self._squared_norm_written_out(images, residuals[images])
        if self.data.own is not None:
            squares += np.square(np.add.reduceat(self.data.own[:, :, None] * residuals, self.data.first_images, axis=0)).sum(1)
        return squares

    def _squared_norm_written_out(self, images: slice, residuals: Array) -> Array:
        """|G_u|^2 `[n_runs]` of one unit, from its gradient."""
        scaled = residuals * self.scales[images][:, None, :]
        gradient = np.einsum("id,ikr->dkr", self.data.features[images], scaled, optimize=True)
        gradient -= self.centres[:, None, :] * scaled.sum(0)
        return np.asarray(np.square(gradient).sum((0, 1)) + self.bias**2 * np.square(residuals.sum(0)).sum(0))


def clip_factors(norms: Array, max_grad_norm: float) -> Array:
    """min(1, max_grad_norm / norm), in the shape of `norms`; 0 where a norm is not finite.

    >>> clip_factors(np.array([0.5, 3.0, 0.0, np.nan, np.inf]), 1.5).tolist()
    [1.0, 0.5, 1.0, 0.0, 0.0]
    """
    return np.where(np.isfinite(norms), np.minimum(1.0, max_grad_norm / np.maximum(norms, 1e-12)), 0.0)


def _pair_products(features: Features, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    """x_i . x_j of each pair in double precision, in chunks to bound memory."""
    products = np.empty(len(first))
    for start in range(0, len(first), 4096):
        part = slice(start, start + 4096)
        products[part] = np.einsum("pd,pd->p", features[first[part]].astype(np.float64), features[second[part]].astype(np.float64))
    return products


def _image_pairs(units: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All (i, j), i <= j, within each of `units` (first image, number of images)."""
    triangles = [(start + i, start + j) for start, size in units for i, j in [np.triu_indices(size)]]
    if not triangles:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    return np.concatenate([t[0] for t in triangles]), np.concatenate([t[1] for t in triangles])
