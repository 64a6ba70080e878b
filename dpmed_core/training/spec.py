"""A run's specification: everything that can change its result or its guarantee, and nothing else."""

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
    """The guarantee to train for: (epsilon, delta)-differential privacy for zero-out neighbours.

    Source: Dwork & Roth 2014, "The Algorithmic Foundations of Differential Privacy", definition 2.4.

    Raises:
        SpecError: epsilon is not above 0 and at most 1000, or delta not above 0 and below 0.1.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        # 1 and 1.0 must give the same JSON, and so the same run_id.
        object.__setattr__(self, "epsilon", float(self.epsilon))
        object.__setattr__(self, "delta", float(self.delta))
        if not (0 < self.epsilon <= 1000 and math.isfinite(self.epsilon)):
            raise SpecError(f"epsilon {self.epsilon:g} cannot be trained: choose a value above 0 and at most 1000.")
        if not 0 < self.delta < 0.1:
            raise SpecError(f"delta {self.delta:g} cannot be used: choose a value above 0 and below 0.1.")


@dataclass(frozen=True)
class RunSpec:
    """What a training run is asked for; runs with equal specifications are the same run.

    Attributes:
        cohort_fingerprint: which data, as stored.
        split_seed: labels the assignment of patients to parts; None for the source's own split.
        recipe: name of the recipe.
        recipe_version: version of the recipe; a changed recipe makes another run.
        unit: what is sampled, averaged and (in private runs) clipped and protected as one.
        privacy: the privacy target; None trains the non-private reference model.
        seed: labels a training run among those that ask for the same, and fixes public choices (initial weights); never noise or sampling.
    """

    cohort_fingerprint: str
    split_seed: int | None
    recipe: str
    recipe_version: int
    unit: PrivacyUnit
    privacy: PrivacyTarget | None
    seed: int

    def canonical_json(self) -> str:
        """The specification as JSON; equal specifications give equal texts, from which run_ids are derived."""
        # Stored runs are found by a hash of this text: another order or spacing would orphan them.
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """The specification that `canonical_json` wrote."""
        fields = json.loads(text)
        privacy = fields.pop("privacy")
        unit = PrivacyUnit(fields.pop("unit"))
        return cls(**fields, unit=unit, privacy=PrivacyTarget(**privacy) if privacy else None)


def default_delta(n_units: int) -> float:
    """The delta to use where none is named: 1e-5, or the largest power of ten that is at most 1 / (10 n_units) if that is smaller.

    A mechanism that releases each record with probability delta is (0, delta)-private, so that delta must be far below 1 / n_units (Dwork
    & Roth 2014, section 2.3). 1 / (10 * 153,502) is 6.5e-7:

    >>> [default_delta(n) for n in (500, 10_000, 153_502)]
    [1e-05, 1e-05, 1e-07]
    """
    return min(1e-5, 10.0 ** math.floor(-math.log10(10 * max(n_units, 1))))
