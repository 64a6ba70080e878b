"""Types for a finished run's model, as stored and as rebuilt for inference; torch is loaded only when a model is used."""

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


@dataclass(frozen=True, eq=False)  # here and elsewhere: arrays cannot be compared to one truth value
class StoredModel:
    """What the run store keeps of a trained model, and the folder of its public parts.

    Attributes:
        result: the run's facts.
        weights: tensors by name.
        encoders_dir: folder of the public encoders.
        modality: modality of the cohort's images.
        added_dir: folder of the added encoders; None for that of the public ones.
    """

    result: RunResult
    weights: Mapping[str, np.ndarray] = field(repr=False)
    encoders_dir: Path
    modality: Modality
    added_dir: Path | None = None

    @property
    def spec(self) -> RunSpec:
        """The run's specification."""
        return self.result.spec


@dataclass(frozen=True, eq=False)
class Explainable:
    """A model as a differentiable function of its input.

    Attributes:
        network: from inputs to logits `[n, n_findings]`, in evaluation mode.
        to_input: from cases as stored, `[n, ...]`, to the network's input `[n, 1, *positions]`.
        cam_layer: a late layer with spatial positions through whose output alone the logits depend on the image; None where there is none.
    """

    network: "nn.Module"
    to_input: "Callable[[NDArray[np.generic]], Tensor]"
    cam_layer: "nn.Module | None"


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model, rebuilt from its stored weights.

    Attributes:
        score: probabilities `[n, n_findings]` of cases as the cohort stores them, `[n, ...]`.
        explainable: gives the same model as a differentiable function.
        untrained: gives the same architecture with weights that saw no data, a public function of a seed, for the sanity check of
            explanation maps.
        score_features: as `score`, from public features `[n, n_features]`; None for models that do not use them.
    """

    score: Callable[[NDArray[np.generic]], NDArray[np.float64]]
    explainable: Callable[[], Explainable]
    untrained: Callable[[int], Explainable]
    score_features: Callable[[NDArray[np.floating]], NDArray[np.float64]] | None = None
