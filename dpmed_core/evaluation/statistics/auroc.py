"""Areas under ROC curves of many subgroups at once, with one influence value for each patient in each subgroup.

AUROC is the Mann-Whitney statistic. With m positives and n negatives,

    V10_i = share of negatives below positive i (ties half),   V01_j = share of positives above negative j (ties half),
    a_p   = sum over p's positives of (V10_i - A) / m,         b_p   = sum over p's negatives of (V01_j - A) / n,
    d_p   = a_p / (1 - m_p / m) sqrt((I - 1) / I)  +  b_p / (1 - n_p / n) sqrt((J - 1) / J),      Var(A) = sum over patients p of d_p^2,

where p holds m_p of the positives and n_p of the negatives, and I and J patients have any. a_p + b_p is the sum of DeLong's structural
components over a patient's images (Obuchowski 1997). The quotients make d_p what A loses when p is left out, so this is the jackknife over
patients (Arvesen 1969; MacKinnon, Nielsen & Webb 2023), which holds where few patients carry many images; where each patient has one image
it is DeLong's variance to the last digit. The d_p of two areas over the same patients multiply to their covariance, so means over findings
and differences between runs are means and differences of d_p.

Scores are sorted once a finding; each attribute then needs a stable sort of small integers and running counts (Sun & Xu 2014).

Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53; Arvesen 1969, Annals of Mathematical
Statistics 40; MacKinnon, Nielsen & Webb 2023, Journal of Applied Econometrics 38; Sun & Xu 2014, IEEE Signal Processing Letters 21.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import Grouping
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
        placed: one an attribute.
        cell_counts: negatives (row 0) and positives (row 1) of each cell `[2, n_cells]`; a cell is a patient in a subgroup.
        counts: by subgroup.
    """

    grouping: Grouping
    positive: NDArray[np.bool_] = field(repr=False)
    placement: tuple[Placement, ...] = field(repr=False)
    cell_counts: Floats = field(repr=False)
    counts: Counts

    @classmethod
    def of(cls, labels: Floats, grouping: Grouping) -> "Design":
        """The design of a finding with `labels` `[n_cases]`: 1, 0, or NaN, which is left out."""
        unknown, positive = np.isnan(labels), labels == 1
        n_cells = len(grouping.cell_patient)
        shift = positive * n_cells
        placement, cell_counts = [], np.zeros(2 * n_cells)
        for block in grouping.blocks:
            codes = block.codes.copy()
            codes[unknown] = block.n_groups
            sizes = np.bincount(codes, minlength=block.n_groups + 1)[: block.n_groups]
            cells = block.cells + shift
            cell_counts += np.bincount(cells, weights=codes < block.n_groups, minlength=2 * n_cells)
            placement.append(Placement(codes, cells, sizes))
        by_class = cell_counts.reshape(2, n_cells)
        return cls(grouping, positive, tuple(placement), by_class, Counts.of(by_class, grouping))


def areas(scores: Floats, design: Design) -> tuple[Floats, Floats]:
    """AUROC of each subgroup `[n_groups]`, and d_p of each cell `[n_cells]`; NaN where a subgroup has one class.

    Args:
        scores: `[n_cases]`, larger = more suspicious.
        design: of the finding.
    """
    order = np.argsort(scores)
    in_order = scores[order]
    tied = in_order[1:] == in_order[:-1]
    rank = np.concatenate([[0], np.cumsum(~tied)]) if tied.any() else None
    n_cells = len(design.grouping.cell_patient)
    beaten = np.zeros(2 * n_cells)
    for placement in design.placement:
        beaten += _beaten(order, rank, placement, design.positive, 2 * n_cells)
    return _areas_and_influence(beaten.reshape(2, n_cells), design)


def _beaten(order: Integers, rank: Integers | None, placement: Placement, positive: NDArray[np.bool_], n_bins: int) -> Floats:
    """For each cell of `Placed.cells`: over its images, the images of the other class with a smaller score, ties half, summed."""
    in_order = placement.codes[order]
    by_group = np.argsort(in_order, kind="stable")[: placement.sizes.sum()]
    images = order[by_group]
    is_positive = positive[images]
    positives = np.zeros(len(images) + 1, dtype=np.intp)
    np.cumsum(is_positive, out=positives[1:])
    starts = np.concatenate([[0], np.cumsum(placement.sizes)[:-1]])
    positives_below, negatives_below = (
        _below(len(images), positives) if rank is None else _below_tied(rank[by_group], in_order[by_group], positives)
    )
    before = positives[starts]
    below = np.where(
        is_positive, negatives_below - np.repeat(starts - before, placement.sizes), positives_below - np.repeat(before, placement.sizes)
    )
    return np.bincount(placement.cells[images], weights=below, minlength=n_bins).astype(np.float64)


def _below(n_images: int, positives: Integers) -> tuple[Floats, Floats]:
    """Positives and negatives before each image in (subgroup, score) order."""
    return positives[:-1].astype(float), (np.arange(n_images) - positives[:-1]).astype(float)


def _below_tied(rank: Integers, group: NDArray[np.unsignedinteger], positives: Integers) -> tuple[Floats, Floats]:
    """The same where scores are tied: images of the same score count half."""
    begins = np.concatenate([[True], (rank[1:] != rank[:-1]) | (group[1:] != group[:-1])]) if len(rank) else np.zeros(0, bool)
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    last = np.concatenate([first[1:], [len(rank)]]) if len(rank) else first
    positives_middle = (positives[first] + positives[last]) / 2
    return positives_middle[run], ((first + last) / 2 - positives_middle)[run]


def _areas_and_influence(beaten: Floats, design: Design) -> tuple[Floats, Floats]:
    grouping, counts = design.grouping, design.counts
    group, (cell_negative, cell_positive) = grouping.cell_group, design.cell_counts
    m, n = counts.positive.astype(float), (counts.cases - counts.positive).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = grouping.sum_cells(beaten[1]) / (m * n)
        i, j = (np.sqrt((patients - 1) / patients) for patients in (counts.positive_patients, counts.negative_patients))
        area, m, n = value[group], m[group], n[group]
        a = (beaten[1] / n - area * cell_positive) / m
        b = ((1 - area) * cell_negative - beaten[0] / m) / n
        influence = left_out(a, cell_positive / m) * i[group] + left_out(b, cell_negative / n) * j[group]
    return value, influence


def left_out(residual: Floats, share: Floats) -> Floats:
    """residual / (1 - share), what a mean loses without a patient who holds `share` of it; 0 where the patient is alone."""
    return np.where(share < 1, residual / np.maximum(1 - share, 1e-12), np.where(np.isnan(share), np.nan, 0.0))
