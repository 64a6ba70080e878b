"""Every metric, by name: one line here enters it in tables, figures, pages, exports and commands."""

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.auprc import AUPRC
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.brier import BRIER
from dpmed_core.evaluation.metrics.calibration import CALIBRATION_ERROR, CALIBRATION_INTERCEPT, CALIBRATION_SLOPE
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.metrics.net_benefit import NET_BENEFIT
from dpmed_core.evaluation.metrics.parity import PARITY_DIFFERENCES
from dpmed_core.evaluation.metrics.rates import RATES

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        AUROC,
        AUPRC,
        *RATES,
        BRIER,
        CALIBRATION_SLOPE,
        CALIBRATION_INTERCEPT,
        CALIBRATION_ERROR,
        NET_BENEFIT,
        *PARITY_DIFFERENCES,
    )
}
OFFERED: dict[str, Metric] = {name: metric for name, metric in METRICS.items() if metric.contrast_of is None}
"""What pages and `--metric` offer: metrics that all patients together have too, and not only a subgroup beside others."""


def metric_called(name: str) -> Metric:
    """The metric of that name.

    Raises:
        SpecError: there is none, or it is not offered.
    """
    if name not in OFFERED:
        raise SpecError(f"There is no metric {name!r}: choose one of {', '.join(OFFERED)}.")
    return OFFERED[name]
