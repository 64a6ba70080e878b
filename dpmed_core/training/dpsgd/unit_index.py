"""Which images of a micro-batch belong to which unit."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a micro-batch; every image belongs to one.

    Attributes:
        of_film: `[n_images]`, the number of each image's unit.
        n_units: units.
    """

    of_image: Tensor
    n_units: int

    @cached_property
    def one_image_each(self) -> bool:
        """Whether image i is all of unit i."""
        return len(self.of_image) == self.n_units and bool((self.of_image == torch.arange(self.n_units, device=self.of_image.device)).all())

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Images (i, j), i <= j, of one unit."""
        together = self.of_image[:, None] == self.of_image[None, :]
        first, second = torch.triu(together).nonzero(as_tuple=True)
        return first, second

    def sums(self, images: Tensor) -> Tensor:
        """`images` `[n_images, ...]` summed by unit, `[n_units, ...]`."""
        if self.one_image_each:
            return images
        return images.new_zeros(self.n_units, *images.shape[1:]).index_add_(0, self.of_image, images)

    def sums_of_rows(self, rows: Tensor) -> Tensor:
        """`rows` `[n_rows, ...]` summed by image, `[n_images, ...]`, where an image comes as several of them (a volume's slices), one after
        another."""
        n_images = len(self.of_image)
        return rows if len(rows) == n_images else rows.reshape(n_images, -1, *rows.shape[1:]).sum(1)

    def sums_over_pairs(self, products: Tensor) -> Tensor:
        """For each unit the sum over all i, j of its images, given `products` `[n_pairs]` of `pairs`, which are symmetric in i and j."""
        first, second = self.pairs
        counted = torch.where(first == second, products, 2 * products)
        return products.new_zeros(self.n_units).index_add_(0, self.of_image[first], counted)
