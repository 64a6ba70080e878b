"""Which held-out cases look alike to the public encoder, and whether a case looks unlike all of them.

The reference is held-out cases alone. Distances to training patients' features would be a query on them that no mechanism covers;
validation and test patients are outside the guarantee, and their images are shown anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoder_card import COMPONENTS
from dpmed_core.training.features import leading

NTH = 5
"""A case's strangeness is its distance to the so-manieth nearest case of another patient: one odd neighbour excuses nothing."""
STRANGE_PERCENTILE = 97.5
FEWEST_CASES = 40
Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Reference:
    """Held-out cases as the public encoder sees them.

    Attributes:
        directions: `[n_cases, n_features]`, from the mean case, at norm 1.
        centre: the mean case.
        patients: of each case.
        strangeness: `[n_cases]`, of each case among the others.
    """

    directions: NDArray[np.float64] = field(repr=False)
    centre: NDArray[np.float64] = field(repr=False)
    patients: NDArray[np.object_] = field(repr=False)
    strangeness: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, features: Features, patients: Sequence[str]) -> "Reference":
        """The reference of held-out cases with public `features` `[n_cases, n_features]` of `patients`."""
        seen = np.asarray(leading(np.asarray(features, dtype=np.float32), COMPONENTS), dtype=np.float64)
        centre, who = seen.mean(axis=0), np.array(patients, dtype=object)
        directions = _directions(seen, centre)
        distances = 1 - directions @ directions.T
        distances[who[:, None] == who[None, :]] = np.inf
        return cls(directions, centre, who, _nth_smallest(distances))

    def distances(self, features: Features) -> NDArray[np.float64]:
        """One minus the cosine to each case `[n_cases]`, for a case with public `features` `[n_features]`: 0 alike, 1 unrelated."""
        seen = np.asarray(leading(np.asarray(features, dtype=np.float32)[None], COMPONENTS), dtype=np.float64)
        return np.asarray(1 - self.directions @ _directions(seen, self.centre)[0])

    def nearest(self, features: Features, *, n: int, leaving_out: int | None = None) -> list[tuple[int, float]]:
        """The `n` nearest cases as (number, distance), nearest first; `leaving_out` is the case itself, where it is one of them."""
        distances = self.distances(features)
        if leaving_out is not None:
            distances[leaving_out] = np.inf
        order = np.argsort(distances, kind="stable")[: min(n, len(distances) - (leaving_out is not None))]
        return [(int(number), float(distances[number])) for number in order]

    def unlikeness(self, features: Features) -> "Unlikeness":
        """How strange a case from outside is among the held-out cases."""
        own = float(_nth_smallest(self.distances(features)[None])[0])
        known = self.strangeness[np.isfinite(self.strangeness)]
        if len(known) < FEWEST_CASES:
            return Unlikeness(own, float("nan"), len(known))
        return Unlikeness(own, 100 * float((known < own).mean()), len(known))


@dataclass(frozen=True)
class Unlikeness:
    """How strange a case looks.

    Attributes:
        distance: to its `NTH` nearest held-out case, one minus cosine.
        percentile: share of held-out cases, in per cent, that lie nearer to their own neighbours; NaN where there are too few.
        n_cases: held-out cases that it is compared with.
    """

    distance: float
    percentile: float
    n_cases: int

    @property
    def is_strange(self) -> bool:
        """Whether the models' answers should not be trusted for this reason alone."""
        return self.percentile >= STRANGE_PERCENTILE

    def sentence(self) -> str:
        """The comparison in words."""
        if np.isnan(self.percentile):
            return f"There are too few held-out cases ({self.n_cases}) to say whether this one looks like what the models were trained for."
        place = f"Of {self.n_cases:,} held-out cases {self.percentile:.0f} % lie nearer to cases of other patients than this one does."
        if self.is_strange:
            return f"This image looks unlike the cohort: the models' answers may mean nothing. {place}"
        return f"This image looks like others of the cohort. {place}"


def _directions(seen: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = seen - centre
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9))


def _nth_smallest(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The `NTH` smallest of each row, or the largest finite rank there is."""
    rank = min(NTH, distances.shape[1]) - 1
    return np.asarray(np.partition(distances, rank, axis=1)[:, rank])
