"""Which images of a micro-batch belong to which unit."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a micro-batch; every image belongs to exactly one, and units are whole.

    Attributes:
        of_image: the index of each image's unit, `[n_images]`.
        n_units: number of units.
    """

    of_image: Tensor
    n_units: int

    @cached_property
    def one_image_each(self) -> bool:
        """Whether unit i consists of image i alone, for all i."""
        return len(self.of_image) == self.n_units and bool((self.of_image == torch.arange(self.n_units, device=self.of_image.device)).all())

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """All pairs of images (i, j), i <= j, of the same unit."""
        together = self.of_image[:, None] == self.of_image[None, :]
        first, second = torch.triu(together).nonzero(as_tuple=True)
        return first, second

    def sums(self, images: Tensor) -> Tensor:
        """`images` `[n_images, ...]` summed by unit, `[n_units, ...]`."""
        if self.one_image_each:  # the usual case of one image per patient costs no copy
            return images
        return images.new_zeros(self.n_units, *images.shape[1:]).index_add_(0, self.of_image, images)

    def sums_of_rows(self, rows: Tensor) -> Tensor:
        """`rows` `[n_rows, ...]` summed by image, `[n_images, ...]`; an image's rows (a volume's slices) stand one after another."""
        n_images = len(self.of_image)
        return rows if len(rows) == n_images else rows.reshape(n_images, -1, *rows.shape[1:]).sum(1)

    @cached_property
    def n_images(self) -> Tensor:
        """The number of each unit's images, `[n_units]`; 0 for a unit without."""
        return torch.bincount(self.of_image, minlength=self.n_units)

    def sums_over_pairs(self, products: Tensor, pairs: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """For each unit the sum over all of its images i and j of `products` `[n_pairs]`, symmetric in i and j and given for `pairs`.

        Without `pairs` they are those of all units; a unit that has none of them gets 0.

        One unit of two images, whose gradients (3, 0) and (0, 4) have the products 9, 0 and 16 and a sum of squared norm 25:

        >>> Units(torch.tensor([0, 0]), 1).sums_over_pairs(torch.tensor([9.0, 0.0, 16.0])).tolist()
        [25.0]
        """
        first, second = pairs or self.pairs
        # A pair i < j stands for (j, i) as well.
        counted = torch.where(first == second, products, 2 * products)
        return products.new_zeros(self.n_units).index_add_(0, self.of_image[first], counted)
