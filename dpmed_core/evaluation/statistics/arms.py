"""Several trainings of one kind taken together, and private ones set against their non-private twins on the same cases."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.statistics.auroc_panel import Measured
from dpmed_core.evaluation.statistics.intervals import added
from dpmed_core.training.spec import PrivacyUnit

SAMPLED_ALIKE = "sampled alike"
"""The twin that samples and averages the private model's unit."""
CONVENTIONAL = "conventional"
"""The twin that anyone would train without privacy in mind: every image by itself."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Arm:
    """All trainings of one recipe, unit and budget.

    Attributes:
        recipe: name.
        unit: "patient" or "image".
        epsilon: target; NaN without privacy.
        delta: NaN without privacy.
        runs: their numbers in the panel.
    """

    recipe: str
    unit: str
    epsilon: float
    delta: float
    runs: NDArray[np.intp]

    @property
    def is_private(self) -> bool:
        """Whether it has a guarantee."""
        return not math.isnan(self.epsilon)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A private arm against a twin; arrays `[n_findings, n_groups]`, differences private minus non-private.

    Attributes:
        private: the private arm.
        twin: the non-private arm.
        reference: `SAMPLED_ALIKE` or `CONVENTIONAL`.
        auroc: mean over the private trainings.
        auroc_reference: mean over the twin's.
        influence: of the difference of means, `[n_findings, n_cells]`.
    """

    private: Arm
    twin: Arm
    reference: str
    auroc: Floats = field(repr=False)
    auroc_reference: Floats = field(repr=False)
    influence: Floats = field(repr=False)

    @property
    def knows_training(self) -> bool:
        """Whether both arms have the two trainings or more that tell how much chance in training matters."""
        return min(len(self.private.runs), len(self.twin.runs)) > 1

    def facts(self) -> dict[str, object]:
        """What a table says of the comparison."""
        arm = self.private
        about = {"recipe": arm.recipe, "unit": arm.unit, "epsilon": arm.epsilon, "delta": arm.delta, "reference": self.reference}
        return {**about, "n_seeds": len(arm.runs), "n_seeds_reference": len(self.twin.runs)}


def comparisons(measured: Measured) -> Iterator[Comparison]:
    """Every private arm against the twin that is sampled alike and against the conventional one, where they were trained.

    With the image as the unit the two are one, called sampled alike.
    """
    arms = arms_of(measured.runs)
    for private in arms:
        for twin in arms:
            if private.is_private and not twin.is_private and twin.recipe == private.recipe:
                if twin.unit == private.unit:
                    yield _compared(measured, private, twin, SAMPLED_ALIKE)
                elif twin.unit == PrivacyUnit.IMAGE:
                    yield _compared(measured, private, twin, CONVENTIONAL)


def arms_of(runs: pd.DataFrame) -> list[Arm]:
    """The arms of a panel's runs, in the order of their first ones."""
    keys = ["recipe", "unit", "epsilon", "delta"]
    number = runs.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    members = [np.flatnonzero(number == arm) for arm in range(int(number.max()) + 1)]
    firsts = [runs.iloc[int(rows[0])] for rows in members]
    return [Arm(str(f["recipe"]), str(f["unit"]), float(f["epsilon"]), float(f["delta"]), m) for f, m in zip(firsts, members, strict=True)]


def _compared(measured: Measured, private: Arm, twin: Arm, reference: str) -> Comparison:
    return Comparison(
        private,
        twin,
        reference,
        auroc=measured.values[private.runs].mean(axis=0),
        auroc_reference=measured.values[twin.runs].mean(axis=0),
        influence=measured.influence[private.runs].mean(axis=0) - measured.influence[twin.runs].mean(axis=0),
    )


def training_variance(private: Floats, twin: Floats) -> tuple[Floats, Floats]:
    """Variance that chance in training gives to the difference of two arms' means, and its degrees of freedom.

    The variance between an arm's trainings over their number, summed over the arms (Welch 1947); 0 where an arm has one training.

    Args:
        private: `[n_trainings, ...]`, one value a training.
        twin: the same of the twin.
    """
    if min(len(private), len(twin)) < 2:
        nothing = np.zeros(private.shape[1:])
        return nothing, np.ones_like(nothing)
    first, second = (arm.var(axis=0, ddof=1) / len(arm) for arm in (private, twin))
    return added(first, len(private) - 1.0, second, len(twin) - 1.0)
