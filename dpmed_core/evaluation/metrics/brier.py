"""Brier score: the mean squared difference of score and label. Source: Brier 1950, Monthly Weather Review 78."""

import numpy as np

from dpmed_core.evaluation.metrics.metric import Better, Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.statistics.ratio import ratio


def _estimate(scored: FindingScores) -> Estimate:
    design = scored.design
    errors = design.sum_cases(np.square(scored.scores - design.positive)).sum(axis=0)
    mean = ratio(errors, design.cell_counts.sum(axis=0), design.grouping)
    return Estimate(mean.values, mean.influence, mean.n_effective, mean.total)


BRIER = Metric("brier", "Brier score", _estimate, better=Better.LOWER, ideal=0.0, scale=Scale.PLAIN, is_kept=True)
