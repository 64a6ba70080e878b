"""Parity at an operating point: a subgroup's rate minus that of all other subgroups of its attribute.

The paper's *statistical parity difference* is a subgroup's accuracy minus the size-weighted accuracy of all others (Tayebi Arasteh et al.
2024, doi 10.1038/s43856-024-00462-6); the textbook's is the difference of the shares called positive (Dwork et al. 2012, ITCS).
"""

from dataclasses import replace

from dpmed_core.evaluation.metrics.metric import Better, Metric, Scale
from dpmed_core.evaluation.metrics.rates import ACCURACY, POSITIVE_RATE, UNDERDIAGNOSIS


def _difference(of: Metric, name: str, phrase: str) -> Metric:
    """The metric that is a subgroup's value of `of` minus that of all others, whose estimate it keeps (`metrics.contrast`)."""
    return replace(
        of,
        name=name,
        phrase=phrase,
        low=-1.0,
        chance=0.0,
        better=Better.NEAR_IDEAL,
        ideal=0.0,
        scale=Scale.PLAIN,
        contrast_of=of,
    )


PAPER_PARITY = _difference(ACCURACY, "paper_parity_difference", "statistical parity difference as in the paper")
PARITY = _difference(POSITIVE_RATE, "parity_difference", "demographic parity difference")
UNDERDIAGNOSIS_PARITY = _difference(UNDERDIAGNOSIS, "underdiagnosis_difference", "difference of underdiagnosis rates")
PARITY_DIFFERENCES = (PAPER_PARITY, PARITY, UNDERDIAGNOSIS_PARITY)
