"""What is asked of a training run: everything that can change its result or its guarantee, nothing else."""

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum

from dpmed_core.errors import SpecError


class PrivacyUnit(StrEnum):
    """What the training samples, clips and protects as one."""

    PATIENT = "patient"
    IMAGE = "image"


@dataclass(frozen=True)
class PrivacyTarget:
    """The guarantee asked for: (epsilon, delta)-differential privacy, add-or-remove-one neighbours.

    Source: Dwork & Roth 2014, "The Algorithmic Foundations of Differential Privacy", definition 2.4.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", float(self.epsilon))
        object.__setattr__(self, "delta", float(self.delta))
        if not (0 < self.epsilon <= 1000 and math.isfinite(self.epsilon)):
            raise SpecError(f"epsilon {self.epsilon:g} cannot be trained: choose a value above 0 and at most 1000.")
        if not 0 < self.delta < 0.1:
            raise SpecError(f"delta {self.delta:g} cannot be used: choose a value above 0 and below 0.1.")


@dataclass(frozen=True)
class RunSpec:
    """One question to train an answer to.

    Attributes:
        cohort_fingerprint: which data, as stored.
        split_seed: labels the assignment of patients to parts; None for the source's own split.
        recipe: name of the recipe.
        recipe_version: version of the recipe; a changed recipe is another question.
        unit: what is sampled, averaged and (in private runs) clipped and protected as one.
        privacy: the guarantee asked for; None trains the non-private twin.
        seed: labels the replicate and fixes the public choices (initial weights); never noise or sampling.
    """

    cohort_fingerprint: str
    split_seed: int | None
    recipe: str
    recipe_version: int
    unit: PrivacyUnit
    privacy: PrivacyTarget | None
    seed: int

    def canonical_json(self) -> str:
        """The spec as JSON in which equal questions are equal texts."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """The spec that `canonical_json` wrote."""
        fields = json.loads(text)
        privacy = fields.pop("privacy")
        unit = PrivacyUnit(fields.pop("unit"))
        return cls(**fields, unit=unit, privacy=PrivacyTarget(**privacy) if privacy else None)


def default_delta(n_units: int) -> float:
    """min(1e-5, the largest power of ten that is at most 1 / (10 n_units))."""
    return min(1e-5, 10.0 ** math.floor(-math.log10(10 * max(n_units, 1))))
