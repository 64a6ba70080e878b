"""A check of the intervals of AUROC by another method: patients drawn with replacement, percentiles of the values.

Not what is reported: percentiles are too short for few patients and useless where a value is exactly 1. Where both are near each other, the
interval does not hang on the method. The draws are of patients alone, as if the models were given; intervals over several training runs
hold chance in training too, and are wider.

Source: Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans"; Field & Welsh 2007, Journal of the Royal Statistical Society
B 69 (clusters drawn whole).
"""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.metrics.measured import in_the_mean, mean_over_findings
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE, Arm
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.training.spec import PrivacyUnit

FEWEST_DRAWS, MOST_DRAWS = 100, 10_000
TAIL = 0.025
DRAWS_AT_ONCE = 100
"""Draws whose weights are in memory at once, one for each image."""
ENDS = ("bootstrap_low", "bootstrap_high")
Floats = NDArray[np.float64]


def bootstrap_columns(table: pd.DataFrame, designs: Sequence[PanelDesign], n_draws: int) -> pd.DataFrame:
    """`table` with bootstrap_low, bootstrap_high (95 %) and n_draws beside each interval.

    Args:
        table: `MetricTables.means` or `MetricTables.costs` of AUROC over `designs`.
        designs: of its panels.
        n_draws: of the patients.

    Raises:
        SpecError: too few or too many draws.
    """
    check_draws(n_draws)
    drawn = [(design, drawn_aurocs(design, n_draws)) for design in designs]
    rows = [row for design, values in drawn for row in _ends(design, values, paired="difference" in table.columns)]
    if not rows:
        return table.assign(**dict.fromkeys(ENDS, np.nan), n_draws=n_draws)
    ends = pd.DataFrame(rows)
    return table.merge(ends, on=[name for name in ends.columns if name not in ENDS], how="left").assign(n_draws=n_draws)


def check_draws(n_draws: int) -> None:
    """Refuse a number of draws that says nothing, or takes too long.

    Raises:
        SpecError: too few or too many draws.
    """
    if not FEWEST_DRAWS <= n_draws <= MOST_DRAWS:
        raise SpecError(f"{n_draws} draws cannot be used for a bootstrap: choose {FEWEST_DRAWS} to {MOST_DRAWS:,}.")


def drawn_aurocs(design: PanelDesign, n_draws: int) -> Floats:
    """AUROC of each run, finding (the last their mean) and subgroup on each draw `[n_draws, n_runs, n_findings + 1, n_groups]`.

    Always the same draws, and for all runs alike, so that differences between runs are paired. NaN where a draw has one class.
    """
    panel, groups = design.panel, design.grouping.groups
    shape = (n_draws, len(panel.scores), len(panel.findings), len(groups))
    values = np.full(shape, np.nan)
    rng = np.random.default_rng(0)
    for start in range(0, n_draws, DRAWS_AT_ONCE):
        n = min(DRAWS_AT_ONCE, n_draws - start)
        counts = rng.multinomial(panel.n_patients, np.full(panel.n_patients, 1 / panel.n_patients), size=n)
        for finding, of_finding in enumerate(design.designs):
            reasons = of_finding.counts.reasons()
            for _, group, members in of_finding.members():
                if reasons[group]:
                    continue
                weights, positive = counts[:, panel.patients[members]].astype(float), of_finding.positive[members]
                for run in range(shape[1]):
                    values[start : start + n, run, finding, group] = weighted_auroc(panel.scores[run, finding, members], positive, weights)
    known = np.array([[reason == "" for reason in of_finding.counts.reasons()] for of_finding in design.designs])
    used = in_the_mean(known)
    mean = mean_over_findings(np.moveaxis(values, 2, 0), np.broadcast_to(used[:, None, None], np.moveaxis(values, 2, 0).shape))
    return np.concatenate([values, mean[:, :, None]], axis=2)


def weighted_auroc(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """AUROC `[n_draws]` of cases that count `weights` `[n_draws, n_cases]` times; NaN where one class has no weight.

    >>> scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    >>> weighted_auroc(scores, positive, np.array([[1.0, 1, 1, 1], [1, 1, 2, 0], [1, 1, 0, 0]])).tolist()
    [0.75, 0.5, nan]
    """
    order = np.argsort(scores, kind="stable")
    weights, positive = weights[:, order], positive[order]
    in_order = scores[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    # Sums over the images of one score: negatives of smaller scores count in full, those of the same score half.
    of_positive, of_negative = (np.add.reduceat(weights * mask, starts, axis=1) for mask in (positive, ~positive))
    below = np.cumsum(of_negative, axis=1) - of_negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((of_positive * below).sum(axis=1) / (of_positive.sum(axis=1) * of_negative.sum(axis=1)))


def _ends(design: PanelDesign, values: Floats, *, paired: bool) -> Iterator[dict[str, object]]:
    """Percentiles for each arm, or each private arm minus each reference, with the keys of a table's rows."""
    by_arm = {arm: values[:, arm.runs].mean(axis=1) for arm in design.arms}
    findings = (*design.panel.findings, MACRO)
    for arm, own in by_arm.items():
        about = {"recipe": arm.recipe, "unit": arm.unit, "epsilon": arm.epsilon, "delta": arm.delta}
        references = [(_reference(arm, of), own - other) for of, other in by_arm.items() if _reference(arm, of)]
        compared = [({"reference": name}, drawn) for name, drawn in references] if paired else [({}, own)]
        for more, drawn in compared:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of what is not estimable, all draws are NaN
                low, high = np.nanquantile(drawn, [TAIL, 1 - TAIL], axis=0)
            for finding_index, finding in enumerate(findings):
                for group, (attribute, subgroup) in enumerate(design.grouping.groups):
                    place = {"attribute": attribute, "subgroup": subgroup, "finding": finding}
                    yield {**about, **more, **place, ENDS[0]: low[finding_index, group], ENDS[1]: high[finding_index, group]}


def _reference(private: Arm, other: Arm) -> str:
    """Which reference `other` is for a private arm; empty where it is none (as in `metrics.paired.paired_differences`)."""
    if not private.is_private or other.is_private or other.recipe != private.recipe:
        return ""
    if other.unit == private.unit:
        return SAMPLED_ALIKE
    return CONVENTIONAL if other.unit == PrivacyUnit.IMAGE else ""
