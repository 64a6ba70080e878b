"""The verdict on one attribute in one short sentence: what a committee should read first."""

from math import floor

import pandas as pd

from dpmed_core.cohort.display_names import attribute_phrase, finding_phrase, subgroup_title, within_sentence
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, WIDENED
from dpmed_core.reporting.wording.fairness import not_in_the_plan, verdicts_of

MOST_NAMED = 2
"""Groups that a headline names; of more it gives the number."""


def verdict_headline(verdicts: pd.DataFrame, *, attribute: str, finding: str, epsilon: float) -> str:
    """Whether privacy is shown to cost some group more than the others, whether it is shown not to, or that nobody can tell.

    Args:
        verdicts: rows of `EvaluationTables.verdicts` at one budget, of one recipe, unit and reference.
        attribute: what the subgroups are made by.
        finding: a finding, or "macro" for all findings of the analysis plan.
        epsilon: the budget.
    """
    rows = verdicts_of(verdicts, attribute=attribute, finding=finding)
    at, by = f"At ε = {epsilon:g},", attribute_phrase(attribute)
    if verdicts.empty:
        return f"{at} there is no verdict: the plan's groups, or the model without privacy that it compares with, are missing."
    if rows.empty:
        return not_in_the_plan(verdicts, attribute=attribute, finding=finding)
    judged, widened = rows[rows["verdict"] != NOT_ESTIMABLE], rows[rows["verdict"] == WIDENED]
    what = "comparisons" if finding == MACRO else "groups"
    if judged.empty:
        return f"{at} it cannot be judged, by {by}, whether privacy costs some patients more than others: too few test patients."
    n_undecided = int((judged["verdict"] == NOT_ENOUGH).sum())
    if len(widened):
        named = " and ".join(_named(row, with_finding=finding == MACRO) for _, row in widened.iterrows())
        lost = named if len(widened) <= MOST_NAMED else f"{len(widened)} of {len(judged)} {what} by {by}"
        return f"{at} privacy costs {lost} more AUROC than the others."
    margin = rows["margin"].iloc[0]
    if n_undecided == len(judged):
        return f"{at} there is not enough evidence by {by} to tell whether privacy costs some patients more than others."
    if n_undecided:
        left = f"for {n_undecided} of {len(judged)} {what} there is not enough evidence"
        return f"{at} no group by {by} is shown to lose more than the others; {left}."
    return f"{at} no group by {by} loses {margin:g} of AUROC more than the others."


def _named(row: pd.Series, *, with_finding: bool) -> str:
    group = f"“{within_sentence(subgroup_title(row['attribute'], row['subgroup']))}”"
    least = f"by at least {floor(1000 * row['excess_low']) / 1000:.3f}"  # rounded up it would say more than was shown
    return f"{group} ({finding_phrase(row['finding'])}, {least})" if with_finding else f"{group} ({least})"
