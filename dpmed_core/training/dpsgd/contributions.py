"""One layer's contribution to the units' gradients of one parameter: written out, or as factors from which norm and sum follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpmed_core.training.dpsgd.clipping_norms import LARGEST_INPUT, LARGEST_LOSS, NormBounds, rounding_of_sum
from dpmed_core.training.dpsgd.unit_index import Units


class Contribution(Protocol):
    """The gradients of one parameter, for all units of a micro-batch."""

    def norm_bounds(self, units: Units) -> NormBounds:
        """Bounds of each unit's norm and of what rounding can add to it in `clipped_sum`; not finite where the gradient is not."""

    def squared_norms(self, units: Units) -> Tensor:
        """The squared norm of each unit's gradient, `[n_units]`, in double precision, rounded up."""

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """The sum over units of `factors` `[n_units]` times the unit's gradient, flat; a unit with factor 0 adds exactly 0, even if NaN."""

    def written_out(self, units: Units, which: Tensor) -> "Contribution":
        """The same gradients; those of the units `which` `[n_units]` are vectors, whose norms are known to the last bits."""

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

    def norm_bounds(self, units: Units) -> NormBounds:
        """See `Contribution.norm_bounds`."""
        del units
        return NormBounds.of_vectors(self.by_unit)

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        return self.norm_bounds(units).squared_norms

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """See `Contribution.clipped_sum`."""
        del units
        return factors @ zero_where_dropped(self.by_unit, factors)

    def written_out(self, units: Units, which: Tensor) -> Contribution:
        """See `Contribution.written_out`."""
        del units, which
        return self

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
        gram_matrices: of inputs and output gradients of images i and j, by row, `[n_pairs, n_rows * n_rows]` each, in double precision;
            the sum of their product over all entries is <G_i, G_j>.
        n_rows: outer products that are summed in the gradient of one image.
        length: the lengths of the inner products in both Gram matrices, together.
        weighted_sum: the ordinary gradient of inputs and output gradients, which is linear in the latter.
        by_image: gives the gradient of each image, `[n_images, ...]`.
    """

    inputs: Tensor
    output_gradients: Tensor
    gram_matrices: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    n_rows: int
    length: int
    weighted_sum: Callable[[Tensor, Tensor], Tensor]
    by_image: Callable[[Tensor, Tensor], Tensor]

    def norm_bounds(self, units: Units) -> NormBounds:
        """See `Contribution.norm_bounds`."""
        return self.bounds_from_pairs(units, units.pairs)

    def bounds_from_pairs(self, units: Units, pairs: tuple[Tensor, Tensor]) -> NormBounds:
        """`norm_bounds` of the units that `pairs` of images belong to; those of other units mean nothing."""
        of_inputs, of_gradients = self.gram_matrices(self.inputs.double(), self.output_gradients.double(), *pairs)
        products = torch.linalg.vecdot(of_inputs, of_gradients)
        magnitudes = torch.linalg.vecdot(of_inputs.abs_(), of_gradients.abs_())
        bounds = NormBounds.of_sums(
            units.sums_over_pairs(products, pairs),
            units.sums_over_pairs(magnitudes, pairs),
            self.rows_of_units(units),
            length=self.length,
            dtype=self.output_gradients.dtype,
        )
        # Among the pairs (i, i) are the squared norms of all rows.
        too_large = units.sums_over_pairs((of_inputs.amax(1) > LARGEST_INPUT**2).double(), pairs) > 0
        return NormBounds(bounds.squared_norms, bounds.rounding.masked_fill(too_large, torch.inf))

    def rows_of_units(self, units: Units) -> Tensor:
        """The outer products that are summed in the gradient of each unit, `[n_units]`."""
        return units.n_images * self.n_rows

    def without_long_sums(self, units: Units) -> "Contribution":
        """The same gradients, those of so many terms written out that their rounding could exceed `LARGEST_LOSS`."""
        return self.written_out(units, rounding_of_sum(self.rows_of_units(units), self.output_gradients.dtype) > LARGEST_LOSS)

    def written_out(self, units: Units, which: Tensor) -> "Contribution":
        """See `Contribution.written_out`."""
        return PartlyWrittenOut.of(self, units, which) if which.any() else self

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        return self.norm_bounds(units).squared_norms

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


@dataclass(frozen=True, eq=False)
class PartlyWrittenOut:
    """Factored gradients, but those of some units written out.

    Attributes:
        factored: the gradients of all units.
        which: whether a unit's gradient is written out, `[n_units]`.
        vectors: the gradients that are, in the order of units.
    """

    factored: FactoredGradients
    which: Tensor
    vectors: ExplicitGradients

    @classmethod
    def of(cls, factored: FactoredGradients, units: Units, which: Tensor) -> "PartlyWrittenOut":
        """`factored`, with the gradients of the units `which` `[n_units]` (at least one) written out."""
        images = [units.of_image == unit for unit in which.nonzero().flatten()]
        vectors = [factored.weighted_sum(factored.inputs[own], factored.output_gradients[own]).flatten() for own in images]
        return cls(factored, which, ExplicitGradients(torch.stack(vectors)))

    def norm_bounds(self, units: Units) -> NormBounds:
        """See `Contribution.norm_bounds`."""
        if self.which.all():
            return self.vectors.norm_bounds(units)
        first, second = units.pairs
        others = ~self.which[units.of_image[first]]
        bounds, written = self.factored.bounds_from_pairs(units, (first[others], second[others])), self.vectors.norm_bounds(units)
        return NormBounds(
            bounds.squared_norms.masked_scatter(self.which, written.squared_norms),
            bounds.rounding.masked_scatter(self.which, written.rounding),
        )

    def squared_norms(self, units: Units) -> Tensor:
        """See `Contribution.squared_norms`."""
        return self.norm_bounds(units).squared_norms

    def clipped_sum(self, units: Units, factors: Tensor) -> Tensor:
        """See `Contribution.clipped_sum`."""
        if self.which.all():
            return self.vectors.clipped_sum(units, factors)
        # A unit adds to one of both sums, and exactly 0 to the other.
        of_factored = self.factored.clipped_sum(units, factors.masked_fill(self.which, 0))
        return of_factored + self.vectors.clipped_sum(units, factors[self.which])

    def written_out(self, units: Units, which: Tensor) -> Contribution:
        """See `Contribution.written_out`."""
        return PartlyWrittenOut.of(self.factored, units, self.which | which)

    def explicit(self, units: Units) -> ExplicitGradients:
        """See `Contribution.explicit`."""
        return self.factored.explicit(units)


def zero_where_dropped(rows: Tensor, factors: Tensor) -> Tensor:
    """`rows` with zeros where the factor is 0, since 0 times NaN or infinity would be NaN and spoil the whole sum.

    >>> zero_where_dropped(torch.tensor([[float("nan")], [2.0]]), torch.tensor([0.0, 0.5])).tolist()
    [[0.0], [2.0]]
    """
    dropped = factors == 0
    if not dropped.any():
        return rows
    return rows.masked_fill(dropped.view(-1, *[1] * (rows.ndim - 1)), 0)
