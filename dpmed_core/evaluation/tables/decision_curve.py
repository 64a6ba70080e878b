"""Decision curves: whether acting on the model does more good than acting on nobody, or on everybody."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.evaluation.scores.grouping import group_cases
from dpmed_core.evaluation.scores.panel import Panel, panels_of
from dpmed_core.evaluation.scores.scored_cases import RUN_COLUMNS
from dpmed_core.evaluation.statistics.auroc import Design, left_out
from dpmed_core.evaluation.statistics.intervals import freedom_of, symmetric

THRESHOLDS: tuple[float, ...] = tuple(round(0.02 * step, 2) for step in range(1, 46))
BENEFIT_COLUMNS = (
    *RUN_COLUMNS,
    "finding",
    "threshold",
    "net_benefit",
    "net_benefit_low",
    "net_benefit_high",
    "treat_all",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
Floats = NDArray[np.float64]


def benefit_table(scored: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Net benefit of each run and finding at each threshold probability, with `BENEFIT_COLUMNS`.

    net_benefit = (true positives - false positives p / (1 - p)) / images, where images with a score of at least p are acted on: true
    positives found for each image, less the false alarms at the rate at which p says one is willing to trade. treat_all is that of acting
    on every image; acting on none is 0. Scores are taken as probabilities, so look at the calibration first. 95 % intervals by patient.

    Source: Vickers & Elkin 2006, Medical Decision Making 26.
    """
    rows = [row for panel in panels_of(scored) for row in _rows(panel, np.asarray(thresholds, dtype=float))]
    return pd.DataFrame(rows, columns=list(BENEFIT_COLUMNS))


def _rows(panel: Panel, thresholds: Floats) -> Iterator[dict[str, object]]:
    grouping = group_cases(panel.cases, (), panel.patients, n_patients=panel.n_patients)
    for finding, name in enumerate(panel.findings):
        counts = Design.of(panel.labels[finding], grouping).counts
        reason = counts.reasons()[0]
        known = ~np.isnan(panel.labels[finding])
        numbers = {f"n_{kind}": int(getattr(counts, kind)[0]) for kind in ("cases", "positive", "patients")}
        for run, facts in enumerate(panel.runs.to_dict("records")):
            about = {**{str(key): value for key, value in facts.items()}, "finding": name, **numbers, "reason": reason}
            if reason:
                yield about
            else:
                columns = net_benefit(panel.scores[run, finding][known], panel.labels[finding][known], panel.patients[known], thresholds)
                for row in zip(thresholds, *columns, strict=True):
                    numbers_of = dict(
                        zip(("threshold", "net_benefit", "net_benefit_low", "net_benefit_high", "treat_all"), row, strict=True)
                    )
                    yield {**about, **numbers_of}


def net_benefit(scores: Floats, labels: Floats, patients: NDArray[np.intp], thresholds: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Net benefit, its interval's ends, and that of acting on everybody, each `[n_thresholds]`."""
    odds = (thresholds / (1 - thresholds))[:, None]
    worth = np.where(labels == 1, 1.0, -odds)
    acted = worth * (scores >= thresholds[:, None])
    value = acted.mean(axis=1)
    images = np.bincount(patients).astype(float)
    by_patient = np.stack([np.bincount(patients, weights=row) for row in acted])[:, images > 0]
    share = images[images > 0] / images.sum()
    squares = np.square(left_out(by_patient / images.sum() - value[:, None] * share, share))
    variance = squares.sum(axis=1) * (1 - 1 / len(share))
    low, high = symmetric(value, variance, freedom_of(variance, np.square(squares).sum(axis=1), 1 / np.square(share).sum()))
    return value, low, high, worth.mean(axis=1)
