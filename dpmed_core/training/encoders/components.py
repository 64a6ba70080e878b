"""The kinds of an image's public features put together at norm 1; NumPy alone."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import ADDED, COMPONENTS

Features = NDArray[np.float32]
SMALLEST_NORM = 1e-3
"""Features closer than this to the mean features are not scaled up to norm 1."""


def leading_components(features: NDArray[np.float32], components: Mapping[str, int]) -> NDArray[np.float32]:
    """The leading components of each kind of feature, each kind at the same norm and all together at norm 1.

    Args:
        features: `[n, sum of COMPONENTS]`, the kinds one after another; behind them those of an added encoder.
        components: how many of each kind; of an added encoder where it is named.
    """
    # The first column of each kind.
    begins = dict(zip((*COMPONENTS, ADDED), np.cumsum([0, *COMPONENTS.values()]), strict=True))
    read = (*COMPONENTS, *([ADDED] if ADDED in components else []))
    kinds = [unit_norm(features[:, begins[kind] : begins[kind] + components[kind]]) for kind in read]
    return np.concatenate(kinds, axis=1) * np.float32(len(kinds) ** -0.5)


def unit_norm(features: NDArray[np.floating]) -> Features:
    """Each image's features scaled to norm 1; those that are not finite, or of norm 0, become 0.

    The bound on what an image contributes to the private release of means rests on this norm. (3, 4) has norm 5:

    >>> unit_norm(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]])).astype(float).round(6).tolist()
    [[0.6, 0.8], [0.0, 0.0], [0.0, 0.0]]
    """
    x = np.asarray(features, dtype=np.float32)
    # Squares in double precision: the norm must not exceed 1 by more than the rounding of the result.
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    usable = np.isfinite(squares) & (squares > 0)
    scales = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1.0)), 0.0)
    return np.where(usable[:, None], x, np.float32(0)) * scales[:, None].astype(np.float32)
