"""A run's specification: everything that can change its result or its guarantee, and nothing else."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dpmed_core.errors import SpecError


class PrivacyUnit(StrEnum):
    """What the training samples, clips and protects as one."""

    PATIENT = "patient"
    IMAGE = "image"


@dataclass(frozen=True)
class PrivacyTarget:
    """The guarantee to train for: (epsilon, delta)-differential privacy for zero-out neighbours.

    Both are 0 where nothing is learnt from the cohort's patients (`NOTHING_LEARNT`).

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
        if self.epsilon == self.delta == 0:
            return
        if not (0 < self.epsilon <= 1000 and math.isfinite(self.epsilon)):
            raise SpecError(f"epsilon {self.epsilon:g} cannot be trained: choose a value above 0 and at most 1000.")
        if not 0 < self.delta < 0.1:
            raise SpecError(f"delta {self.delta:g} cannot be used: choose a value above 0 and below 0.1.")

    @property
    def learns_nothing(self) -> bool:
        """Whether no patient of the cohort is trained on."""
        return self.epsilon == 0


NOTHING_LEARNT = PrivacyTarget(0.0, 0.0)
"""The target of a public start alone: its output does not depend on the cohort's patients, so that it is (0, 0)-private."""


@dataclass(frozen=True)
class StartChoice:
    """The public start of a head, and which of its findings stand for the cohort's.

    Attributes:
        name: of the start in this installation.
        digest: SHA-256 of its weights, in hexadecimal.
        findings: pairs (finding of the cohort, finding of the start), sorted; a finding that is missing starts at 0.
    """

    name: str
    digest: str
    findings: tuple[tuple[str, str], ...]

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "StartChoice":
        """The choice from what `dataclasses.asdict` made of it, after a round trip through JSON."""
        return cls(fields["name"], fields["digest"], tuple((own, public) for own, public in fields["findings"]))


ABSENT_IF_NONE = ("start",)
"""Fields of a specification that its text leaves out where they are None."""


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
        start: the public start; None to start from scratch.
    """

    cohort_fingerprint: str
    split_seed: int | None
    recipe: str
    recipe_version: int
    unit: PrivacyUnit
    privacy: PrivacyTarget | None
    seed: int
    start: StartChoice | None = None

    def canonical_json(self) -> str:
        """The specification as JSON; equal specifications give equal texts, from which run_ids are derived."""
        # Stored runs are found by a hash of this text: another order or spacing would orphan them.
        # What is absent stays out of it, so that runs keep the names that they had before there was such a field.
        fields = {name: value for name, value in asdict(self).items() if name not in ABSENT_IF_NONE or value is not None}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """The specification that `canonical_json` wrote."""
        fields = json.loads(text)
        privacy, start = fields.pop("privacy"), fields.pop("start", None)
        unit = PrivacyUnit(fields.pop("unit"))
        return cls(
            **fields,
            unit=unit,
            privacy=PrivacyTarget(**privacy) if privacy else None,
            start=StartChoice.from_fields(start) if start else None,
        )


def default_delta(n_units: int) -> float:
    """The delta to use where none is named: 1e-5, or the largest power of ten that is at most 1 / (10 n_units) if that is smaller.

    A mechanism that releases each record with probability delta is (0, delta)-private, so that delta must be far below 1 / n_units (Dwork
    & Roth 2014, section 2.3). 1 / (10 * 153,502) is 6.5e-7:

    >>> [default_delta(n) for n in (500, 10_000, 153_502)]
    [1e-05, 1e-05, 1e-07]
    """
    return min(1e-5, 10.0 ** math.floor(-math.log10(10 * max(n_units, 1))))
