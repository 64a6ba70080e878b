"""Did privacy change fairness? Each subgroup's loss against the loss of the others, for all subgroups and findings of the analysis plan.

For a subgroup g of an attribute, with loss L = mean non-private AUROC - mean private AUROC on the same cases,

    excess_g = L_g - sum over the other subgroups h of w_h L_h,      w_h = h's share of the others' patients.

An excess above 0 says that privacy cost g more than the others. Its variance comes from the patients (influence values of both arms in all
groups, by patient) and from chance in training (the excess of each training run, m - 1 degrees of freedom for an arm of m runs). One-sided
p-values are adjusted over the analysis plan, all subgroups and findings that are estimable, by the distribution of the largest statistic
(`multiplicity.max_t`); Holm's are given as well.

    widened               the family-wise lower bound is above 0 (within the margin, if the upper bound is below it)
    not widened           the one-sided 95 % upper bound is below the margin
    not enough evidence   neither; always so where an arm has one training run, since chance in training is then unknown

The margin and the analysis plan are chosen before the results are looked at: `evaluation.analysis_plan` records them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from dpmed_core.evaluation.metrics.contrast import against_others
from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.metrics.paired import PairedDifference, paired_differences, training_variance
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.statistics.intervals import added, quantile
from dpmed_core.evaluation.statistics.jackknife import jackknife_of_patients
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
ONE_RUN = "one training run: chance in training cannot be separated from privacy; train two or more private models and references"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Excess:
    """One subgroup's loss against the others', for one finding.

    Attributes:
        finding_index: of the finding; the last is the mean over findings.
        group: index of the subgroup.
        loss: of the subgroup.
        loss_others: of the others, weighed by their patients.
        patients: influence values of the excess `[n_patients]`.
        by_private: the subgroup's value minus the others' for each private training run `[n_runs]`, of which only the variance is used.
        by_non_private: the same of the references `[n_runs]`.
        n_effective: of the subgroup for which it is smallest.
    """

    finding_index: int
    group: int
    loss: float
    loss_others: float
    patients: Floats
    by_private: Floats
    by_non_private: Floats
    n_effective: float


def verdict_rows(
    measured: Sequence[Measured], attributes: Sequence[str], *, margin: float, findings: Sequence[str] | None = None
) -> pd.DataFrame:
    """The verdict on each subgroup and finding of every private budget, with `VERDICT_COLUMNS`.

    loss and loss_others are drops of AUROC through privacy, excess their difference. excess_low is the family-wise lower bound (95 % for
    all rows of one budget and reference together), excess_high the one-sided 95 % upper bound of the row alone. detectable: the excess
    that would be called widened with a probability of 80 %, computed from the standard error alone. Patients of unknown value are left out.

    Args:
        measured: of AUROC, by panel.
        attributes: of the analysis plan.
        margin: excess of AUROC that is still acceptable, above 0.
        findings: of the analysis plan; None for all findings, without their mean.

    Raises:
        SpecError: the margin cannot be used.
    """
    check_margin(margin)
    rows = [row for one in measured for pair in paired_differences(one) for row in _of_plan(pair, attributes, margin, findings)]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _of_plan(pair: PairedDifference, attributes: Sequence[str], margin: float, findings: Sequence[str] | None) -> list[dict[str, object]]:
    """Every row of one budget and reference, whose verdicts are adjusted for each other."""
    measured = pair.measured
    wanted = [i for i, name in enumerate(measured.findings) if (name != MACRO if findings is None else name in findings)]
    judged: list[Excess] = []
    not_judged: list[tuple[int, int, str]] = []
    for attribute in attributes:
        known = measured.known_groups(attribute)
        for finding_index in wanted:
            found = _excesses(pair, finding_index, known)
            judged += found
            missing = [g for g in known if g not in [e.group for e in found]]
            not_judged += [(finding_index, g, str(pair.reasons[finding_index, g]) or NOBODY_TO_COMPARE) for g in missing]
    about = {**pair.facts(), "margin": margin}
    rows = _judge(pair, judged, margin)
    named = [(e.finding_index, e.group, row) for e, row in zip(judged, rows, strict=True)]
    named += [(f, g, {"verdict": NOT_ESTIMABLE, "within_margin": False, "reason": reason}) for f, g, reason in not_judged]
    return [{**about, **_place(measured, f, g), **row} for f, g, row in named]


def _place(measured: Measured, finding_index: int, group: int) -> dict[str, object]:
    attribute, subgroup = measured.grouping.groups[group]
    counts = {name: int(numbers[finding_index, group]) for name, numbers in measured.counts.items()}
    return {"attribute": attribute, "subgroup": subgroup, "finding": measured.findings[finding_index], **counts}


def _excesses(pair: PairedDifference, finding_index: int, known: list[int]) -> list[Excess]:
    """Every estimable subgroup of one attribute against the others; none where there are fewer than two.

    Macro is the mean of a subgroup's excesses over the findings that are estimable of everybody; a subgroup that lacks one has no mean.
    """
    measured = pair.measured
    if measured.findings[finding_index] == MACRO:
        in_mean = np.flatnonzero(~np.isnan(pair.values[:-1, 0]))
        each = [e for f in in_mean for e in _excesses(pair, int(f), known)]
        own = {g: [e for e in each if e.group == g] for g in known}
        return [_mean(finding_index, own[g]) for g in known if len(in_mean) and len(own[g]) == len(in_mean)]
    groups = [g for g in known if not np.isnan(pair.values[finding_index, g])]
    if len(groups) < 2:
        return []
    sizes = measured.counts["n_patients"][finding_index, groups].astype(float)
    contrast = against_others(sizes)
    influence = np.stack([measured.grouping.by_patient(pair.influence[finding_index], g) for g in groups])
    gain = measured.metric.gain
    # A loss is minus the gain. The excess of each run is kept too, so that chance in training enters as the excess varies, not as its
    # parts do: a shift that all subgroups of a run share cancels.
    patients = -gain * (contrast @ influence)
    private, other = (gain * arm.by_run[:, finding_index][:, groups] @ contrast.T for arm in (pair.private, pair.non_private))
    loss = -gain * pair.values[finding_index, groups]
    excess = contrast @ loss
    n_effective = float(np.minimum(*(arm.n_effective[finding_index, groups] for arm in (pair.private, pair.non_private))).min())
    return [
        Excess(finding_index, g, float(loss[i]), float(loss[i] - excess[i]), patients[i], private[:, i], other[:, i], n_effective)
        for i, g in enumerate(groups)
    ]


def _mean(finding_index: int, excesses: Sequence[Excess]) -> Excess:
    """The mean over findings of one subgroup's excesses."""

    def mean(name: str) -> Floats:
        return np.asarray(np.mean([getattr(e, name) for e in excesses], axis=0))

    arrays = (mean("patients"), mean("by_private"), mean("by_non_private"))
    numbers = (float(mean("loss")), float(mean("loss_others")))
    return Excess(finding_index, excesses[0].group, *numbers, *arrays, float(mean("n_effective")))


def _judge(pair: PairedDifference, judged: Sequence[Excess], margin: float) -> list[dict[str, object]]:
    """The rest of each row, adjusted over all of `judged`."""
    if not judged:
        return []
    influence = np.stack([e.patients for e in judged])
    of_patients = jackknife_of_patients(influence, np.array([e.n_effective for e in judged]))
    private, non_private = (np.stack([getattr(e, name) for e in judged], axis=1) for name in ("by_private", "by_non_private"))
    variance, freedom = added(*of_patients, *training_variance(private, non_private))
    excess = np.array([e.loss - e.loss_others for e in judged])
    error = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, t.sf(excess / error, freedom), 1.0)
        # Of the patients' part alone: what training adds is in `error` only and so counts as uncorrelated. That is stricter than any
        # positive correlation, and close to Bonferroni's bound, which no correlation passes.
        correlation = np.nan_to_num((influence @ influence.T) / np.outer(error, error))
    np.fill_diagonal(correlation, 1)
    adjusted, single = max_t(p, correlation, level=LEVEL)
    # The unadjusted level at which a single test is judged, as a t quantile with each test's own degrees of freedom.
    critical = quantile(1 - single, freedom)
    low, high = excess - critical * error, excess + quantile(1 - LEVEL, freedom) * error
    # A true excess so large puts the estimate above the critical bound with a probability of `POWER`, whatever excess was seen.
    detectable = (critical + quantile(POWER, freedom)) * error
    by_holm = holm(p)
    rows = []
    for i, e in enumerate(judged):
        row: dict[str, object] = {"loss": e.loss, "loss_others": e.loss_others, "excess": excess[i]}
        row |= {"excess_low": low[i], "excess_high": high[i], "detectable": detectable[i]}
        if pair.knows_training:
            row |= {"p_value": p[i], "p_adjusted": adjusted[i], "p_holm": by_holm[i], "reason": ""}
            row |= {"verdict": _verdict(low[i], high[i], margin), "within_margin": bool(high[i] < margin)}
        else:
            # No p-value: it would come from the patients alone and look smaller than it is.
            row |= {"verdict": NOT_ENOUGH, "within_margin": False, "reason": ONE_RUN}
        rows.append(row)
    return rows


def _verdict(low: float, high: float, margin: float) -> str:
    if low > 0:  # asked first: a small excess that is certain is still an excess, and `within_margin` says that it is small
        return WIDENED
    return NOT_WIDENED if high < margin else NOT_ENOUGH
