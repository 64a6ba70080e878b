"""What no score can change about one finding: which cases are positive, and where they stand in the subgroups."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping, smallest_code
from dpmed_core.evaluation.scores.sample_sizes import Counts

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the images of one finding stand in the subgroups of one attribute.

    Attributes:
        codes: subgroup of each case within the attribute; one past the last for a case to leave out.
        cells: `[n_cases]`, the cell of each case, or that plus n_cells where it is positive.
        sizes: images in each subgroup.
    """

    codes: NDArray[np.unsignedinteger]
    cells: Integers
    sizes: Integers


@dataclass(frozen=True, eq=False)
class Design:
    """Everything about one finding that no score can change.

    Attributes:
        grouping: the subgroups.
        positive: `[n_cases]`.
        placements: one for each attribute.
        cell_counts: negatives (row 0) and positives (row 1) of each cell `[2, n_cells]`; a cell is a patient in a subgroup.
        counts: by subgroup.
    """

    grouping: Grouping
    positive: NDArray[np.bool_] = field(repr=False)
    placements: tuple[Placement, ...] = field(repr=False)
    cell_counts: Floats = field(repr=False)
    counts: Counts

    @classmethod
    def of(cls, labels: Floats, grouping: Grouping) -> "Design":
        """The design of a finding with `labels` `[n_cases]`: 1, 0, or NaN, which is left out."""
        unknown, positive = np.isnan(labels), labels == 1  # NaN == 1 is False, but `unknown` leaves those cases out anyway
        n_cells = len(grouping.cell_patient)
        shift = positive * n_cells  # positives fill a second row of bins, so one `bincount` counts both classes
        placements, cell_counts = [], np.zeros(2 * n_cells)
        for block in grouping.blocks:
            codes = block.codes.copy()
            codes[unknown] = block.n_groups
            # Codes may now be one past the last subgroup's: that bin holds the cases of unknown label, and the slice drops it.
            sizes = np.bincount(codes, minlength=block.n_groups + 1)[: block.n_groups]
            cells = block.cells + shift
            cell_counts += np.bincount(cells, weights=codes < block.n_groups, minlength=2 * n_cells)
            placements.append(Placement(codes, cells, sizes))
        by_class = cell_counts.reshape(2, n_cells)
        return cls(grouping, positive, tuple(placements), by_class, Counts.of(by_class, grouping))

    @cached_property
    def counted_in(self) -> Integers:
        """For each cell, the one that stands for it: everybody's cell of the same patient where that holds the same images, else itself."""
        same_patient = self.grouping.cell_of_everybody
        negative, positive = self.cell_counts
        is_whole = (negative == negative[same_patient]) & (positive == positive[same_patient])
        return np.where(is_whole, same_patient, np.arange(len(is_whole)))

    @cached_property
    def patients_apart(self) -> tuple[Placement, ...]:
        """Placements whose subgroups are single cells with images of both classes, for what is counted within each patient.

        Only cells of `counted_in`: the patient whose images all stand in one subgroup is counted once and not once an attribute.
        """
        n_cells = self.cell_counts.shape[1]
        wanted = (self.cell_counts[0] > 0) & (self.cell_counts[1] > 0) & (self.counted_in == np.arange(n_cells))
        found = []
        for block, placement in zip(self.grouping.blocks, self.placements, strict=True):
            if not wanted[slice(*self.grouping.cell_start[[block.first, block.first + block.n_groups]])].any():
                continue
            inside = (placement.codes < block.n_groups) & wanted[block.cells]
            images = np.bincount(block.cells[inside], minlength=n_cells)
            numbers = np.cumsum(images > 0) - 1
            n_apart = int(numbers[-1]) + 1
            codes = np.where(inside, numbers[block.cells], n_apart).astype(smallest_code(n_apart))
            found.append(Placement(codes, placement.cells, images[images > 0]))
        return tuple(found)

    @cached_property
    def left_without_patient(self) -> Floats:
        """1 / ((m - m_p) (n - n_p)) times the jackknife's sqrt((K - 1) / K), of each cell; see `evaluation.statistics.auroc`.

        0 where nobody else has a class: without that patient there is no AUROC that could be lost.
        """
        counts, (negative, positive) = self.counts, self.cell_counts
        to_cells = self.grouping.to_cells
        left = (to_cells(counts.positive) - positive) * (to_cells(counts.cases - counts.positive) - negative)
        # K: the patients of a patient's class, or all of them for a patient with images of both.
        of_class, in_all = np.stack([counts.negative_patients, counts.positive_patients]), counts.patients
        factors = np.sqrt(1 - 1 / np.maximum(np.vstack([of_class, in_all]), 1))
        inverse: Floats = np.divide(1.0, left, out=np.zeros_like(left), where=left > 0)
        inverse *= np.where(positive == 0, to_cells(factors[0]), np.where(negative == 0, to_cells(factors[1]), to_cells(factors[2])))
        return inverse

    def sum_cases(self, values: Floats) -> Floats:
        """Sums over the cases of each cell, negatives and positives apart `[2, n_cells]`; cases of unknown label are left out.

        Args:
            values: `[n_cases]`, or `[n_blocks, n_cases]` where they differ by attribute.
        """
        sums = np.zeros(self.cell_counts.size)
        for placement, of_block in zip(self.placements, np.broadcast_to(values, (len(self.placements), values.shape[-1])), strict=True):
            inside = placement.codes < len(placement.sizes)
            sums += np.bincount(placement.cells, weights=of_block * inside, minlength=len(sums))
        return sums.reshape(2, -1)

    def members(self) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
        """For each subgroup: the index of its block, its own index, and which cases of known label are in it `[n_cases]`."""
        for block_index, (block, placement) in enumerate(zip(self.grouping.blocks, self.placements, strict=True)):
            for code in range(block.n_groups):
                yield block_index, block.first + code, placement.codes == code
