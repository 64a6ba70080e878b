"""Which held-out cases look alike to the public encoder, and whether a case looks unlike all of them.

The reference is held-out cases alone. Distances to training patients' features would be a query on them that no mechanism covers;
validation and test patients are outside the guarantee, and their images are shown anyway.

Who looks alike is told by the angle between cases as seen from the mean case. It says nothing of what lies far outside all of them, which
may stand in any direction; so what is strange is told by distance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.features import leading

NTH = 5
"""A case's strangeness is its distance to the so-manieth nearest case of another patient: one odd neighbour excuses nothing."""
OUT_OF_DISTRIBUTION_PERCENTILE = 97.5
FEWEST_CASES, MOST_CASES = 40, 2000
"""Held-out cases whose own strangeness another's is compared with; of more, so many spread evenly."""
AT_ONCE = 256
Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Reference:
    """Held-out cases as the public encoder sees them.

    Attributes:
        directions: `[n_cases, n_features]`, from the mean case, at norm 1.
        centre: the mean case.
        spots: `[n_cases, n_features]`, each kind of feature with the same weight.
        patients: of each case.
    """

    directions: NDArray[np.float64] = field(repr=False)
    centre: NDArray[np.float64] = field(repr=False)
    spots: NDArray[np.float64] = field(repr=False)
    patients: NDArray[np.object_] = field(repr=False)

    @classmethod
    def of(cls, features: Features, patients: Sequence[str]) -> "Reference":
        """The reference of held-out cases with public `features` `[n_cases, n_features]` of `patients`."""
        seen = np.asarray(leading(np.asarray(features, dtype=np.float32), COMPONENTS), dtype=np.float64)
        centre = seen.mean(axis=0)
        return cls(_directions(seen, centre), centre, _spots(features), np.array(patients, dtype=object))

    @cached_property
    def own_distances(self) -> NDArray[np.float64]:
        """Of each case among those of other patients, of `MOST_CASES` at most; without those that have too few others."""
        rows = np.unique(np.linspace(0, len(self.spots) - 1, min(len(self.spots), MOST_CASES)).astype(int))
        found = np.concatenate([_nth_smallest(distances) for distances in self._apart(rows)])
        return np.asarray(found[np.isfinite(found)])

    def _apart(self, rows: NDArray[np.intp]) -> Iterator[NDArray[np.float64]]:
        """Distances `[some, n_cases]` of cases `rows`, some at a time; infinite to cases of the same patient."""
        squares = (self.spots**2).sum(axis=1)
        for some in np.split(rows, range(AT_ONCE, len(rows), AT_ONCE)):
            apart = np.sqrt(np.maximum(squares[some, None] + squares - 2 * self.spots[some] @ self.spots.T, 0))
            apart[self.patients[some, None] == self.patients] = np.inf
            yield apart

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

    def out_of_distribution(self, features: Features) -> "OutOfDistribution":
        """How strange a case from outside is among the held-out cases."""
        own = float(_nth_smallest(np.linalg.norm(self.spots - _spots(np.asarray(features)[None]), axis=1)[None])[0])
        known = self.own_distances
        if len(known) < FEWEST_CASES:
            return OutOfDistribution(own, float("nan"), len(known))
        return OutOfDistribution(own, 100 * float((known < own).mean()), len(known))


@dataclass(frozen=True)
class OutOfDistribution:
    """How strange a case looks.

    Attributes:
        distance: to its `NTH` nearest held-out case: the root of what the kinds of features add, each its mean squared difference; in
            spreads over public images.
        percentile: share of held-out cases, in per cent, that lie nearer to their own neighbours; NaN where there are too few.
        n_cases: held-out cases that it is compared with.
    """

    distance: float
    percentile: float
    n_cases: int

    @property
    def is_out_of_distribution(self) -> bool:
        """Whether the models' answers should not be trusted for this reason alone."""
        return self.percentile >= OUT_OF_DISTRIBUTION_PERCENTILE

    def sentence(self) -> str:
        """The comparison in words."""
        if np.isnan(self.percentile):
            return f"There are too few held-out cases ({self.n_cases}) to say whether this one looks like what the models were trained for."
        place = f"Of {self.n_cases:,} held-out cases {self.percentile:.0f} % lie nearer to cases of other patients than this one does."
        if self.is_out_of_distribution:
            return f"This image looks unlike the cohort: the models' answers may mean nothing. {place}"
        return f"This image looks like others of the cohort. {place}"


def _directions(seen: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = seen - centre
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9))


def _spots(features: Features) -> NDArray[np.float64]:
    """Features `[n, n_features]` over the root of how many of their kind there are, so that no kind outweighs another."""
    weights = np.concatenate([np.full(n, n**-0.5) for n in COMPONENTS.values()])
    return np.asarray(np.asarray(features, dtype=np.float64) * weights)


def _nth_smallest(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The `NTH` smallest of each row, or the largest finite rank there is."""
    rank = min(NTH, distances.shape[1]) - 1
    return np.asarray(np.partition(distances, rank, axis=1)[:, rank])
