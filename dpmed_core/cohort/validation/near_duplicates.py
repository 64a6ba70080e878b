"""Near-identical images: the same image exported twice, in another compression, brightness or size.

Two images count as near-identical where their 64 x 64 reductions correlate at `SAME_CORRELATION` or more; a correlation does not
see brightness and contrast. Comparing all pairs would take the square of the cohort's size. Instead each thumbnail, with mean
zero and length one, is projected onto a few directions: a projection never lengthens a distance, and the distance of two such
vectors is sqrt(2 - 2 correlation), so no pair that is close enough is far apart in the projection. A k-d tree finds, for each
image, the nearest there; only those pairs are compared in full, and only until a group hangs together.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import Material, pooled_volumes, pooling
from dpmed_core.imaging.volume_grid import SHAPE

SAME_CORRELATION = 0.995
CANDIDATE_CORRELATION = 0.98
"""Of thumbnails; looser, so that what they blur is not missed."""
DIRECTIONS = 8
NEIGHBOURS = 17
"""Nearest in the projection that are looked at, the image itself among them."""
SAMPLE = 2000
BLOCK = 512
BATCH_BYTES = 1 << 22
"""Of the images compared in full at once, on either side."""
REDUCED, REDUCED_VOLUME = 64, tuple(length // 4 for length in SHAPE)
HALVING = pooling(REDUCED)


def similar_checks(material: Material) -> Iterator[Check]:
    """Images near-identical to another: of one patient, across patients, across parts, in test and training."""
    groups = near_identical_groups(material)
    if not groups:
        return
    patients, parts = material.cases["patient_id"].to_numpy(), material.parts
    across_patients = [group for group in groups if len(set(patients[group])) > 1]
    across_parts = [group for group in groups if len(set(parts[group])) > 1]
    into_test = [group for group in groups if {Part.TEST.value, Part.TRAIN.value} <= set(parts[group])]
    of_one = [group for group in groups if len(set(patients[group])) == 1]
    yield from _check(material, "of_one_patient", "to one of the same patient", of_one, Severity.NOTE)
    yield from _check(material, "across_patients", "across patients", across_patients, Severity.WARNING)
    yield from _check(material, "across_parts", "across parts", across_parts, Severity.WARNING)
    yield from _check(material, "in_test_and_train", "across test and training", into_test, Severity.WARNING)


def near_identical_groups(material: Material) -> list[NDArray[np.intp]]:
    """Groups of cases that are near-identical, without being identical pixel by pixel, each to another of its group."""
    _, distinct = np.unique(material.digests.view(f"V{material.digests.shape[1]}").ravel(), return_index=True)
    if len(distinct) < 2:
        return []
    groups = Groups(len(distinct))
    stored = np.load(material.images, mmap_mode="r", allow_pickle=False)
    pairs = candidate_pairs(material.measured.thumbnails[distinct])
    batch = max(1, BATCH_BYTES // stored[0].nbytes)
    for start in range(0, len(pairs), batch):
        apart = groups.apart(pairs[start : start + batch])
        one, other = (normalised(_reduced(stored[distinct[apart[:, side]]])) for side in (0, 1))
        groups.join(apart[np.einsum("ij,ij->i", one, other) >= SAME_CORRELATION])
    return [distinct[group] for group in groups.members()]


def normalised(pictures: NDArray[np.generic]) -> NDArray[np.float32]:
    """Pictures `[n, ...]` as rows with mean zero and length one, so that a product of two is their correlation; a constant one is zero."""
    flat = pictures.reshape(len(pictures), math.prod(pictures.shape[1:])).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", flat, flat))[:, None]
    flat /= np.where(lengths > 0, lengths, 1)
    return flat


def candidate_pairs(pictures: NDArray[np.generic]) -> NDArray[np.intp]:
    """Pairs of `pictures` `[n, ...]` whose correlation is at least `CANDIDATE_CORRELATION`, each once, the closest first."""
    n = len(pictures)
    sample = normalised(pictures[:: -(-n // SAMPLE)])
    directions = np.linalg.eigh(np.cov(sample, rowvar=False))[1][:, -DIRECTIONS:].astype(np.float32)
    tree = cKDTree(np.concatenate([normalised(pictures[start : start + BLOCK]) @ directions for start in range(0, n, BLOCK)]))
    radius = np.sqrt(2 - 2 * CANDIDATE_CORRELATION)
    pairs, closeness = [], []
    for start in range(0, n, BLOCK):
        _, near = tree.query(tree.data[start : start + BLOCK], k=min(NEIGHBOURS, n), distance_upper_bound=radius)
        one, other = np.repeat(np.arange(start, start + len(near)), near.shape[1]), near.ravel()
        kept = (other < n) & (other != one)
        one, other = one[kept], other[kept]
        likeness = np.einsum("ij,ij->i", normalised(pictures[one]), normalised(pictures[other]))
        close = likeness >= CANDIDATE_CORRELATION
        pairs.append(np.sort(np.column_stack([one[close], other[close]]), axis=1))
        closeness.append(likeness[close])
    found, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return found[np.argsort(-np.concatenate(closeness)[first], kind="stable")]


class Groups:
    """Sets that grow together: which of n things are already known to belong together. Source: Tarjan 1975, union by path halving."""

    def __init__(self, n: int) -> None:
        """Each of `n` things by itself."""
        self._parent = list(range(n))

    def apart(self, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of `pairs` that are not yet in one set."""
        return pairs[[self._root(one) != self._root(other) for one, other in pairs.tolist()]]

    def join(self, pairs: NDArray[np.intp]) -> None:
        """Put the sets of each of `pairs` together."""
        for one, other in pairs.tolist():
            self._parent[self._root(one)] = self._root(other)

    def members(self) -> list[NDArray[np.intp]]:
        """The sets that hold more than one thing."""
        roots = np.array([self._root(place) for place in range(len(self._parent))])
        order = np.argsort(roots, kind="stable")
        sets = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
        return [one for one in sets if len(one) > 1]

    def _root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = self._parent[self._parent[place]]
            place = self._parent[place]
        return place


def _reduced(block: NDArray[Any]) -> NDArray[np.float32]:
    if block.ndim == 4:
        return pooled_volumes(block, REDUCED_VOLUME)
    return np.asarray(HALVING @ block.astype(np.float32) @ HALVING.T, dtype=np.float32)


def _check(material: Material, name: str, where: str, groups: list[NDArray[np.intp]], severity: Severity) -> Iterator[Check]:
    if groups:
        images = np.concatenate(groups)
        yield material.check(
            f"near_identical_images_{name}",
            severity,
            f"{len(images)} images are near-identical {where} (correlation at least {SAME_CORRELATION}), though not pixel by pixel.",
            images,
            groups=groups,
            outside_guarantee=name != "of_one_patient",
        )
