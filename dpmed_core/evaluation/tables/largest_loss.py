"""What loses most through privacy: the finding, and the group of patients with the verdict on it, from the tables of costs and verdicts.

The largest of several losses looks larger than it is, since it was picked for being large (Andrews, Kitagawa &
McCloskey 2024, Q J Econ 139). `p_adjusted` counts that: Bonferroni's p-value over all that were
compared holds for whichever of them is picked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH, PATIENTS
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED

LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class LargestLoss:
    """The largest of several losses.

    Attributes:
        row: its row of `MetricTables.costs`.
        loss: how much of the metric is lost; below 0 where all of them gain.
        n_compared: of how many it is the largest.
        n_shown: of how many a loss is shown, by Bonferroni's p-value over all of them.
    """

    row: pd.Series = field(repr=False)
    loss: float
    n_compared: int
    n_shown: int

    @property
    def p_adjusted(self) -> float:
        """Two-sided p-value of the loss, times the number of losses that it was picked among."""
        return min(1.0, float(self.row["p_value"]) * self.n_compared)

    @property
    def is_shown(self) -> bool:
        """Whether it is shown that there is a loss at all; never where chance in training is not known."""
        return _is_shown(self.loss, self.p_adjusted, str(self.row["covers"]))


@dataclass(frozen=True)
class GroupVerdict:
    """The verdicts on one group over several findings, which hold together.

    Attributes:
        verdict: widened where one of them is, not widened where all that can be judged are, else not enough evidence.
        widened: the findings in which the group is shown to lose more than the others.
        n_judged: of how many findings there is a verdict.
        n_findings: how many there are.
        detectable: the smallest and the largest extra loss that would be found with a probability of 80 %; None where none would.
        reasons: why there is not enough evidence, or no verdict.
    """

    verdict: str
    widened: tuple[str, ...]
    n_judged: int
    n_findings: int
    detectable: tuple[float, float] | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class OneVerdict:
    """The verdict on one group for one finding.

    Attributes:
        finding: the finding.
        verdict: one of those of `fairness_verdict`.
        detectable: the extra loss that would be found with a probability of 80 %; None where none would, or where it was found.
        reason: why there is not enough evidence, or no verdict; else empty.
    """

    finding: str
    verdict: str
    detectable: float | None
    reason: str


def at_budget(table: pd.DataFrame, *, recipe: str, unit: str, epsilon: float, reference: str = SAMPLED_ALIKE) -> pd.DataFrame:
    """The rows of one comparison: of a table of costs or of verdicts."""
    of_models = (table["recipe"] == recipe) & (table["unit"] == unit) & (table["reference"] == reference)
    return table[of_models & (table["epsilon"] == epsilon)]


def loss_of(rows: pd.DataFrame, metric: Metric) -> pd.Series:
    """How much of the metric is lost; of one without a better direction, how far it falls."""
    return -(metric.gain or 1) * rows["difference"]


def overall_cost(costs: pd.DataFrame, finding: str) -> pd.Series | None:
    """Everybody's row of `finding`, or of the mean over findings; None where nothing was compared.

    Args:
        costs: rows of `at_budget`.
        finding: a finding or "macro".
    """
    rows = costs[(costs["attribute"] == EVERYBODY) & (costs["finding"] == finding)]
    return None if rows.empty else rows.iloc[0]


def largest_finding_loss(costs: pd.DataFrame, metric: Metric) -> LargestLoss | None:
    """The finding that loses most, of all patients; None where no finding is estimable.

    Args:
        costs: rows of `at_budget`.
        metric: whose.
    """
    return _largest(costs[(costs["attribute"] == EVERYBODY) & (costs["finding"] != MACRO)], metric)


def largest_group_loss(costs: pd.DataFrame, metric: Metric, finding: str) -> LargestLoss | None:
    """The group that loses most, among all groups of known value; None where fewer than two are estimable.

    Args:
        costs: rows of `at_budget`.
        metric: whose.
        finding: a finding, or "macro" for their mean.
    """
    groups = costs[(costs["attribute"] != EVERYBODY) & (costs["subgroup"] != UNKNOWN) & (costs["finding"] == finding)]
    known = groups[groups["difference"].notna()]
    # Where one group of an attribute is estimable, there is nobody to compare it with.
    return _largest(known[known.groupby("attribute")["subgroup"].transform("nunique") > 1], metric)


def group_verdict(verdicts: pd.DataFrame, attribute: str, subgroup: str, finding: str) -> GroupVerdict:
    """The verdict on one group: that of `finding`, or for "macro" those of all findings of the analysis plan together.

    Args:
        verdicts: rows of `at_budget`, from `EvaluationTables.verdicts`.
        attribute: what the group is made by.
        subgroup: its name.
        finding: a finding or "macro".
    """
    return together(verdicts_by_group(verdicts).get((attribute, subgroup), ()), finding)


def verdicts_by_group(verdicts: pd.DataFrame) -> Mapping[tuple[str, str], Sequence[OneVerdict]]:
    """The verdicts on each group, by attribute and subgroup; read once, since looking through a table for every cell of a map takes long.

    Args:
        verdicts: rows of `at_budget`, from `EvaluationTables.verdicts`.
    """
    found: dict[tuple[str, str], list[OneVerdict]] = {}
    columns = (verdicts[name] for name in ("attribute", "subgroup", "finding", "verdict", "detectable", "reason"))
    for attribute, subgroup, finding, verdict, detectable, reason in zip(*columns, strict=True):
        one = OneVerdict(finding, verdict, None if pd.isna(detectable) else float(detectable), "" if pd.isna(reason) else reason)
        found.setdefault((attribute, subgroup), []).append(one)
    return found


def together(verdicts: Sequence[OneVerdict], finding: str) -> GroupVerdict:
    """What the verdicts on one group say: that of `finding`, or for "macro" those of all findings of the analysis plan together."""
    rows = verdicts if finding == MACRO else [one for one in verdicts if one.finding == finding]
    judged = [one for one in rows if one.verdict != NOT_ESTIMABLE]
    undecided = [one for one in judged if one.verdict == NOT_ENOUGH]
    detectable = [one.detectable for one in undecided if one.detectable is not None]
    return GroupVerdict(
        verdict=_strongest({one.verdict for one in judged}),
        widened=tuple(one.finding for one in judged if one.verdict == WIDENED),
        n_judged=len(judged),
        n_findings=len(rows),
        detectable=(min(detectable), max(detectable)) if detectable else None,
        reasons=tuple(dict.fromkeys(one.reason for one in (undecided if judged else rows) if one.reason)),
    )


def widened_groups(verdicts: pd.DataFrame, finding: str) -> Sequence[tuple[str, str]]:
    """Attribute and name of every group that is shown to lose more than the others, the largest extra loss first.

    Args:
        verdicts: rows of `at_budget`.
        finding: a finding, or "macro" for all of the analysis plan.
    """
    rows = verdicts[verdicts["verdict"] == WIDENED]
    rows = rows if finding == MACRO else rows[rows["finding"] == finding]
    ordered = rows.sort_values("excess", ascending=False, kind="stable")
    return list(dict.fromkeys(zip(ordered["attribute"], ordered["subgroup"], strict=True)))


def _largest(rows: pd.DataFrame, metric: Metric) -> LargestLoss | None:
    known = rows[rows["difference"].notna()]
    if known.empty:
        return None
    losses = loss_of(known, metric)
    at, adjusted = int(losses.argmax()), known["p_value"] * len(known)
    shown = [_is_shown(*each) for each in zip(losses, adjusted, known["covers"], strict=True)]
    return LargestLoss(known.iloc[at], float(losses.iloc[at]), len(known), sum(shown))


def _is_shown(loss: float, p_adjusted: float, covers: str) -> bool:
    return loss > 0 and covers != PATIENTS and p_adjusted < LEVEL


def _strongest(judged: set[str]) -> str:
    if not judged:
        return NOT_ESTIMABLE
    if WIDENED in judged:
        return WIDENED
    return NOT_WIDENED if judged == {NOT_WIDENED} else NOT_ENOUGH
