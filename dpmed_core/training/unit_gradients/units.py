"""Which films of a micro-batch belong to which unit."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a micro-batch; every film belongs to one.

    Attributes:
        of_film: `[n_films]`, the number of each film's unit.
        n_units: units.
    """

    of_film: Tensor
    n_units: int

    @cached_property
    def one_film_each(self) -> bool:
        """Whether film i is all of unit i."""
        return len(self.of_film) == self.n_units and bool((self.of_film == torch.arange(self.n_units, device=self.of_film.device)).all())

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Films (i, j), i <= j, of one unit."""
        together = self.of_film[:, None] == self.of_film[None, :]
        first, second = torch.triu(together).nonzero(as_tuple=True)
        return first, second

    def sums(self, films: Tensor) -> Tensor:
        """`films` `[n_films, ...]` summed by unit, `[n_units, ...]`."""
        if self.one_film_each:
            return films
        return films.new_zeros(self.n_units, *films.shape[1:]).index_add_(0, self.of_film, films)

    def sums_of_rows(self, rows: Tensor) -> Tensor:
        """`rows` `[n_rows, ...]` summed by film, `[n_films, ...]`, where a film comes as several of them (a volume's slices), one after
        another."""
        n_films = len(self.of_film)
        return rows if len(rows) == n_films else rows.reshape(n_films, -1, *rows.shape[1:]).sum(1)

    def sums_over_pairs(self, products: Tensor) -> Tensor:
        """For each unit the sum over all i, j of its films, given `products` `[n_pairs]` of `pairs`, which are symmetric in i and j."""
        first, second = self.pairs
        counted = torch.where(first == second, products, 2 * products)
        return products.new_zeros(self.n_units).index_add_(0, self.of_film[first], counted)
