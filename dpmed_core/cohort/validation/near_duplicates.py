"""Near-identical images: the same image exported twice, with another compression, brightness or size.

Two images count as near-identical if their 64 x 64 reductions have a correlation of at least `SAME_CORRELATION`, which does not depend on
brightness and contrast. Comparing all pairs would take time quadratic in the size of the cohort. Instead, each thumbnail, with mean
zero and length one, is projected onto the leading principal directions. A projection never lengthens a distance, and the distance of two
such vectors is sqrt(2 - 2 correlation), so every pair with a high correlation is close in the projection. A k-d tree finds the nearest
neighbours of each image there; only these pairs are compared in full, and only if they are not yet in the same group.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.validation.inputs import ValidationInputs, pooled_volumes, pooling
from dpmed_core.imaging.radiographs_at_128 import radiographs_at_128
from dpmed_core.imaging.volume_grid import SHAPE

SAME_CORRELATION = 0.995
CANDIDATE_CORRELATION = 0.98
"""Of thumbnails; lower than `SAME_CORRELATION`, so that no pair is missed because a thumbnail is coarse."""
DIRECTIONS = 8
NEIGHBOURS = 17
"""Nearest neighbours in the projection that are examined, the image itself included."""
SAMPLE = 2000
"""Thumbnails from which the principal directions are estimated."""
BLOCK = 512
BATCH_BYTES = 1 << 22
"""Bytes of images compared in full at once, on either side of the pairs."""
REDUCED, REDUCED_VOLUME = 64, tuple(length // 4 for length in SHAPE)
HALVING = pooling(REDUCED)


def similar_checks(inputs: ValidationInputs) -> Iterator[Check]:
    """Images that are near-identical to another: of one patient, across patients, across parts, in test and training."""
    groups = near_identical_groups(inputs)
    if not groups:
        return
    patients, parts = inputs.cases["patient_id"].to_numpy(), inputs.parts
    across_patients = [group for group in groups if len(set(patients[group])) > 1]
    across_parts = [group for group in groups if len(set(parts[group])) > 1]
    into_test = [group for group in groups if {Part.TEST.value, Part.TRAIN.value} <= set(parts[group])]
    of_one = [group for group in groups if len(set(patients[group])) == 1]
    yield from _check(inputs, "of_one_patient", "to another image of the same patient", of_one, Severity.NOTE)
    yield from _check(inputs, "across_patients", "to an image of another patient", across_patients, Severity.WARNING)
    yield from _check(inputs, "across_parts", "to an image of another part", across_parts, Severity.WARNING)
    yield from _check(inputs, "in_test_and_train", "between the test and the training part", into_test, Severity.WARNING)


def near_identical_groups(inputs: ValidationInputs) -> list[NDArray[np.intp]]:
    """Groups of cases, each near-identical to at least one other of its group; of identical images only the first takes part."""
    _, distinct = np.unique(inputs.digests.view(f"V{inputs.digests.shape[1]}").ravel(), return_index=True)
    if len(distinct) < 2:
        return []
    groups = Groups(len(distinct))
    stored = np.load(inputs.images, mmap_mode="r", allow_pickle=False)
    pairs = candidate_pairs(inputs.measured.thumbnails[distinct])
    batch = max(1, BATCH_BYTES // stored[0].nbytes)
    for start in range(0, len(pairs), batch):
        separate = groups.separate(pairs[start : start + batch])
        one, other = (normalised(_reduced(stored[distinct[separate[:, side]]])) for side in (0, 1))
        groups.join(separate[np.einsum("ij,ij->i", one, other) >= SAME_CORRELATION])
    return [distinct[group] for group in groups.members()]


def normalised(images: NDArray[np.generic]) -> NDArray[np.float32]:
    """`images` `[n, ...]` as rows with mean zero and length one, whose dot products are correlations; a constant image becomes zero.

    >>> one, other = normalised(np.array([[0, 1, 2], [10, 20, 30]]))
    >>> round(float(one @ other), 6)
    1.0
    """
    flat = images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", flat, flat))[:, None]
    flat /= np.where(lengths > 0, lengths, 1)
    return flat


def candidate_pairs(thumbnails: NDArray[np.generic]) -> NDArray[np.intp]:
    """Pairs of `thumbnails` `[n, ...]` with a correlation of at least `CANDIDATE_CORRELATION` `[n_pairs, 2]`.

    Each pair occurs once, those with the highest correlation first. Of an image with more than `NEIGHBOURS` closer ones, pairs are missed.
    """
    n = len(thumbnails)
    sample = normalised(thumbnails[:: -(-n // SAMPLE)])
    directions = np.linalg.eigh(np.cov(sample, rowvar=False))[1][:, -DIRECTIONS:].astype(np.float32)  # eigenvalues are ascending
    tree = cKDTree(np.concatenate([normalised(thumbnails[start : start + BLOCK]) @ directions for start in range(0, n, BLOCK)]))
    radius = np.sqrt(2 - 2 * CANDIDATE_CORRELATION)
    pairs, closeness = [], []
    for start in range(0, n, BLOCK):
        _, near = tree.query(tree.data[start : start + BLOCK], k=min(NEIGHBOURS, n), distance_upper_bound=radius)
        one, other = np.repeat(np.arange(start, start + len(near)), near.shape[1]), near.ravel()
        kept = (other < n) & (other != one)  # the tree fills missing neighbours with n
        one, other = one[kept], other[kept]
        likeness = np.einsum("ij,ij->i", normalised(thumbnails[one]), normalised(thumbnails[other]))
        close = likeness >= CANDIDATE_CORRELATION
        pairs.append(np.sort(np.column_stack([one[close], other[close]]), axis=1))
        closeness.append(likeness[close])
    found, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return found[np.argsort(-np.concatenate(closeness)[first], kind="stable")]


class Groups:
    """Disjoint sets of the numbers 0 to n - 1 (union-find with path halving). Source: Tarjan 1975, doi 10.1145/321879.321884."""

    def __init__(self, n: int) -> None:
        """Each of `n` numbers in a set of its own."""
        self._parent = list(range(n))

    def separate(self, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of `pairs` `[n_pairs, 2]` whose numbers are in different sets."""
        return pairs[[self._root(one) != self._root(other) for one, other in pairs.tolist()]]

    def join(self, pairs: NDArray[np.intp]) -> None:
        """Unite the sets of each of `pairs`."""
        for one, other in pairs.tolist():
            self._parent[self._root(one)] = self._root(other)

    def members(self) -> list[NDArray[np.intp]]:
        """The sets with more than one number."""
        roots = np.array([self._root(number) for number in range(len(self._parent))])
        order = np.argsort(roots, kind="stable")
        sets = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
        return [one for one in sets if len(one) > 1]

    def _root(self, number: int) -> int:
        """The representative of the set of `number`; path halving keeps later searches short."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number


def _reduced(block: NDArray[Any]) -> NDArray[np.float32]:
    """Stored images `[n, ...]` reduced to `[n, REDUCED, REDUCED]`, or volumes to `[n, *REDUCED_VOLUME]`."""
    if block.ndim == 4:
        return pooled_volumes(block, REDUCED_VOLUME)
    return np.asarray(HALVING @ radiographs_at_128(block).astype(np.float32) @ HALVING.T, dtype=np.float32)


def _check(inputs: ValidationInputs, name: str, to_what: str, groups: list[NDArray[np.intp]], severity: Severity) -> Iterator[Check]:
    """A check about `groups`, unless there are none."""
    if groups:
        images = np.concatenate(groups)
        yield inputs.check(
            f"near_identical_images_{name}",
            severity,
            f"{len(images):,} images are near-identical {to_what} (correlation at least {SAME_CORRELATION}), but not pixel by pixel.",
            images,
            groups=groups,
            outside_guarantee=name != "of_one_patient",
        )
