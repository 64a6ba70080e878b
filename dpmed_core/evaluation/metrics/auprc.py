"""AUPRC: area under the precision-recall curve, as average precision.

With m positives, and P_i the share of positives among the images whose score is at least that of positive i (its precision),

    AP = sum over positives i of P_i / m.

Its derivative with respect to the weight of image c, [c] = 1 where c is positive, N_i images at or above i, is

    ([c] (P_c - AP) + sum over positives i with score_i <= score_c of ([c] - P_i) / N_i) / m,

which summed over a patient's images is the infinitesimal jackknife. Where few patients hold many positives it is too small; divided by
1 - m_p / m, where patient p holds m_p of the positives, it comes near what AP loses when p is left out.

Source: Davis & Goadrich 2006, ICML; Su, Yuan & Zhu 2015, ICTIR (average precision); Efron 1982, "The Jackknife, the Bootstrap and Other
Resampling Plans", chapter 6 (infinitesimal jackknife).
"""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.evaluation.metrics.metric import PREVALENCE, Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.statistics.jackknife import influence_values

Floats = NDArray[np.float64]


def _estimate(scored: FindingScores) -> Estimate:
    """Average precision of each subgroup, with the influence values of the head of this module."""
    design = scored.design
    counts, grouping = design.counts, design.grouping
    falling = np.argsort(-scored.scores, kind="stable")  # sorted once; a subgroup's images keep this order
    values = np.full(len(grouping.groups), np.nan)
    derivative = np.zeros((len(grouping.blocks), len(scored.scores)))
    for block, group, members in design.members():
        inside = falling[members[falling]]
        if counts.positive[group]:
            values[group], derivative[block, inside] = average_precision(scored.scores[inside], design.positive[inside])
    # An image moves a value both as a positive and as one of those above others, so both classes of a cell are added.
    by_cell = design.sum_cases(derivative).sum(axis=0)
    group_of_cell, positives = grouping.cell_group, design.cell_counts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = positives / counts.positive[group_of_cell]
    influence = influence_values(by_cell, share, counts.patients.astype(float)[group_of_cell])
    return Estimate(values, influence, counts.effective, counts.cases.astype(float))


def average_precision(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """Average precision, and its derivative by the weight of each image `[n]`.

    >>> value, by_image = average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    >>> round(value, 4)  # (1/1 + 2/3) / 2
    0.8333
    >>> bool(abs(by_image.sum()) < 1e-12)  # weighing all images alike changes nothing
    True

    Args:
        scores: `[n]`, in falling order.
        positive: `[n]`, at least one.
    """
    n_positive = int(positive.sum())
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # tied images share one threshold
    tie = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    hits, images = np.cumsum(positive)[last], last + 1.0
    # A step of the curve ends at each threshold: precision there, times the recall that the threshold added (no interpolation).
    precision, in_tie = hits / images, np.diff(hits, prepend=0)
    value = float(precision @ in_tie) / n_positive
    # Sums over positives at or below a threshold run from the lowest score upwards.
    reached = (in_tie / images)[::-1].cumsum()[::-1]
    expected = (in_tie * precision / images)[::-1].cumsum()[::-1]
    return value, (positive * (precision[tie] - value) + positive * reached[tie] - expected[tie]) / n_positive


AUPRC = Metric("auprc", "AUPRC", _estimate, chance=PREVALENCE, scale=Scale.LOGIT, is_kept=True)
