"""Did privacy change fairness? Each subgroup's loss against the loss of the others, for a whole family of subgroups and findings.

For a subgroup g of an attribute, with loss L = mean non-private AUROC - mean private AUROC on the same cases,

    excess_g = L_g - sum over the other subgroups h of w_h L_h,      w_h = h's share of the others' patients.

An excess above 0 says that privacy cost g more than the others. Its variance comes from the patients (influence values of both arms in all
groups, by patient) and from chance in training (the excess of each training, m - 1 degrees of freedom for each arm). One-sided p-values are
adjusted over the family, all subgroups and findings that are estimable, by the distribution of the largest statistic
(`multiplicity.max_t`); Holm's stand beside them.

    widened               the family's lower bound is above 0 (within the margin, if the upper bound is below it)
    not widened           the one-sided 95 % upper bound is below the margin
    not enough evidence   neither; always so where an arm was trained once, since chance in training is then unknown

The margin and the family are chosen before the results are looked at: `evaluation.analysis_plan` keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.statistics.arms import Comparison, comparisons, training_variance
from dpmed_core.evaluation.statistics.auroc_panel import MACRO, Measured, measure
from dpmed_core.evaluation.statistics.intervals import added, freedom_of, quantile
from dpmed_core.evaluation.statistics.multiplicity import holm, max_t
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS, NOT_ENOUGH, check_margin

WIDENED, NOT_WIDENED, NOT_ESTIMABLE = "widened", "not widened", "not estimable"
LEVEL, POWER = 0.05, 0.80
VERDICT_COLUMNS = (
    *COMPARED_COLUMNS,
    "attribute",
    "subgroup",
    "finding",
    "loss",
    "loss_others",
    "excess",
    "excess_low",
    "excess_high",
    "p_value",
    "p_adjusted",
    "p_holm",
    "margin",
    "verdict",
    "within_margin",
    "detectable",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
NOBODY_TO_COMPARE = "no other subgroup to compare with is estimable"
ONE_TRAINING = "one training: chance in training cannot be told from privacy; train two or more of each kind"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Excess:
    """One subgroup's loss against the others', for one finding."""

    finding: int
    group: int
    loss: float
    loss_others: float
    patients: Floats
    by_private: Floats
    by_twin: Floats
    n_effective: float


def verdict_table(scored: pd.DataFrame, by: Sequence[str], *, margin: float, findings: Sequence[str] | None = None) -> pd.DataFrame:
    """The verdict on each subgroup and finding of every private budget, with `VERDICT_COLUMNS`; see `verdict_rows`."""
    return verdict_rows(measure(scored, by), by, margin=margin, findings=findings)


def verdict_rows(
    measured: Sequence[Measured], attributes: Sequence[str], *, margin: float, findings: Sequence[str] | None = None
) -> pd.DataFrame:
    """The verdict on each subgroup and finding of every private budget, with `VERDICT_COLUMNS`.

    loss and loss_others are drops of AUROC through privacy, excess their difference; excess_low is the family's lower bound (95 % for all
    rows of one budget and reference together), excess_high the one-sided 95 % upper bound of the row alone. detectable: the excess that
    would be called widened with a probability of 80 %, from the standard error and never from the excess. Subgroups of unknown value are
    left out.

    Args:
        measured: `measured.measure`.
        attributes: of the family.
        margin: excess of AUROC that is still acceptable, above 0.
        findings: of the family; None for all findings, without their mean.

    Raises:
        SpecError: the margin cannot be used.
    """
    check_margin(margin)
    rows = [row for m in measured for comparison in comparisons(m) for row in _family(m, comparison, attributes, margin, findings)]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _family(
    measured: Measured, comparison: Comparison, attributes: Sequence[str], margin: float, findings: Sequence[str] | None
) -> list[dict[str, object]]:
    wanted = [i for i, name in enumerate(measured.findings) if (name != MACRO if findings is None else name in findings)]
    judged: list[Excess] = []
    silent: list[tuple[int, int, str]] = []
    for attribute in attributes:
        known = [number for name, number in measured.groups_of(attribute).items() if name != UNKNOWN]
        for finding in wanted:
            found = _excesses(measured, comparison, finding, known)
            judged += found
            missing = [g for g in known if g not in [e.group for e in found]]
            silent += [(finding, g, str(measured.reasons[finding, g]) or NOBODY_TO_COMPARE) for g in missing]
    about = {**comparison.facts(), "margin": margin}
    rows = _judge(comparison, judged, margin)
    named = [(e.finding, e.group, row) for e, row in zip(judged, rows, strict=True)]
    named += [(f, g, {"verdict": NOT_ESTIMABLE, "within_margin": False, "reason": reason}) for f, g, reason in silent]
    return [{**about, **_place(measured, f, g), **row} for f, g, row in named]


def _place(measured: Measured, finding: int, group: int) -> dict[str, object]:
    attribute, subgroup = measured.grouping.groups[group]
    counts = {name: int(getattr(measured, name)[finding, group]) for name in ("n_cases", "n_positive", "n_patients")}
    return {"attribute": attribute, "subgroup": subgroup, "finding": measured.findings[finding], **counts}


def _excesses(measured: Measured, comparison: Comparison, finding: int, known: list[int]) -> list[Excess]:
    """Every estimable subgroup of one attribute against the others; none where there are fewer than two.

    Macro is the mean of a subgroup's excesses over findings, so that each is a comparison on one and the same finding.
    """
    if measured.findings[finding] == MACRO:
        each = [e for f in range(len(measured.findings) - 1) for e in _excesses(measured, comparison, f, known)]
        return [_mean(finding, [e for e in each if e.group == g]) for g in known if any(e.group == g for e in each)]
    groups = [g for g in known if not measured.reasons[finding, g]]
    if len(groups) < 2:
        return []
    sizes = measured.n_patients[finding, groups].astype(float)
    contrast = np.eye(len(groups)) - (1 - np.eye(len(groups))) * sizes / (sizes.sum() - sizes)[:, None]
    influence = np.stack([measured.grouping.by_patient(comparison.influence[finding], g) for g in groups])
    patients = -contrast @ influence
    private, twin = (measured.values[arm.runs, finding][:, groups] @ contrast.T for arm in (comparison.private, comparison.twin))
    loss = (comparison.auroc_reference - comparison.auroc)[finding, groups]
    excess = contrast @ loss
    n_effective = float(measured.n_effective[finding, groups].min())
    return [
        Excess(finding, g, float(loss[i]), float(loss[i] - excess[i]), patients[i], private[:, i], twin[:, i], n_effective)
        for i, g in enumerate(groups)
    ]


def _mean(finding: int, excesses: Sequence[Excess]) -> Excess:
    """The mean over findings of one subgroup's excesses."""

    def mean(name: str) -> Floats:
        return np.asarray(np.mean([getattr(e, name) for e in excesses], axis=0))

    arrays = (mean("patients"), mean("by_private"), mean("by_twin"))
    return Excess(finding, excesses[0].group, float(mean("loss")), float(mean("loss_others")), *arrays, float(mean("n_effective")))


def _judge(comparison: Comparison, judged: Sequence[Excess], margin: float) -> list[dict[str, object]]:
    """The rest of each row, adjusted over all of `judged`."""
    if not judged:
        return []
    influence = np.stack([e.patients for e in judged])
    squares = np.square(influence)
    patients = squares.sum(axis=1)
    trainings, trainings_freedom = training_variance(
        np.stack([e.by_private for e in judged], axis=1), np.stack([e.by_twin for e in judged], axis=1)
    )
    n_effective = np.array([e.n_effective for e in judged])
    freedom = freedom_of(patients, np.square(squares).sum(axis=1), n_effective)
    variance, freedom = added(patients, freedom, trainings, trainings_freedom)
    excess = np.array([e.loss - e.loss_others for e in judged])
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, t.sf(excess / error, freedom), 1.0)
        correlation = np.nan_to_num((influence @ influence.T) / np.outer(error, error))
    np.fill_diagonal(correlation, 1)
    adjusted, single = max_t(p, correlation, level=LEVEL)
    critical = quantile(1 - single, freedom)
    low, high = excess - critical * error, excess + quantile(1 - LEVEL, freedom) * error
    detectable = (critical + quantile(POWER, freedom)) * error
    by_holm = holm(p)
    rows = []
    for i, e in enumerate(judged):
        row: dict[str, object] = {"loss": e.loss, "loss_others": e.loss_others, "excess": excess[i]}
        row |= {"excess_low": low[i], "excess_high": high[i], "detectable": detectable[i]}
        if comparison.knows_training:
            row |= {"p_value": p[i], "p_adjusted": adjusted[i], "p_holm": by_holm[i], "reason": ""}
            row |= {"verdict": _verdict(low[i], high[i], margin), "within_margin": bool(high[i] < margin)}
        else:
            row |= {"verdict": NOT_ENOUGH, "within_margin": False, "reason": ONE_TRAINING}
        rows.append(row)
    return rows


def _verdict(low: float, high: float, margin: float) -> str:
    if low > 0:
        return WIDENED
    return NOT_WIDENED if high < margin else NOT_ENOUGH
