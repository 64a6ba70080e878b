"""A run's specification: everything that can change its result or its guarantee, and nothing else."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from dpmed_core.errors import SpecError


class PrivacyUnit(StrEnum):
    """What the training samples, clips and protects as one."""

    PATIENT = "patient"
    IMAGE = "image"


SHOWN_DIGITS = 12
"""Digits of a digest that `RunSpec.variant` shows."""


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
    """The public start of a head or network, and which of its findings stand for the cohort's.

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
        encoder: digest of the added encoder whose features are joined to the public encoder's; None for none.
        start: the public start; None to start from scratch.

    Fields with a default came later than stored runs. Where such a field is None it stands in no text (`to_fields`), so that a run that
    does not use it has the name that it always had.
    """

    cohort_fingerprint: str
    split_seed: int | None
    recipe: str
    recipe_version: int
    unit: PrivacyUnit
    privacy: PrivacyTarget | None
    seed: int
    encoder: str | None = None
    start: StartChoice | None = None

    @property
    def variant(self) -> str:
        """The recipe with its added encoder: models of two variants are different models, which are never averaged or compared as one.

        Models from another public start are so too, but are other tables (`evaluation.scores.scored_runs`).

        >>> RunSpec("f", 0, "probe", 3, PrivacyUnit.PATIENT, None, 0, encoder="0123456789abcdef").variant
        'probe+encoder-0123456789ab'
        """
        return variant_name(self.recipe, **({"encoder": self.encoder} if self.encoder is not None else {}))

    def to_fields(self) -> dict[str, object]:
        """The specification as plain values for JSON, without optional fields that are not used."""
        unused = {field.name for field in fields(self) if field.default is None and getattr(self, field.name) is None}
        return {name: value for name, value in asdict(self).items() if name not in unused}

    def canonical_json(self) -> str:
        """The specification as JSON; equal specifications give equal texts, from which run_ids are derived."""
        # Stored runs are found by a hash of this text: another order or spacing would orphan them.
        return json.dumps(self.to_fields(), sort_keys=True, separators=(",", ":"))

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


def variant_name(recipe: str, **optional: object) -> str:
    """The name of a recipe with optional fields of a specification; see `RunSpec.variant`."""
    return "+".join([recipe, *(f"{name}-{str(value)[:SHOWN_DIGITS]}" for name, value in optional.items())])


def base_recipe(variant: str) -> str:
    """The recipe of a variant.

    >>> base_recipe("probe+encoder-0123456789ab")
    'probe'
    """
    return variant.split("+", 1)[0]


def default_delta(n_units: int) -> float:
    """The delta to use where none is named: 1e-5, or the largest power of ten that is at most 1 / (10 n_units) if that is smaller.

    A mechanism that releases each record with probability delta is (0, delta)-private, so that delta must be far below 1 / n_units (Dwork
    & Roth 2014, section 2.3). 1 / (10 * 153,502) is 6.5e-7:

    >>> [default_delta(n) for n in (500, 10_000, 153_502)]
    [1e-05, 1e-05, 1e-07]
    """
    return min(1e-5, 10.0 ** math.floor(-math.log10(10 * max(n_units, 1))))
