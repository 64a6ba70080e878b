"""Arms: the training runs of one recipe, unit and privacy budget, taken together."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SAMPLED_ALIKE = "sampled alike"
"""The non-private reference that samples and averages the private model's unit."""
CONVENTIONAL = "conventional"
"""The reference that is trained without privacy in mind: every image by itself."""
ARM_COLUMNS = ("recipe", "unit", "epsilon", "delta", "n_seeds")


@dataclass(frozen=True, eq=False)
class Arm:
    """All training runs of one recipe, unit and budget.

    Attributes:
        recipe: name.
        unit: "patient" or "image".
        epsilon: target; NaN without privacy.
        delta: NaN without privacy.
        runs: indices of its training runs in the panel, in the panel's order.
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

    def facts(self) -> dict[str, str | float]:
        """What a table says of the arm, the values of `ARM_COLUMNS`."""
        return {"recipe": self.recipe, "unit": self.unit, "epsilon": self.epsilon, "delta": self.delta, "n_seeds": len(self.runs)}


def arms_of(runs: pd.DataFrame) -> list[Arm]:
    """The arms of a panel's runs, in the order of their first runs."""
    keys = ["recipe", "unit", "epsilon", "delta"]
    # Non-private runs have NaN for epsilon and delta, which `groupby` drops by default.
    number = runs.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    members = [np.flatnonzero(number == arm) for arm in range(int(number.max()) + 1)]
    firsts = [runs.iloc[int(rows[0])] for rows in members]
    return [Arm(str(f["recipe"]), str(f["unit"]), float(f["epsilon"]), float(f["delta"]), m) for f, m in zip(firsts, members, strict=True)]
