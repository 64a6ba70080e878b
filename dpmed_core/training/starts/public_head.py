"""The head of a public start: from an image's public features to one feature of its own for each finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import SMALLEST_NORM, leading_components

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PublicHead:
    """A linear head on all components of the public features, trained on public images alone.

    Attributes:
        weights: `[n_features, n_findings]`.
        centre: `[n_features]`, subtracted from an image's features before they are scaled to norm 1.
        zero: the mean over public images of what the weights give, `[n_findings]`; subtracted.
        middle: the mean logit over public images, `[n_findings]`.
        spread: standard deviation of the logit over public images by heads that were not trained on them, `[n_findings]`; 0 for a finding
            of which the start knows nothing.
    """

    weights: Array = field(repr=False)
    centre: Array = field(repr=False)
    zero: Array = field(repr=False)
    middle: Array = field(repr=False)
    spread: Array = field(repr=False)

    reads_outputs = False
    """Whether `own_features` needs the phantom network's outputs behind the features."""

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether the start knows something of each finding, `[n_findings]`."""
        return self.spread > 0

    @property
    def start_weights(self) -> Array:
        """The weights of the findings' own features with which a private head begins, `[n_findings]`."""
        return 2 * self.spread

    def own_features(self, features: NDArray[np.float32]) -> Array:
        """tanh(l / (2 spread)), `[n, n_findings]` in (-1, 1), l being the logit less the mean over public images.

        Centred on public images: centring on the cohort's own would be a release of its patients' data.

        Args:
            features: public features `[n, sum of COMPONENTS]`, as an encoder gives them.
        """
        known = self.spread > 0
        return np.where(known, np.tanh(self._logits(features) / np.where(known, self.start_weights, 1)), 0)

    def probabilities(self, own: Array) -> Array:
        """What the start alone gives images of these own features, `[n, n_findings]`: its probability on public images."""
        return np.asarray(1 / (1 + np.exp(-(self.middle + self.start_weights * own))))

    def of(self, findings: Sequence[str], choice: Sequence[tuple[str, str]], public: Sequence[str]) -> "PublicHead":
        """The head for the findings of a cohort.

        Args:
            findings: of the cohort, in its order.
            choice: pairs (finding of the cohort, finding of the start); one that is missing starts at 0.
            public: findings of the start, in the order of its columns.
        """
        taken = dict(choice)
        column = np.array([public.index(taken[finding]) if finding in taken else -1 for finding in findings])
        kept = (column >= 0).astype(np.float64)
        by_finding = {name: getattr(self, name)[column] * kept for name in ("zero", "middle", "spread")}
        return replace(self, weights=self.weights[:, column] * kept, **by_finding)

    def to_tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """The arrays by name, for safetensors."""
        return {f"{prefix}{name.name}": np.ascontiguousarray(getattr(self, name.name), dtype=np.float64) for name in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], prefix: str = "") -> "PublicHead":
        """The head that `to_tensors` wrote.

        Raises:
            KeyError: an array is missing.
        """
        return cls(*(np.asarray(tensors[f"{prefix}{name.name}"], dtype=np.float64) for name in fields(cls)))

    def _logits(self, features: NDArray[np.float32]) -> Array:
        """Logits `[n, n_findings]`, less their mean over public images."""
        centred = leading_components(features, COMPONENTS).astype(np.float64) - self.centre
        norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), SMALLEST_NORM)
        return np.asarray(centred @ self.weights / norms - self.zero)
