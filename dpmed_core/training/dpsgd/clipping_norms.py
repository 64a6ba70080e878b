"""The norm that a unit is clipped by: so large that its contribution stays within the bound in floating point, whatever its images are.

What a step adds for a unit is not f G, its gradient times its factor, but what the processor makes of it. Where images (or positions of one
image) cancel, G can be far smaller than the terms it is a sum of, and so than their rounding errors. So a unit is clipped by N + E, with
N >= |G| and E no less than the norm of the sum's rounding error at a factor of 1. Both are computed in double precision from the unit's own
data alone, over all parameters together. With f = min(1, C / (N + E)), the contribution's norm is at most f (|G| + E) <= C.

Written-out gradients. G is the very vector that is added, however it was computed: rounding before that is part of it. E holds the rounding
of the factor and of its product with each entry, 2 u N with u the unit roundoff, and that of N.

Factored gradients. G is the sum over rows k (an image's vectors or positions) of t_k = g_k x_k^T, with the Gram matrix
P_kl = <t_k, t_l> = (x_k . x_l)(g_k . g_l).

- Let K^2 = sum over k, l of |P_kl|. For any set A of rows, |sum over A of t_k|^2 = sum over k, l in A of P_kl <= K^2. As the sum of |t_k|^2
  is at most K^2 too, M, the sum over the n rows of |t_k|, is at most sqrt(n) K.
- Factor, scaled g_k and product have relative errors of u each: at most u N + 2 u M. A sum of n terms, in whatever order and grouping, is a
  tree of n - 1 additions; the one that completes the set A adds, entry by entry and so in norm, an error of at most
  u (|sum over A of t_k| + the errors so far). By induction over the tree, this comes to ((1 + u)^(n - 1) - 1) K for exact terms. Altogether
  E = gamma(n + 2 sqrt(n) + 4) K, gamma(c) = c u / (1 - c u), which also covers products of these errors and the arithmetic of this file.
  (Higham 2002, "Accuracy and stability of numerical algorithms", sections 3.1 and 4.2, has gamma and the same bound for sums of numbers.)
  It needs sums that add products in the type of the numbers: no TF32 (`device.training_device`), no kernel that transforms its inputs.
- N^2 is the sum of P in double precision plus a bound of its error: with n_in + n_out the lengths of the inner products and gamma in double
  precision, gamma(n_in + n_out) M^2 for the entries and gamma(n^2) K^2 for their sum.

E is worth its price only where it is small: a unit whose E exceeds LARGEST_LOSS N, because its terms cancel or are many, has its gradient
written out (`contributions.PartlyWrittenOut`). So every factor is within LARGEST_LOSS of min(1, C / |G|).

Underflow. A scaled entry below the smallest number is off by up to 2^-150, and times x_k by more; a unit with inputs of norm above
LARGEST_INPUT is written out, too. One whose factor is below the smallest normal number, which would not round by a relative error, is
dropped (`unit_gradients`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST_LOSS = 8e-6
"""Share of its norm by which a unit may be clipped more than by its norm alone; more than a hundred float32 terms are written out."""
LARGEST_INPUT = 2.0**100
"""Largest norm of a layer's input with factored gradients; see the head of this module."""
BLOCK_ELEMENTS = 2**16
"""Gradients with more entries are converted to double precision unit by unit, so that a copy fits into the cache."""


@dataclass(frozen=True, eq=False)
class NormBounds:
    """Bounds of each unit's gradient of one parameter, `[n_units]`, in double precision; see the head of this module.

    Attributes:
        squared_norms: N^2, the squared norm, rounded up.
        rounding: E, no less than the norm of the rounding error of a sum of such gradients, for a factor of 1.
    """

    squared_norms: Tensor
    rounding: Tensor

    @classmethod
    def of_vectors(cls, by_unit: Tensor) -> "NormBounds":
        """The bounds of gradients that are written out and added as they are, `[n_units, n_entries]`."""
        # Rounded up by what a sum of so many squares can be off.
        squares = squared_norms(by_unit) * (1 + gamma(by_unit.shape[1] + 4, torch.float64))
        return cls(squares, gamma(4, by_unit.dtype) * squares.sqrt())

    @classmethod
    def of_sums(cls, products: Tensor, magnitudes: Tensor, n_rows: Tensor, *, length: int, dtype: torch.dtype) -> "NormBounds":
        """The bounds of gradients that are sums of outer products.

        Args:
            products: the sum of each unit's Gram matrix P, `[n_units]`, in double precision.
            magnitudes: the sum of the absolute values of P, `[n_units]`, likewise.
            n_rows: number of outer products of each unit, `[n_units]`.
            length: n_in + n_out, the lengths of the inner products in P.
            dtype: of the sums of outer products.
        """
        n = n_rows.double()
        # Twice gamma, which covers the error of K^2 as well: M^2 <= n K^2.
        error = gamma(2 * (length + 4), torch.float64) * n + torch.finfo(torch.float64).eps * (n.square() + 4)
        squared_terms = magnitudes * (1 + error)
        return cls(products.clamp(min=0) + error * squared_terms, rounding_of_sum(n, dtype) * squared_terms.sqrt())


def norms_and_rounding(bounds: Sequence[NormBounds]) -> tuple[Tensor, Tensor]:
    """N and E of each unit over all parameters, `[n_units]`, from the `bounds` of each; not finite where a gradient is not."""
    # Parameters are parts of one vector: squares of norms add up, of the gradient and of its error.
    norms = torch.stack([b.squared_norms for b in bounds]).sum(0).sqrt()
    return norms, torch.stack([b.rounding for b in bounds]).square().sum(0).sqrt()


def rounding_of_sum(n_rows: Tensor, dtype: torch.dtype) -> Tensor:
    """E / K, the relative rounding error of a sum of `n_rows` outer products in `dtype`."""
    n = n_rows.double()
    count = (n + 2 * n.sqrt() + 4) * (torch.finfo(dtype).eps / 2)
    return count / (1 - count)


def squared_norms(rows: Tensor) -> Tensor:
    """The squared norm of each of `rows` `[n, n_entries]`, `[n]`, in double precision: squares of float32 neither over- nor underflow.

    >>> scales = torch.tensor([[2.0**100], [2.0**-100]])
    >>> (squared_norms(torch.tensor([3.0, 4.0]) * scales) / scales.double().square().flatten()).tolist()
    [25.0, 25.0]
    """
    if rows.device.type == "cpu" and rows.dtype != torch.float64 and rows.numel() > BLOCK_ELEMENTS:
        doubles = (row.double() for row in rows)
        return torch.stack([torch.dot(row, row) for row in doubles])
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms.square()


def gamma(count: int, dtype: torch.dtype) -> float:
    """Higham's gamma: a bound of the relative error of `count` roundings in `dtype`, one after another.

    >>> round(gamma(8, torch.float32) * 2**21, 5)
    1.0
    """
    small = count * torch.finfo(dtype).eps / 2
    return small / (1 - small)
