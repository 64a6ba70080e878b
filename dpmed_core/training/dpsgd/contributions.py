"""What one layer contributes to the units' gradients of one parameter: kept as it is, or as factors from which norm and sum follow."""

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
        """The sum over units of `factors` `[n_units]` times the unit's gradient, flat; a unit with factor 0 counts nothing, NaN or not."""

    def kept(self, units: Units) -> "KeptGradients":
        """The same, written out for each unit."""


@dataclass(frozen=True, eq=False)
class KeptGradients:
    """Gradients written out.

    Attributes:
        by_unit: `[n_units, n_entries]`.
    """

    by_unit: Tensor

    @classmethod
    def of_images(cls, by_image: Tensor, units: Units) -> "KeptGradients":
        """Images' gradients `[n_images, ...]`, summed by unit."""
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

    def kept(self, units: Units) -> "KeptGradients":
        """See `Contribution.kept`."""
        del units
        return self

    def plus(self, other: "KeptGradients") -> "KeptGradients":
        """Both, where one parameter was used twice."""
        return KeptGradients(self.by_unit + other.by_unit)


@dataclass(frozen=True, eq=False)
class FactoredGradients:
    """Gradients as the layer's inputs and output gradients: cheaper than writing them out where the parameter is large and the map small.

    Attributes:
        inputs: of the layer, `[n_images, ...]`.
        output_gradients: of the layer, `[n_images, ...]`.
        pair_products: gives <gradient of image i, gradient of image j> `[n_pairs]` for images i and j.
        weighted_sum: the ordinary gradient of inputs and output gradients, which is linear in the latter.
        by_film: the gradient of each image, `[n_images, ...]`.
    """

    inputs: Tensor
    output_gradients: Tensor
    pair_products: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    weighted_sum: Callable[[Tensor, Tensor], Tensor]
    by_image: Callable[[Tensor, Tensor], Tensor]

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        products = self.pair_products(self.inputs, self.output_gradients, *units.pairs)
        return units.sums_over_pairs(products).clamp(min=0)

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """See `Contribution.clipped_sum`."""
        of_image = factors[units.of_image]
        inputs, gradients = zero_where_dropped(self.inputs, of_image), zero_where_dropped(self.output_gradients, of_image)
        weights = of_image.view(-1, *[1] * (gradients.ndim - 1))
        return self.weighted_sum(inputs, gradients * weights).flatten()

    def kept(self, units: Units) -> KeptGradients:
        """See `Contribution.kept`."""
        return KeptGradients.of_images(self.by_image(self.inputs, self.output_gradients), units)


def zero_where_dropped(rows: Tensor, factors: Tensor) -> Tensor:
    """`rows` with zeros where the factor is 0: 0 times NaN would be NaN."""
    dropped = factors == 0
    if not dropped.any():
        return rows
    return rows.masked_fill(dropped.view(-1, *[1] * (rows.ndim - 1)), 0)
