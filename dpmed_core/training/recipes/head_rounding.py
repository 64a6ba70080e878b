"""What rounding can add to a unit's clipped gradient in a linear head, so that it is clipped by no less than its contribution's norm.

The head (`linear_head`) clips G_u = sum over the unit's images i of z_i r_i^T, with z_i = (s_i (x_i - m), b), |x_i| <= 1, m the centre. Its
norm N comes from inner products of images in double precision; what is added is computed otherwise: the sum of x_i (s_i r_i)^T in single
precision, less m times the sum of s_i r_i in double. Near the centre, and where a unit's images cancel, terms are far larger than their
sum, and rounding is relative to the terms:

    T = sum over i of ((1 + |m|) s_i + b) |r_i|     all of them,
    M = sum over i of s_i |r_i|                     those in single precision, at most `IMAGES_PER_CHUNK` before double precision goes on.

With u and v the unit roundoffs of single and double precision and gamma as in `dpsgd.clipping_norms`, the contribution for a factor of 1
is off by at most E = gamma_u(n + 4) M + gamma_v(n + 16) T, n being the terms added in either precision: s_i r_i and the product are rounded
once each, and each of n - 1 additions by u times a partial sum, which is at most M. N^2 is off by at most gamma_v(c) T^2: for pairs of
images, c counts the inner products' lengths and the pairs; for a gradient that is written out, a norm's error of gamma_v(c) T is one of at
most 3 gamma_v(c) T^2 in its square, as N <= T. All counts are doubled, to cover the arithmetic of the bounds themselves.

A unit is clipped by sqrt(N^2 + its error) + E. Where single precision makes this larger than N by more than LARGEST_LOSS, the unit is added
in double precision instead, and the first term of E vanishes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.components import Features

Array = NDArray[np.float64]

IMAGES_PER_CHUNK = 256
"""Images that are summed in single precision before the sum goes on in double."""
LARGEST_LOSS = 4e-6
"""Share of its norm by which a unit may be clipped more than by its norm alone."""


@dataclass(frozen=True, eq=False)
class HeadRounding:
    """Relative rounding errors of each unit, `[n_units, 1]`; see the head of this module.

    Attributes:
        squared_norms: of N^2, over T^2.
        single: the first term of E, over M.
        double: the second term of E, over T.
    """

    squared_norms: Array
    single: Array
    double: Array

    @classmethod
    def of(cls, sizes: NDArray[np.intp], large: NDArray[np.intp], *, n_features: int, n_findings: int) -> "HeadRounding":
        """The errors of units with `sizes` images; the norms of the units `large` are those of written-out gradients."""
        n = sizes.astype(np.float64)[:, None]
        counts = n_features + n_findings + 16 + n**2
        counts[large] = 3 * (n_features * n_findings + 16 + n[large])
        single = np.minimum(n, IMAGES_PER_CHUNK) + 4
        return cls(2 * _gamma(counts, np.float64), _gamma(single, np.float32), 2 * _gamma(n + 16, np.float64))

    def norms(self, squares: Array, terms: Array, single_terms: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The norms to clip by, and whether a unit must be added in double precision; `[n_units, n_runs]` each.

        Args:
            squares: N^2 as computed, which rounding may carry below 0, `[n_units, n_runs]`.
            terms: T, likewise.
            single_terms: M, likewise.
        """
        norms = np.sqrt(np.maximum(squares, 0) + self.squared_norms * np.square(terms))
        single = self.single * single_terms
        in_double = single > LARGEST_LOSS * norms
        return norms + self.double * terms + np.where(in_double, 0.0, single), in_double


def sum_of_products(features: Features, residuals: Array, in_double: NDArray[np.bool_] | None) -> Array:
    """The sum over images of features times residuals, `[n_features, n_findings, n_runs]`.

    Args:
        features: `[n_images, n_features]`.
        residuals: `[n_images, n_findings, n_runs]`.
        in_double: whether an image is added in double precision, `[n_images, n_runs]`; None for none. The others are added in single
            within `IMAGES_PER_CHUNK` images, in double over chunks.
    """
    total, rest = np.zeros((features.shape[1], residuals[0].size)), residuals
    if in_double is not None and in_double.any():
        rows = np.flatnonzero(in_double.any(1))
        rest = np.where(in_double[:, None, :], 0.0, residuals)
        total += features[rows].astype(np.float64).T @ (residuals[rows] - rest[rows]).reshape(len(rows), -1)
    single = rest.reshape(len(rest), -1).astype(np.float32)
    for start in range(0, len(features), IMAGES_PER_CHUNK):
        total += features[start : start + IMAGES_PER_CHUNK].T @ single[start : start + IMAGES_PER_CHUNK]
    return total.reshape(-1, *residuals.shape[1:])


def _gamma(counts: Array, dtype: type[np.floating]) -> Array:
    small = counts * (float(np.finfo(dtype).eps) / 2)
    return np.asarray(small / (1 - small))
