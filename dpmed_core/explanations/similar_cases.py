"""Which held-out cases are similar in the features of the public encoder, and how far an image lies from all of them.

Only held-out cases are compared with. A distance to training patients' features would be a query on them that the guarantee does not cover:
with it, anybody could test whether an image was trained on. Validation and test patients are outside the guarantee, and their images are
shown anyway.

Similarity is the angle between two cases as seen from the mean case. It says nothing about an image far outside all of them, which may lie
in any direction; out of distribution is therefore decided by distance (deep nearest neighbours: Sun et al. 2022, arXiv 2204.06507).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.training.encoders.card import COMPONENTS
from dpmed_core.training.encoders.components import leading_components

NEIGHBOUR_RANK = 5
"""The out-of-distribution distance of a case is that to its fifth nearest case of another patient: the nearest may be an outlier too."""
OUT_OF_DISTRIBUTION_PERCENTILE = 97.5
FEWEST_CASES, MOST_CASES = 40, 2000
"""Held-out cases whose distances an image's is compared with; of more than the largest number, as many, evenly spaced, are taken."""
BATCH_SIZE = 256
Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class ReferenceCases:
    """Held-out cases in the features of the public encoder.

    Attributes:
        directions: `[n_cases, n_features]`, from the mean case, at norm 1.
        centre: `[n_features]`, the mean case.
        scaled: `[n_cases, n_features]`, with the same weight for each kind of feature.
        patients: `[n_cases]`.
    """

    directions: NDArray[np.float64] = field(repr=False)
    centre: NDArray[np.float64] = field(repr=False)
    scaled: NDArray[np.float64] = field(repr=False)
    patients: NDArray[np.object_] = field(repr=False)

    @classmethod
    def of(cls, features: Features, patients: Sequence[str]) -> "ReferenceCases":
        """Held-out cases with public `features` `[n_cases, n_features]` of `patients` `[n_cases]`."""
        seen = np.asarray(leading_components(np.asarray(features, dtype=np.float32), COMPONENTS), dtype=np.float64)
        centre = seen.mean(axis=0)
        return cls(_directions(seen, centre), centre, _scaled(features), np.array(patients, dtype=object))

    @cached_property
    def reference_distances(self) -> NDArray[np.float64]:
        """The out-of-distribution distances of the held-out cases themselves, at most `MOST_CASES` of them.

        Cases without enough cases of other patients are left out.
        """
        rows = np.unique(np.linspace(0, len(self.scaled) - 1, min(len(self.scaled), MOST_CASES)).astype(int))
        found = np.concatenate([_ranked_distance(distances) for distances in self._pairwise_distances(rows)])
        return np.asarray(found[np.isfinite(found)])

    def _pairwise_distances(self, rows: NDArray[np.intp]) -> Iterator[NDArray[np.float64]]:
        """Distances `[n_rows, n_cases]` of the cases `rows`, in batches; infinite to cases of the same patient, the case itself among them.

        Computed as |a|^2 + |b|^2 - 2ab, a matrix product; rounding can make that slightly negative for equal cases.
        """
        squares = (self.scaled**2).sum(axis=1)
        for batch in np.split(rows, range(BATCH_SIZE, len(rows), BATCH_SIZE)):
            distances = np.sqrt(np.maximum(squares[batch, None] + squares - 2 * self.scaled[batch] @ self.scaled.T, 0))
            # A patient's images resemble each other: counted, they would make the patient look usual however unusual it is.
            distances[self.patients[batch, None] == self.patients] = np.inf
            yield distances

    def distances(self, features: Features) -> NDArray[np.float64]:
        """One minus the cosine to each case, `[n_cases]`, of a case with public `features` `[n_features]`: 0 is the same, 1 unrelated."""
        seen = np.asarray(leading_components(np.asarray(features, dtype=np.float32)[None], COMPONENTS), dtype=np.float64)
        return np.asarray(1 - self.directions @ _directions(seen, self.centre)[0])

    def nearest(self, features: Features, *, n: int, leaving_out: int | None = None) -> list[tuple[int, float]]:
        """The `n` most similar cases as (index, distance), nearest first; `leaving_out` is the index of the case itself, if it is one."""
        distances = self.distances(features)
        if leaving_out is not None:
            distances[leaving_out] = np.inf
        order = np.argsort(distances, kind="stable")[: min(n, len(distances) - (leaving_out is not None))]
        return [(int(index), float(distances[index])) for index in order]

    def out_of_distribution(self, features: Features) -> "OutOfDistribution":
        """How far an image with public `features` `[n_features]`, of a patient who is not among the held-out cases, lies from them."""
        distance = float(_ranked_distance(np.linalg.norm(self.scaled - _scaled(np.asarray(features)[None]), axis=1)[None])[0])
        known = self.reference_distances
        if len(known) < FEWEST_CASES:
            return OutOfDistribution(distance, float("nan"), len(known))
        return OutOfDistribution(distance, 100 * float((known < distance).mean()), len(known))


@dataclass(frozen=True)
class OutOfDistribution:
    """How far an image lies from held-out cases.

    Attributes:
        distance: to its fifth nearest held-out case: the root of the sum, over the kinds of features, of their mean squared differences, in
            standard deviations over public images.
        percentile: share of the held-out cases, in per cent, whose own distance is smaller; NaN where there are too few cases.
        n_cases: held-out cases that it is compared with.
    """

    distance: float
    percentile: float
    n_cases: int

    @property
    def is_out_of_distribution(self) -> bool:
        """Whether the image is so far from the held-out cases that the models' scores may not hold for it."""
        return self.percentile >= OUT_OF_DISTRIBUTION_PERCENTILE

    def sentence(self) -> str:
        """The comparison in words."""
        if np.isnan(self.percentile):
            return f"There are too few held-out cases ({self.n_cases}) to judge whether this image is out of distribution."
        rank = f"Of {self.n_cases:,} held-out cases, {self.percentile:.0f} % are closer to other patients' cases than this image is."
        if self.is_out_of_distribution:
            return f"This image differs from the cohort's images (out of distribution): the models' scores may be meaningless. {rank}"
        return f"This image resembles the cohort's images. {rank}"


def _directions(seen: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors from the mean case to each case."""
    centred = seen - centre
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9))


def _scaled(features: Features) -> NDArray[np.float64]:
    """Features `[n, n_features]`, each divided by the root of the number of features of its kind, so that no kind outweighs another.

    They are not brought to norm 1: whitened features of images unlike any that the encoder has seen are large rather than turned.
    """
    weights = np.concatenate([np.full(n, n**-0.5) for n in COMPONENTS.values()])
    return np.asarray(np.asarray(features, dtype=np.float64) * weights)


def _ranked_distance(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fifth smallest of each row, or the largest of a row that has fewer; infinite where too few are of another patient."""
    # A partial sort: of 2,000 cases against all others, only one value per row is needed.
    rank = min(NEIGHBOUR_RANK, distances.shape[1]) - 1
    return np.asarray(np.partition(distances, rank, axis=1)[:, rank])
