"""Did privacy change fairness? Each subgroup's loss against the loss of the others, for everything that the analysis plan compares.

The excess of a subgroup (`metrics.excess`) is its loss of AUROC minus that of the others. One-sided p-values and bounds are adjusted
over all subgroups, findings and budgets of the analysis plan that are estimable, for one recipe, unit and reference, by the distribution
of the largest statistic (`multiplicity.max_t`); Holm's p-values are given as well.

    widened               the lower bound is above 0 (within the margin, if the upper bound is below it)
    not widened           the upper bound is below the margin
    not enough evidence   neither; always so where an arm has one training run, since chance in training is then unknown

All lower bounds hold at once in 95 % of cohorts, and so do all upper bounds: neither "widened" nor "not widened" is said wrongly of any
of them in more than 5 % of cohorts. A budget that is not in the plan is judged together with all that were trained.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dpmed_core.evaluation.metrics.excess import Excess, excesses
from dpmed_core.evaluation.metrics.joint_excess import JointExcesses
from dpmed_core.evaluation.metrics.measured import Measured
from dpmed_core.evaluation.metrics.paired import PairedDifference, paired_differences
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import COMPARED_COLUMNS, NOT_ENOUGH, check_margin

WIDENED, NOT_WIDENED, NOT_ESTIMABLE = "widened", "not widened", "not estimable"
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
    "n_comparisons",
    "n_cases",
    "n_positive",
    "n_patients",
    "reason",
)
NOBODY_TO_COMPARE = "no other subgroup to compare with is estimable"
ONE_RUN = "one training run: chance in training cannot be separated from privacy; train two or more private models and references"


def verdict_rows(
    measured: Sequence[Measured],
    attributes: Sequence[str],
    *,
    margin: float,
    findings: Sequence[str] | None = None,
    epsilons: Sequence[float] | None = None,
) -> pd.DataFrame:
    """The verdict on each subgroup and finding of every private budget, with `VERDICT_COLUMNS`.

    loss and loss_others are drops of AUROC through privacy, excess their difference. excess_low and excess_high are bounds that hold for
    all comparisons that are judged together (95 % for all lower ones, and for all upper ones); n_comparisons says how many. detectable: the
    excess that would be called widened with a probability of 80 %, from the design (`JointExcesses.detectable`); none where even a fall to
    0.5 would not be found, and with one training run. Patients of unknown value are left out.

    Args:
        measured: of AUROC, by panel.
        attributes: of the analysis plan.
        margin: excess of AUROC that is still acceptable, above 0.
        findings: of the analysis plan; None for all findings, without their mean.
        epsilons: budgets of the analysis plan; None for all that were trained.

    Raises:
        SpecError: the margin cannot be used.
    """
    check_margin(margin)
    rows = [
        row for one in measured for pairs in _judged_together(one) for row in _rows_together(pairs, attributes, margin, findings, epsilons)
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _judged_together(measured: Measured) -> list[list[PairedDifference]]:
    """The comparisons of one recipe, unit and reference together."""
    found: dict[tuple[str, str, str], list[PairedDifference]] = {}
    for pair in paired_differences(measured):
        found.setdefault((pair.private.arm.recipe, pair.private.arm.unit, pair.reference), []).append(pair)
    return list(found.values())


def _rows_together(
    pairs: Sequence[PairedDifference],
    attributes: Sequence[str],
    margin: float,
    findings: Sequence[str] | None,
    epsilons: Sequence[float] | None,
) -> list[dict[str, object]]:
    """Every row of `pairs`, budget by budget; verdicts that are judged together are adjusted for each other."""
    judged: list[Excess] = []
    rows: dict[tuple[int, int, int], dict[str, object]] = {}
    measured = pairs[0].measured
    wanted = [i for i, name in enumerate(measured.findings) if (name != MACRO if findings is None else name in findings)]
    for number, pair in enumerate(pairs):
        for attribute in attributes:
            known = measured.known_groups(attribute)
            for finding_index in wanted:
                found = excesses(pair, finding_index, known)
                judged += found
                for g in known:
                    rows[number, finding_index, g] = {}
                for g in set(known) - {e.group for e in found}:
                    reason = str(pair.reasons[finding_index, g]) or NOBODY_TO_COMPARE
                    rows[number, finding_index, g] = {"verdict": NOT_ESTIMABLE, "within_margin": False, "reason": reason}
    # A budget that was not planned must not weaken what was planned, nor be judged as if it were alone.
    planned = [e for e in judged if epsilons is None or e.pair.private.arm.epsilon in epsilons]
    added = judged if len(planned) < len(judged) else []
    verdicts = {id(e): row for some in (added, planned) for e, row in zip(some, _judge(some, margin), strict=True)}
    numbers = {id(pair): number for number, pair in enumerate(pairs)}
    for e in judged:
        rows[numbers[id(e.pair)], e.finding_index, e.group] = verdicts[id(e)]
    return [{**pairs[n].facts(), "margin": margin, **_place(measured, f, g), **row} for (n, f, g), row in rows.items()]


def _place(measured: Measured, finding_index: int, group: int) -> dict[str, object]:
    attribute, subgroup = measured.grouping.groups[group]
    counts = {name: int(numbers[finding_index, group]) for name, numbers in measured.counts.items()}
    return {"attribute": attribute, "subgroup": subgroup, "finding": measured.findings[finding_index], **counts}


def _judge(judged: Sequence[Excess], margin: float) -> list[dict[str, object]]:
    """The rest of each row, adjusted over all of `judged`."""
    if not judged:
        return []
    together = JointExcesses(judged)
    low, high = together.bounds
    # No subgroup can lose more than everything while the others stay, and no more than that is said.
    low, high = np.maximum(low, -1), np.minimum(high, 1)
    rows: list[dict[str, object]] = [
        {"loss": e.loss, "loss_others": e.loss_others, "excess": e.value, "excess_low": low[i], "excess_high": high[i]}
        for i, e in enumerate(judged)
    ]
    for i, row in enumerate(rows):
        row["n_comparisons"] = len(judged)
        if judged[i].pair.knows_training:
            row |= dict(zip(("p_value", "p_adjusted", "p_holm"), (p[i] for p in together.p_values), strict=True))
            row |= {"verdict": _verdict(low[i], high[i], margin), "within_margin": bool(high[i] < margin)}
            row |= {"detectable": together.detectable[i], "reason": ""}
        else:
            # No p-value and nothing detectable: both would come from the patients alone.
            row |= {"verdict": NOT_ENOUGH, "within_margin": False, "reason": ONE_RUN}
    return rows


def _verdict(low: float, high: float, margin: float) -> str:
    if low > 0:  # asked first: a small excess that is certain is still an excess, and `within_margin` says that it is small
        return WIDENED
    return NOT_WIDENED if high < margin else NOT_ENOUGH
