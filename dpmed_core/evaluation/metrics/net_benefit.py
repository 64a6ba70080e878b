"""Net benefit: whether acting on the model does more good than acting on nobody.

    net benefit = (true positives - false positives p / (1 - p)) / images,

where images with a score of at least p are acted on: true positives per image, less false positives weighed by the odds of p. Scores are
taken as probabilities. Source: Vickers & Elkin 2006, Medical Decision Making 26.
"""

import numpy as np

from dpmed_core.evaluation.metrics.metric import Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.statistics.ratio import ratio

USUAL_THRESHOLD = 0.1
"""The threshold probability where none was named: one true positive is worth nine false positives."""


def net_benefit(threshold: float) -> Metric:
    """The metric of acting on scores of at least `threshold`, a probability above 0 and below 1."""

    def estimate(scored: FindingScores) -> Estimate:
        design = scored.design
        # Acting from a probability of p on says that one true positive is worth (1 - p) / p false positives.
        odds = threshold / (1 - threshold)
        worth = np.where(design.positive, 1.0, -odds) * (scored.scores >= threshold)
        mean = ratio(design.sum_cases(worth).sum(axis=0), design.cell_counts.sum(axis=0), design.grouping)
        return Estimate(mean.values, mean.influence, mean.n_effective, mean.total)

    return Metric(
        name="net_benefit",
        phrase=f"net benefit at {threshold:.0%}",
        estimate=estimate,
        low=-np.inf,
        chance=0.0,
        scale=Scale.PLAIN,
    )


NET_BENEFIT = net_benefit(USUAL_THRESHOLD)
