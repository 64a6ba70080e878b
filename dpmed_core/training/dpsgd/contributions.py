"""One layer's contribution to the units' gradients of one parameter: written out, or as factors from which norm and sum follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpmed_core.training.dpsgd.unit_index import Units


class Contribution(Protocol):
    """The gradients of one parameter, for all units of a micro-batch."""

    def squared_norms(self, units: Units) -> Tensor:
        """The squared norm of each unit's gradient, `[n_units]`."""

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """The sum over units of `factors` `[n_units]` times the unit's gradient, flat; a unit with factor 0 adds exactly 0, even if NaN."""

    def explicit(self, units: Units) -> "ExplicitGradients":
        """The same gradients, written out for each unit."""


@dataclass(frozen=True, eq=False)
class ExplicitGradients:
    """Gradients written out.

    Attributes:
        by_unit: each unit's gradient, flat, `[n_units, n_entries]`.
    """

    by_unit: Tensor

    @classmethod
    def of_images(cls, by_image: Tensor, units: Units) -> "ExplicitGradients":
        """The gradients of units, as sums of their images' gradients `[n_images, ...]`."""
        return cls(units.sums(by_image.flatten(1)))

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        del units
        norms: Tensor = torch.linalg.vector_norm(self.by_unit, dim=1)
        return norms.square()

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """See `Contribution.clipped_sum`."""
        del units
        return factors @ zero_where_dropped(self.by_unit, factors)

    def explicit(self, units: Units) -> "ExplicitGradients":
        """See `Contribution.explicit`."""
        del units
        return self

    def plus(self, other: "ExplicitGradients") -> "ExplicitGradients":
        """The sum of both, for a parameter that was used twice."""
        return ExplicitGradients(self.by_unit + other.by_unit)


@dataclass(frozen=True, eq=False)
class FactoredGradients:
    """Gradients as the layer's inputs and output gradients: cheaper than writing them out where the parameter is large and the map small.

    The norm of a unit's gradient G_u = sum over its images of G_i follows from inner products of images' gradients, as
    |G_u|^2 = sum over its images i, j of <G_i, G_j>; the clipped sum is an ordinary weight gradient of output gradients scaled by each
    unit's factor ("ghost clipping": Goodfellow 2015, arXiv 1510.01799; Li et al. 2022, arXiv 2110.05679).

    Attributes:
        inputs: of the layer, `[n_images, ...]`.
        output_gradients: of the layer, `[n_images, ...]`.
        pair_products: gives <G_i, G_j> `[n_pairs]` for images i and j.
        weighted_sum: the ordinary gradient of inputs and output gradients, which is linear in the latter.
        by_image: gives the gradient of each image, `[n_images, ...]`.
    """

    inputs: Tensor
    output_gradients: Tensor
    pair_products: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    weighted_sum: Callable[[Tensor, Tensor], Tensor]
    by_image: Callable[[Tensor, Tensor], Tensor]

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        products = self.pair_products(self.inputs, self.output_gradients, *units.pairs)
        return units.sums_over_pairs(products).clamp(min=0)  # a sum of squares, which rounding may carry below 0

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """See `Contribution.clipped_sum`."""
        of_image = factors[units.of_image]
        # Inputs too: the weight gradient multiplies them with the zeros of a dropped unit, and 0 times NaN would be NaN.
        inputs, gradients = zero_where_dropped(self.inputs, of_image), zero_where_dropped(self.output_gradients, of_image)
        weights = of_image.view(-1, *[1] * (gradients.ndim - 1))
        return self.weighted_sum(inputs, gradients * weights).flatten()

    def explicit(self, units: Units) -> ExplicitGradients:
        """See `Contribution.explicit`."""
        return ExplicitGradients.of_images(self.by_image(self.inputs, self.output_gradients), units)


def zero_where_dropped(rows: Tensor, factors: Tensor) -> Tensor:
    """`rows` with zeros where the factor is 0, since 0 times NaN or infinity would be NaN and spoil the whole sum.

    >>> zero_where_dropped(torch.tensor([[float("nan")], [2.0]]), torch.tensor([0.0, 0.5])).tolist()
    [[0.0], [2.0]]
    """
    dropped = factors == 0
    if not dropped.any():
        return rows
    return rows.masked_fill(dropped.view(-1, *[1] * (rows.ndim - 1)), 0)
