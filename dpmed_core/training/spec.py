"""A run's specification: everything that can change its result or its guarantee, and nothing else."""

import json
import math
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

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
        encoder: digest of the added encoder whose features are joined to the public encoder's; None for none.

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

    @property
    def variant(self) -> str:
        """The recipe with its optional fields: models of two variants are different models, which are never averaged or compared as one.

        >>> RunSpec("f", 0, "probe", 3, PrivacyUnit.PATIENT, None, 0, encoder="0123456789abcdef").variant
        'probe+encoder-0123456789ab'
        """
        return variant_name(self.recipe, **self._optional())

    def to_fields(self) -> dict[str, object]:
        """The specification as plain values for JSON, without optional fields that are not used."""
        unused = {field.name for field in fields(self) if field.default is None} - set(self._optional())
        return {name: value for name, value in asdict(self).items() if name not in unused}

    def _optional(self) -> dict[str, object]:
        """The optional fields that are used."""
        return {field.name: value for field in fields(self) if field.default is None and (value := getattr(self, field.name)) is not None}

    def canonical_json(self) -> str:
        """The specification as JSON; equal specifications give equal texts, from which run_ids are derived."""
        # Stored runs are found by a hash of this text: another order or spacing would orphan them.
        return json.dumps(self.to_fields(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """The specification that `canonical_json` wrote."""
        fields = json.loads(text)
        privacy = fields.pop("privacy")
        unit = PrivacyUnit(fields.pop("unit"))
        return cls(**fields, unit=unit, privacy=PrivacyTarget(**privacy) if privacy else None)


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
