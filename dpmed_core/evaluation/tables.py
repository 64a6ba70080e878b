"""Every table of an evaluation from one pass over the scored cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dpmed_core.evaluation.costs import DEFAULT_MARGIN, cost_rows
from dpmed_core.evaluation.fairness import gap_rows
from dpmed_core.evaluation.grouping import EVERYBODY
from dpmed_core.evaluation.measured import measure
from dpmed_core.evaluation.operating import OperatingRule
from dpmed_core.evaluation.parity import disparity_rows, parity_rows
from dpmed_core.evaluation.rates import RATE_COLUMNS, rate, rate_rows
from dpmed_core.evaluation.size_loss import size_loss_rows
from dpmed_core.evaluation.utility import UTILITY_COLUMNS, auroc_rows, utility_means
from dpmed_core.evaluation.verdict import verdict_rows


@dataclass(frozen=True, eq=False)
class EvaluationTables:
    """The tables, each with the columns that its module documents.

    Attributes:
        utility: AUROC of each run and finding (`evaluation.utility`).
        subgroups: AUROC of each run, subgroup and finding (`evaluation.fairness`).
        means: both, averaged over trainings; attribute "all" is everybody (`utility.utility_means`).
        gaps: largest minus smallest subgroup (`evaluation.fairness`).
        costs: private minus non-private, for everybody and each subgroup (`evaluation.costs`).
        verdicts: whether privacy cost a subgroup more than the others (`evaluation.verdict`).
        size_loss: Pearson's r of subgroup size and loss (`evaluation.size_loss`).
        rates: sensitivity, specificity and their kin at the operating point (`evaluation.rates`).
        parity: each subgroup's rates against the others' (`evaluation.parity`).
        disparity: demographic parity and equalised odds by attribute (`evaluation.parity`).
    """

    utility: pd.DataFrame
    subgroups: pd.DataFrame
    means: pd.DataFrame
    gaps: pd.DataFrame
    costs: pd.DataFrame
    verdicts: pd.DataFrame
    size_loss: pd.DataFrame
    rates: pd.DataFrame
    parity: pd.DataFrame
    disparity: pd.DataFrame


def evaluation_tables(
    scored: pd.DataFrame,
    by: Sequence[str] = (),
    *,
    margin: float = DEFAULT_MARGIN,
    findings: Sequence[str] | None = None,
    rule: OperatingRule | None = None,
) -> EvaluationTables:
    """All tables.

    Args:
        scored: scored cases, with their validation part (`cases.HELD_OUT`) where rates are wanted.
        by: attributes, as `cohort.groups.subgroups` takes them.
        margin: acceptable loss of AUROC, for costs and verdicts; lock it first (`evaluation.family`).
        findings: the verdicts' family; None for all.
        rule: the operating point; None for Youden's.

    Raises:
        CohortError: there is no such attribute.
        SpecError: the margin cannot be used.
    """
    measured, rated = measure(scored, by), rate(scored, by, rule=rule)
    everything = auroc_rows(measured, [EVERYBODY, *by])
    overall = everything["attribute"] == EVERYBODY
    rates = [rate_rows(one) for one in rated]
    return EvaluationTables(
        utility=everything[overall][list(UTILITY_COLUMNS)].reset_index(drop=True),
        subgroups=everything[~overall].reset_index(drop=True),
        means=utility_means(everything),
        gaps=gap_rows(measured, by),
        costs=cost_rows(measured, [EVERYBODY, *by], margin=margin),
        verdicts=verdict_rows(measured, by, margin=margin, findings=findings),
        size_loss=size_loss_rows(measured, by),
        rates=pd.concat(rates, ignore_index=True) if rates else pd.DataFrame(columns=list(RATE_COLUMNS)),
        parity=parity_rows(rated, by),
        disparity=disparity_rows(rated, by),
    )
