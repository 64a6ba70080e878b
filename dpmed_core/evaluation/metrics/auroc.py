"""AUROC: the probability that a positive image gets a higher score than a negative one, ties half."""

from dpmed_core.evaluation.metrics.metric import Estimate, Metric, Scale
from dpmed_core.evaluation.scores.finding_scores import FindingScores
from dpmed_core.evaluation.statistics.auroc import auroc_by_group


def _estimate(scored: FindingScores) -> Estimate:
    counts = scored.design.counts
    return Estimate(*auroc_by_group(scored.scores, scored.design), n_effective=counts.effective, weights=counts.cases.astype(float))


AUROC = Metric("auroc", "AUROC", _estimate, chance=0.5, scale=Scale.LOGIT_BOUNDED, is_kept=True)
