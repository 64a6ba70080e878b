"""A stored run's model, ready to be asked again; no torch until it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpmed_core.imaging.modality import Modality
from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import RunSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class StoredModel:
    """What the run store keeps of a trained model, and where public parts of it lie.

    Attributes:
        result: the run's facts.
        weights: tensors by name.
        encoders_dir: where the public encoders lie.
        modality: what its cohort's images are.
    """

    result: RunResult
    weights: Mapping[str, np.ndarray] = field(repr=False)
    encoders_dir: Path
    modality: Modality

    @property
    def spec(self) -> RunSpec:
        """The question that the model answers."""
        return self.result.spec


@dataclass(frozen=True, eq=False)
class Explainable:
    """A model as a differentiable function of its input.

    Attributes:
        network: from inputs to logits `[n, n_findings]`, in evaluation mode.
        to_input: cases as stored, `[n, ...]`, to the network's input `[n, 1, *positions]`.
        cam_layer: the last layer that still knows positions, whose output alone decides; None where there is no such layer.
    """

    network: "nn.Module"
    to_input: "Callable[[NDArray[np.generic]], Tensor]"
    cam_layer: "nn.Module | None"


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model that was put together again.

    Attributes:
        score: probabilities `[n, n_findings]` of cases as the cohort stores them, `[n, ...]`.
        explainable: the same model as a differentiable function.
        untrained: the same architecture with weights that saw no data, a public function of a seed; what explanations are checked against.
        score_features: as `score`, from public features `[n, n_features]`; None where the model does not go by them.
    """

    score: Callable[[NDArray[np.generic]], NDArray[np.float64]]
    explainable: Callable[[], Explainable]
    untrained: Callable[[int], Explainable]
    score_features: Callable[[NDArray[np.floating]], NDArray[np.float64]] | None = None
