"""A network that was trained on public, labelled images: what a network of the same recipe begins at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

HEAD = ("head.weight", "head.bias")
"""The tensors of a network's last layer, which have a row for each finding."""


@dataclass(frozen=True, eq=False)
class PublicNetwork:
    """A trained network, all of its weights, for some findings.

    Attributes:
        weights: tensors by name; those of `HEAD` have a row for each finding, of zeros where the start knows nothing of it.
        begins: whether the start knows something of each finding, `[n_findings]`.
    """

    weights: Mapping[str, np.ndarray] = field(repr=False)
    begins: NDArray[np.bool_]

    def of(self, findings: Sequence[str], choice: Sequence[tuple[str, str]], public: Sequence[str]) -> "PublicNetwork":
        """The network for the findings of a cohort; arguments as of `PublicHead.of`."""
        taken = dict(choice)
        row = np.array([public.index(taken[finding]) if finding in taken else -1 for finding in findings])
        begins = row >= 0
        of_head = {}
        for name in HEAD:
            rows = np.zeros((len(row), *self.weights[name].shape[1:]), dtype=np.float32)
            rows[begins] = self.weights[name][row[begins]]
            of_head[name] = rows
        return replace(self, weights={**self.weights, **of_head}, begins=begins)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """The weights by name, for safetensors."""
        return dict(self.weights)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "PublicNetwork":
        """The network that `to_tensors` wrote, for all of its findings.

        Raises:
            KeyError: it has no last layer.
            ValueError: the parts of its last layer do not fit.
        """
        (n_findings,) = {len(tensors[name]) for name in HEAD}
        return cls(tensors, np.ones(n_findings, dtype=bool))
