"""AUROC of many subgroups at once, with one influence value for each patient in each subgroup.

AUROC is the Mann-Whitney statistic. With m positives and n negatives,

    V10_i = share of negatives below positive i (ties half),   V01_j = share of positives above negative j (ties half),
    a_p   = sum over p's positives of (V10_i - A) / m,         b_p   = sum over p's negatives of (V01_j - A) / n,
    w_p   = sum over pairs of p's own positives and negatives of ([positive above negative, ties half] - A) / (m n),
    d_p   = (a_p + b_p - w_p) / ((1 - m_p / m) (1 - n_p / n)) sqrt((K - 1) / K),      Var(A) = sum over patients p of d_p^2,

where p holds m_p of the positives and n_p of the negatives. a_p + b_p is the sum of DeLong's structural components over a patient's images
(Obuchowski 1997); p's own pairs are in both sums, so w_p takes them out once. Without its last factor d_p is exactly what A loses when p is
left out with all images, so this is the jackknife over patients (Arvesen 1969; MacKinnon, Nielsen & Webb 2023), which holds where few
patients carry many images. K is the number of patients with positives where p has positives alone, with negatives where p has negatives
alone, and with either where p has both: where each patient has one image this is DeLong's variance exactly. The covariance of two AUROCs
over the same patients is the sum of the products of their d_p, so the d_p of a mean over findings, or of a difference between runs, are the
mean or the difference of the d_p.

Scores are sorted once for each finding; each attribute then needs a stable sort of small integers and running counts (Sun & Xu 2014).

Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53; Arvesen 1969, Annals of Mathematical
Statistics 40; MacKinnon, Nielsen & Webb 2023, Journal of Applied Econometrics 38; Sun & Xu 2014, IEEE Signal Processing Letters 21.
"""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.design import Design, Placement

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


def auroc_by_group(scores: Floats, design: Design) -> tuple[Floats, Floats]:
    """AUROC of each subgroup `[n_groups]`, and d_p of each cell `[n_cells]`; NaN where a subgroup has one class.

    >>> import pandas as pd
    >>> from dpmed_core.evaluation.scores.grouping import group_cases
    >>> grouping = group_cases(pd.DataFrame(index=range(5)), (), np.arange(5), n_patients=5)
    >>> labels = np.array([0.0, 0.0, 1.0, 1.0, np.nan])  # the last label is unknown
    >>> value, influence = auroc_by_group(np.array([0.1, 0.4, 0.35, 0.8, 0.9]), Design.of(labels, grouping))
    >>> float(value[0])  # three of four pairs are in order
    0.75

    Args:
        scores: `[n_cases]`, larger = more suspicious.
        design: of the finding.
    """
    order = np.argsort(scores)
    in_order = scores[order]
    tied = in_order[1:] == in_order[:-1]
    # Without ties the position in the sorted order says how many images lie below; only ties need ranks.
    rank = np.concatenate([[0], np.cumsum(~tied)]) if tied.any() else None
    n_cells = len(design.grouping.cell_patient)
    # Cells of different attributes are different bins, so the attributes' counts can be added.
    beaten = np.zeros(2 * n_cells)
    for placement in design.placements:
        beaten += _beaten(order, rank, placement, design.positive, 2 * n_cells)
    within = np.zeros(2 * n_cells)
    # A patient's own images are a subgroup of one patient, so that the same counts serve.
    for placement in design.patients_apart:
        within += _beaten(order, rank, placement, design.positive, 2 * n_cells)
    return _auroc_and_influence(beaten.reshape(2, n_cells), within[n_cells:][design.counted_in], design)


def _beaten(order: Integers, rank: Integers | None, placement: Placement, positive: NDArray[np.bool_], n_bins: int) -> Floats:
    """For each cell and class (`Placement.cells`), over its images the number of images of the other class with a smaller score, ties half.

    Args:
        order: the images by rising score.
        rank: rank of each image in that order, equal for equal scores; None where no scores are equal.
        placement: where the images stand in one attribute's subgroups.
        positive: `[n_cases]`.
        n_bins: twice the number of cells: negatives first, then positives.
    """
    in_order = placement.codes[order]
    # The stable sort by subgroup keeps the order by score within each, so one sort of the scores serves all attributes. Images to leave
    # out have a code past the last subgroup's and stand behind all others, where the slice cuts them off.
    by_group = np.argsort(in_order, kind="stable")[: placement.sizes.sum()]
    images = order[by_group]
    is_positive = positive[images]
    positives = np.zeros(len(images) + 1, dtype=np.intp)
    np.cumsum(is_positive, out=positives[1:])
    starts = np.concatenate([[0], np.cumsum(placement.sizes)[:-1]])
    positives_below, negatives_below = (
        _below(len(images), positives) if rank is None else _below_tied(rank[by_group], in_order[by_group], positives)
    )
    # The counts run on through the subgroups: what stood before a subgroup's first image is subtracted.
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
    # Halfway between the counts before and after the images of one score: those below in full, ties half.
    positives_middle = (positives[first] + positives[last]) / 2
    return positives_middle[run], ((first + last) / 2 - positives_middle)[run]


def _auroc_and_influence(beaten: Floats, within: Floats, design: Design) -> tuple[Floats, Floats]:
    """AUROC of each subgroup and d_p of each cell, as in the head of this module.

    Args:
        beaten: the sums of `_beaten` `[2, n_cells]`.
        within: the same for positives against negatives of their own cell `[n_cells]`.
        design: of the finding.
    """
    grouping, counts = design.grouping, design.counts
    cell_negative, cell_positive = design.cell_counts
    m, n = counts.positive.astype(float), (counts.cases - counts.positive).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Without one of the classes this is 0 / 0: NaN, since 0 would claim that every pair is in the wrong order.
        value = grouping.sum_cells(beaten[1]) / (m * n)
        # m n (a + b - w), in which V01 = 1 - beaten / m: V01 counts the positives above a negative, `beaten` those below it. In place,
        # since memory for each term would take longer than the sums.
        lost = beaten[1] - beaten[0]
        lost -= within
        lost += cell_negative * grouping.to_cells((1 - value) * m)
        lost -= cell_positive * (grouping.to_cells(value * n) - grouping.to_cells(value) * cell_negative)
        lost *= design.left_without_patient
    return value, lost
