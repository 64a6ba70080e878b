"""The result of a training run: its guarantee, its facts, its scores and weights."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dpmed_core.files import check_fields
from dpmed_core.phrases import delta_text, epsilon_text
from dpmed_core.training.spec import PrivacyUnit, RunSpec

NEIGHBORING_RELATION = "zero-out"
"""Data sets are neighbours if one unit's record in one of them is empty in the other; the only relation that DPMed accounts for.

The number of units is the same in both and public: it stands in results, divides sums and enters settings, so that "add or remove one unit"
would say more than is proven. Source: Kairouz et al. 2021, "Practical and private (deep) learning without sampling or shuffling", arXiv
2103.00039; Ponomareva et al. 2023, "How to DP-fy ML", arXiv 2303.00654.
"""


NO_TRAINING = "no-training"
"""In place of an accountant where no patient of the cohort was trained on, so that there is nothing to account for."""


@dataclass(frozen=True)
class PrivacyGuarantee:
    """What a private run spends over all of its steps, and by which accountant.

    Attributes:
        epsilon: at `delta`; at most the target's.
        delta: the delta at which epsilon holds.
        unit: what one record is: a patient with all images, or an image.
        accountant: the accountant of `epsilon` ("analytic-gaussian", "prv" or "rdp"; with "prv" it is the larger of that and the check);
            `NO_TRAINING` where nothing was learnt from the cohort.
        neighboring_relation: which data sets count as neighbours; always `NEIGHBORING_RELATION`, whatever word an earlier version stored.
        noise_multiplier: standard deviation of the noise over the clipping bound.
        max_grad_norm: the clipping bound.
        sample_rate: probability with which a unit enters a step; 1 for full batches.
        steps: noisy steps that are accounted for.
        n_units: training units, treated as public.
        check_epsilon: the same epsilon by an independent accountant.
        check_accountant: the name of that accountant.
    """

    epsilon: float
    delta: float
    unit: PrivacyUnit
    accountant: str
    neighboring_relation: str
    noise_multiplier: float
    max_grad_norm: float
    sample_rate: float
    steps: int
    n_units: int
    check_epsilon: float
    check_accountant: str

    def sentence(self) -> str:
        """The guarantee in one line: epsilon, delta, unit, accountant and neighbouring relation."""
        if self.accountant == NO_TRAINING:
            return f"ε = 0 and δ = 0 for each {self.unit.value}: a public start alone, and nothing was learnt from this cohort"
        return (
            f"ε = {epsilon_text(self.epsilon)} at δ = {delta_text(self.delta)} for each {self.unit.value} "
            f"({self.accountant} accountant, {self.neighboring_relation} neighbours)"
        )

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "PrivacyGuarantee":
        """The guarantee from what `dataclasses.asdict` made of it, here or in an earlier version.

        Raises:
            UnreadableFileError: a field is missing, of another type, or not known.
            ValueError: the unit is not known.
        """
        check_fields(fields, _KINDS)
        # Earlier versions stored "add-or-remove-one" for the same mechanisms and the same numbers; what is proven of them is this relation.
        proven = {"unit": PrivacyUnit(str(fields["unit"])), "neighboring_relation": NEIGHBORING_RELATION}
        return cls(**{**fields, **proven})  # type: ignore[arg-type]


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("unit", "accountant", "neighboring_relation", "check_accountant"), str),
    **dict.fromkeys(("epsilon", "delta", "noise_multiplier", "max_grad_norm", "sample_rate", "check_epsilon"), float),
    **dict.fromkeys(("steps", "n_units"), int),
}
"""The stored fields of a guarantee."""


@dataclass(frozen=True)
class RunResult:
    """A finished run, without its tensors.

    Attributes:
        spec: the run's specification.
        guarantee: None for a non-private run.
        elapsed_seconds: training time over all attempts, in seconds.
        n_parameters: trained parameters.
        n_train_cases: images trained on; exact and outside the guarantee, since with the public number of units it tells how many images
            patients have. For estimates of time alone: not for pages, exports or whatever else is handed out.
        n_train_units: units (patients or images) trained on; public.
        notes: sentences for a reader, for example on a fallback that was taken.
    """

    spec: RunSpec
    guarantee: PrivacyGuarantee | None
    elapsed_seconds: float
    n_parameters: int
    n_train_cases: int
    n_train_units: int
    notes: tuple[str, ...] = ()

    @property
    def epsilon(self) -> float:
        """The guarantee's epsilon; infinite for a non-private run."""
        # Infinity sorts and plots non-private runs beyond all private ones.
        return self.guarantee.epsilon if self.guarantee else math.inf

    def to_fields(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return {**asdict(self), "spec": self.spec.to_fields()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "RunResult":
        """The result from what `to_fields` made of it.

        Raises:
            SpecError, UnreadableFileError, ValueError, KeyError, TypeError: it is no result of this version's.
        """
        numbers = {"elapsed_seconds": float, "n_parameters": int, "n_train_cases": int, "n_train_units": int}
        check_fields(fields, {"spec": dict, "guarantee": dict, "notes": list, **numbers}, optional=frozenset({"guarantee"}))
        guarantee = PrivacyGuarantee.from_fields(fields["guarantee"]) if fields["guarantee"] else None
        spec = RunSpec.from_json(json.dumps(fields["spec"]))
        return cls(**{**fields, "spec": spec, "guarantee": guarantee, "notes": tuple(map(str, fields["notes"]))})


SCORE_COLUMNS = ("case_id", "patient_id", "split", "finding", "label", "score")
"""Columns of a run's scores: one row per validation or test case and finding; label 0, 1 or NaN; score in [0, 1]."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training gives to the run store.

    Attributes:
        result: the run's facts.
        scores: a table with `SCORE_COLUMNS`, validation and test cases only.
        weights: tensors by name, as arrays, for safetensors.
    """

    result: RunResult
    scores: pd.DataFrame = field(repr=False)
    weights: Mapping[str, np.ndarray] = field(repr=False)
