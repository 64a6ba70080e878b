"""What a training run gave: its guarantee, its scores and what it took."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from dpmed_core.training.spec import PrivacyUnit, RunSpec

NEIGHBORING_RELATION = "add-or-remove-one"


@dataclass(frozen=True)
class PrivacyGuarantee:
    """What a finished private run spent, and who counted it.

    Attributes:
        epsilon: spent, at `delta`; at most the target.
        delta: the delta at which epsilon holds.
        unit: what the guarantee protects.
        accountant: the accountant that gave `epsilon` ("analytic-gaussian", "prv" or "rdp").
        neighboring_relation: which data sets count as neighbours.
        noise_multiplier: standard deviation of the noise over the clipping bound.
        max_grad_norm: the clipping bound.
        sample_rate: probability with which a unit enters a step; 1 for full batches.
        steps: noisy steps taken.
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
        """The guarantee in one line, complete: epsilon, delta, unit, accountant and neighbouring relation."""
        return (
            f"ε = {self.epsilon:.3g} at δ = {self.delta:.0e} for each {self.unit.value} "
            f"({self.accountant} accountant, {self.neighboring_relation.replace('-', ' ')} neighbours)"
        )

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "PrivacyGuarantee":
        """The guarantee that `dataclasses.asdict` took apart."""
        return cls(**{**fields, "unit": PrivacyUnit(str(fields["unit"]))})  # type: ignore[arg-type]


@dataclass(frozen=True)
class RunResult:
    """A finished run, without its tensors.

    Attributes:
        spec: the question that it answers.
        guarantee: None for a non-private run.
        elapsed_seconds: training time over all attempts, in seconds.
        n_parameters: trained parameters.
        n_train_cases: images trained on.
        n_train_units: units (patients or images) trained on.
        notes: what a reader should know (a fallback that was taken, say).
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
        """Spent epsilon; infinite for a non-private run."""
        return self.guarantee.epsilon if self.guarantee else math.inf

    def to_fields(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return asdict(self)


SCORE_COLUMNS = ("case_id", "patient_id", "split", "finding", "label", "score")
"""Columns of a run's scores: one row per validation or test case and finding; label 0, 1 or NaN; score in [0, 1]."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training hands to the run store.

    Attributes:
        result: the facts.
        scores: a table with `SCORE_COLUMNS`, validation and test cases only.
        weights: tensors by name, as arrays, for safetensors.
    """

    result: RunResult
    scores: pd.DataFrame = field(repr=False)
    weights: Mapping[str, np.ndarray] = field(repr=False)
