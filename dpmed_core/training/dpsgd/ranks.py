"""One training over several processes (ranks) that PyTorch's launcher started; without a launcher there is one.

Every unit belongs to one rank, which samples it independently and with entropy of its own, so that together the ranks draw a Poisson sample
as one process would. Sums of clipped gradients are added up on the first rank, get their noise there, once, and are sent back to all. The
mechanism and its accounting are those of one process: the step's only output is the noised sum.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank, and the number of processes that train together.

    Attributes:
        rank: from 0.
        size: number of processes; 1 without a launcher.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank adds the noise, writes checkpoints and talks to the run store."""
        return self.rank == 0

    def own_units(self, n_units: int) -> NDArray[np.intp]:
        """The units that this rank samples; each of 0 to `n_units` - 1 belongs to exactly one rank."""
        return np.arange(self.rank, n_units, self.size)  # fixed by number, so that no unit is sampled twice or never

    def broadcast_value(self, value: int) -> int:
        """The first rank's `value`, on every rank."""
        if self.size == 1:
            return value
        # All ranks must call this in the same order: it waits for every one of them.
        sent = torch.tensor([value])
        distributed.broadcast(sent, src=0)
        return int(sent.item())

    def reduce_to_first(self, tensors: list[Tensor]) -> None:
        """Add up the ranks' `tensors`, in place, on the first rank; on the others their content is undefined afterwards."""
        if self.size > 1:
            for tensor in tensors:
                sent = tensor.cpu()  # the tensor itself, where it is on the CPU; gloo reduces nothing elsewhere
                distributed.reduce(sent, dst=0)
                tensor.copy_(sent)

    def broadcast_from_first(self, tensors: list[Tensor]) -> None:
        """Copy the first rank's `tensors` to all ranks, in place."""
        if self.size > 1:
            for tensor in tensors:
                sent = tensor.cpu()
                distributed.broadcast(sent, src=0)
                tensor.copy_(sent)


def process_group() -> ProcessGroup:
    """The group of processes that this one trains in; one process where PyTorch's launcher started none."""
    if not distributed.is_available() or not distributed.is_initialized():
        return ProcessGroup()
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())
