"""Arms: the training runs of one recipe, unit and privacy budget, taken together."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SAMPLED_ALIKE = "sampled alike"
"""The non-private reference that samples and averages the private model's unit."""
START_ALONE = "start alone"
"""The public start that the private model began at, with nothing learnt from the cohort."""
CONVENTIONAL = "conventional"
"""The reference that is trained without privacy in mind: every image by itself."""
ARM_COLUMNS = ("recipe", "unit", "epsilon", "delta", "n_seeds", "n_distinct")
SAME = 1e-9
"""Scores closer than this are equal: sums in another order may differ by as much."""


@dataclass(frozen=True, eq=False)
class Arm:
    """All training runs of one recipe, unit and budget.

    Attributes:
        recipe: name.
        unit: "patient" or "image".
        epsilon: target; NaN without privacy, 0 for a public start alone.
        delta: NaN without privacy.
        runs: indices of its training runs in the panel, in the panel's order.
        repeats: whether each of them gives the same scores as an earlier one, `[n_runs]`: a recipe without chance in it, trained again.
    """

    recipe: str
    unit: str
    epsilon: float
    delta: float
    runs: NDArray[np.intp]
    repeats: NDArray[np.bool_]

    @property
    def n_distinct(self) -> int:
        """How many of its training runs differ: what there is to average over, and to estimate the chance in training from."""
        return int((~self.repeats).sum())

    @property
    def is_private(self) -> bool:
        """Whether it has a guarantee."""
        return not math.isnan(self.epsilon)

    @property
    def learns_nothing(self) -> bool:
        """Whether it is a public start alone: there is no chance in what does not train."""
        return self.epsilon == 0

    def facts(self) -> dict[str, str | float]:
        """What a table says of the arm, the values of `ARM_COLUMNS`."""
        about: dict[str, str | float] = {"recipe": self.recipe, "unit": self.unit, "epsilon": self.epsilon, "delta": self.delta}
        return {**about, "n_seeds": len(self.runs), "n_distinct": self.n_distinct}


def arms_of(runs: pd.DataFrame, scores: NDArray[np.float64]) -> list[Arm]:
    """The arms of a panel's runs, in the order of their first runs.

    Args:
        runs: of the panel, one row a run.
        scores: of the panel `[n_runs, n_findings, n_cases]`.
    """
    keys = ["recipe", "unit", "epsilon", "delta"]
    # Non-private runs have NaN for epsilon and delta, which `groupby` drops by default.
    number = runs.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    members = [np.flatnonzero(number == arm) for arm in range(int(number.max()) + 1)]
    firsts = [runs.iloc[int(rows[0])] for rows in members]
    return [
        Arm(str(f["recipe"]), str(f["unit"]), float(f["epsilon"]), float(f["delta"]), rows, _repeats(scores[rows]))
        for f, rows in zip(firsts, members, strict=True)
    ]


def _repeats(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each run's scores `[n_runs, ...]` are those of an earlier one.

    >>> _repeats(np.array([[0.1, 0.9], [0.2, 0.9], [0.1, 0.9]])).tolist()
    [False, False, True]
    """
    return np.array([any(_same(own, earlier) for earlier in scores[:run]) for run, own in enumerate(scores)])


def _same(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    # One case decides for most pairs, so that all of them are hardly ever compared.
    return all(bool(np.abs(first[part] - second[part]).max(initial=0) < SAME) for part in ((..., slice(1)), ...))
