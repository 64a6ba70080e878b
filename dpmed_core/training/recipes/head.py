"""A trained linear head, and what it says of images."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.components import SMALLEST_NORM

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Head:
    """A trained head; of a private training it holds released numbers alone.

    Attributes:
        weights: `[n_features, n_findings]`.
        offset: `[n_findings]`, added to the logits.
        centre: `[n_features]`, subtracted from an image's features before they are scaled to norm 1.
        own: weights of the findings' own features, `[n_findings]`; None without a public start.
    """

    weights: Array = field(repr=False)
    offset: Array = field(repr=False)
    centre: Array = field(repr=False)
    own: Array | None = field(default=None, repr=False)

    @property
    def n_parameters(self) -> int:
        """How many numbers were trained; the centre is released, not trained."""
        return sum(int(array.size) for array in (self.weights, self.offset, self.own) if array is not None)

    def probabilities(self, features: NDArray[np.floating], own: Array | None = None) -> Array:
        """Probabilities `[n_images, n_findings]` of images.

        Args:
            features: `[n_images, n_features]`, each of norm 1.
            own: the findings' own features `[n_images, n_findings]`; for heads with a public start.
        """
        return sigmoid(self.logits(features, own))

    def logits(self, features: NDArray[np.floating], own: Array | None = None) -> Array:
        """Logits `[n_images, n_findings]`; the arguments are those of `probabilities`."""
        centred = np.asarray(features, dtype=np.float64) - self.centre
        norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), SMALLEST_NORM)
        logits = np.asarray(centred @ self.weights / norms + self.offset)
        return logits if own is None or self.own is None else logits + own * self.own


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-logits)), for logits cut off at -60 and 60 so that nothing overflows.

    >>> sigmoid(np.array([0.0, np.log(3.0), -1e6])).round(6).tolist()
    [0.5, 0.75, 0.0]
    """
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))
