"""One training over several processes (ranks) that PyTorch's launcher started; without a launcher there is one.

Every unit belongs to one rank, which samples it by itself and with its own entropy: together the ranks sample as one process would. Sums
of clipped gradients come together on the first rank, get their noise there, once, and go back to all. So the mechanism, and its
accounting, is that of one process; what leaves it is the noised sum.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Attributes:
        rank: from 0.
        size: 1 where there is no launcher.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank adds noise, keeps checkpoints and speaks to the run store."""
        return self.rank == 0

    def own(self, n_units: int) -> NDArray[np.intp]:
        """The units that this rank samples."""
        return np.arange(self.rank, n_units, self.size)

    def agreed(self, value: int) -> int:
        """The first rank's `value`, on every rank."""
        if self.size == 1:
            return value
        told = torch.tensor([value])
        distributed.broadcast(told, src=0)
        return int(told.item())

    def sum_on_first(self, tensors: list[Tensor]) -> None:
        """Add the ranks' `tensors` up, in place, on the first rank; what the others hold afterwards means nothing."""
        if self.size > 1:
            for tensor in tensors:
                distributed.reduce(tensor, dst=0)

    def spread_from_first(self, tensors: list[Tensor]) -> None:
        """Put the first rank's `tensors` into everybody's, in place."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)


def ranks_here() -> Ranks:
    """The ranks of this process's group."""
    if not distributed.is_available() or not distributed.is_initialized():
        return Ranks()
    return Ranks(distributed.get_rank(), distributed.get_world_size())
