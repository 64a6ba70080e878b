"""What a private head begins at: the head of a public cohort, or the phantom network's own outputs."""

from collections.abc import Mapping

import numpy as np

from dpmed_core.training.starts.phantom_start import PhantomStart
from dpmed_core.training.starts.public_head import PublicHead

Start = PublicHead | PhantomStart


def start_from_tensors(tensors: Mapping[str, np.ndarray], prefix: str = "") -> Start:
    """The start that `to_tensors` wrote among a run's tensors.

    Raises:
        KeyError: an array is missing.
    """
    kind = PhantomStart if f"{prefix}members" in tensors else PublicHead
    return kind.from_tensors(tensors, prefix)
