"""What a private model begins at: a head at the head of a public cohort or the phantom network's outputs, a network at a public one."""

from collections.abc import Mapping

import numpy as np

from dpmed_core.training.starts.phantom_start import PhantomStart
from dpmed_core.training.starts.public_head import PublicHead
from dpmed_core.training.starts.public_network import PublicNetwork

HeadStart = PublicHead | PhantomStart
Start = HeadStart | PublicNetwork


def start_from_tensors(tensors: Mapping[str, np.ndarray], prefix: str = "") -> HeadStart:
    """The head's start that `to_tensors` wrote among a run's tensors.

    Raises:
        KeyError: an array is missing.
    """
    kind = PhantomStart if f"{prefix}members" in tensors else PublicHead
    return kind.from_tensors(tensors, prefix)
