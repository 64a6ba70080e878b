"""Who pays, who gains: AUROC that privacy costs a group of test patients, beside the exposure that it removes from training patients.

Two measurements of two sets of patients stand in one row, and nothing is computed from both. The loss, its interval and its verdict are
those of `evaluation.tables.cost_of_privacy`, each interval for itself; the exposure removed is that of `exposure_removed`, whose limits
hold for all groups together. For a finding they are the AUROC of that finding in all test patients, and the training patients who have it.
"""

from collections.abc import Sequence

import pandas as pd

from dpmed_core.cohort.groups import COMORBIDITY_SUBGROUPS, UNKNOWN
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.privacy.exposure.exposure_removed import ExposureRemoved

FINDING = "finding"
"""The attribute of rows on a finding; their group is its name."""
WITH_FINDING = COMORBIDITY_SUBGROUPS[1]
TOO_FEW = "exposure withheld: too few training patients in the group or beside it"
FOLLOWS = "exposure withheld: that of a small group would follow from it"
PAYS_COLUMNS = (
    *("recipe", "unit", "epsilon", "delta", "accountant", "attribute", "group", "n_patients"),
    *("auroc_lost", "lost_low", "lost_high", "margin", "verdict", "exposure_removed", "removed_low", "removed_high", "reason"),
)


def who_pays(
    costs: pd.DataFrame,
    removed: Sequence[ExposureRemoved],
    *,
    recipe: str,
    unit: str,
    epsilon: float,
    findings: Sequence[str],
    reference: str = SAMPLED_ALIKE,
) -> pd.DataFrame:
    """One row for all patients, each group and each finding, with `PAYS_COLUMNS`; empty where nothing was trained to compare.

    n_patients counts training patients. auroc_lost is the loss of mean AUROC over findings (of the finding itself in rows on a finding),
    above 0 where privacy costs, with its 95 % interval and the verdict against the margin. reason says why a number is missing.

    Args:
        costs: `MetricTables.costs` of AUROC with the accountant (`with_guarantee`), for everybody and the attributes of `removed`.
        removed: from `exposure_removed`, at the same recipe, unit and budget.
        recipe: of the models compared.
        unit: of the models compared.
        epsilon: a trained target.
        findings: those of the cohort.
        reference: which non-private reference losses are measured against.
    """
    chosen = (costs["recipe"] == recipe) & (costs["unit"] == unit) & (costs["epsilon"] == epsilon) & (costs["reference"] == reference)
    lost = costs[chosen & (costs["subgroup"] != UNKNOWN)]
    exposure = {(row.attribute, row.group): row for row in removed}
    rows = []
    for _, row in lost[(lost["finding"] == MACRO) & ~lost["attribute"].isin(findings)].iterrows():
        place = (str(row["attribute"]), str(row["subgroup"]))
        rows.append(_row(row, place, exposure.get(place)))
    for _, row in lost[(lost["attribute"] == EVERYBODY) & lost["finding"].isin(findings)].iterrows():
        rows.append(_row(row, (FINDING, str(row["finding"])), exposure.get((str(row["finding"]), WITH_FINDING))))
    table = pd.DataFrame(rows, columns=list(PAYS_COLUMNS))
    numbers = dict.fromkeys(("auroc_lost", "lost_low", "lost_high", "exposure_removed", "removed_low", "removed_high"), "float64")
    return table.astype({**numbers, "n_patients": "Int64"})


def _row(cost: pd.Series, place: tuple[str, str], removed: ExposureRemoved | None) -> dict[str, object]:
    """The row of one group; a loss is minus private minus non-private, which swaps the ends of its interval."""
    found = removed or ExposureRemoved(*place)
    reasons = [str(cost["reason"] or ""), "" if found.removed is not None else FOLLOWS if place[0] == EVERYBODY else TOO_FEW]
    return {
        **{name: cost[name] for name in ("recipe", "unit", "epsilon", "delta", "accountant", "margin", "verdict")},
        "attribute": place[0],
        "group": place[1],
        "n_patients": found.n_patients,
        "auroc_lost": -cost["difference"],
        "lost_low": -cost["difference_high"],
        "lost_high": -cost["difference_low"],
        "exposure_removed": found.removed,
        "removed_low": found.low,
        "removed_high": found.high,
        "reason": "; ".join(reason for reason in reasons if reason),
    }
