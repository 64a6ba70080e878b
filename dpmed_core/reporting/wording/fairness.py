"""What privacy did to subgroups, as sentences that a clinician can quote, made from the numbers."""

from collections.abc import Sequence

import pandas as pd

from dpmed_core.cohort.display_names import attribute_phrase, finding_phrase, finding_title, subgroup_title, within_sentence
from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.cost_of_privacy import NOT_ENOUGH
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED
from dpmed_core.evaluation.tables.utility import TOO_FEW_COUNTED
from dpmed_core.reporting.wording.utility import subject


def fairness_sentence(
    costs: pd.DataFrame,
    *,
    metric: Metric,
    recipe: str,
    unit: str,
    finding: str,
    attribute: str,
    epsilon: float,
    reference: str = SAMPLED_ALIKE,
) -> str:
    """The metric of all patients with and without privacy at `epsilon`, and the subgroups that lose most and least, with intervals.

    The subgroups' counts stand in the figure and the table, which the sentence is shown with.

    Args:
        costs: `MetricTables.costs` with everybody and `attribute`.
        metric: whose columns are quoted.
        recipe: of the models compared.
        unit: of the models compared.
        finding: a finding or "macro".
        attribute: what the subgroups are made by.
        epsilon: a trained target.
        reference: which non-private reference is compared with.
    """
    chosen = (costs["recipe"] == recipe) & (costs["unit"] == unit) & (costs["finding"] == finding)
    rows = costs[chosen & (costs["epsilon"] == epsilon) & (costs["reference"] == reference)]
    if rows.empty:
        return f"At ε = {epsilon:g} there is no model without privacy to compare with: train one on the page Train."
    everybody = rows[rows["attribute"] == "all"].iloc[0]
    if everybody["reason"] or pd.isna(everybody[metric.name]):
        return f"{finding_title(finding)} cannot be judged in these test patients: {everybody['reason'] or TOO_FEW_COUNTED}."
    # Patients of unknown value are in everybody's numbers, but no group that a clinician could act on.
    groups = rows[(rows["attribute"] == attribute) & (rows["subgroup"] != UNKNOWN)]
    return f"{_overall(everybody, metric, epsilon)} {_extremes(groups[groups['difference'].notna()], metric, attribute)}"


def _overall(row: pd.Series, metric: Metric, epsilon: float) -> str:
    return (
        f"At ε = {epsilon:g}, {metric.phrase} for {subject(row['finding'])} is {row[metric.name]:.3f} with privacy and "
        f"{row[f'{metric.name}_reference']:.3f} without ({row['n_cases']:,} test images of {row['n_patients']:,} patients, "
        f"{_positive(row)})."
    )


def _extremes(groups: pd.DataFrame, metric: Metric, attribute: str) -> str:
    """Which group loses most and which least; for a metric without a better direction, which falls most and which rises most."""
    phrase = attribute_phrase(attribute)
    if len(groups) < 2:
        return f"By {phrase}, fewer than two groups have enough patients to compare."
    # Without a better direction a fall is ranked as a loss, and the sentence says "changes" instead.
    losses = -(metric.gain or 1) * groups["difference"]
    most, least = groups.iloc[int(losses.argmax())], groups.iloc[int(losses.argmin())]
    if metric.gain == 0:
        picked = f", the extremes of {len(groups)} groups, picked after looking" if len(groups) > 2 else ""
        return f"By {phrase}, it changes by {_change(most)} in {_group(most)} and by {_change(least)} in {_group(least)}{picked}."
    # Of two groups both are named, and one of them always loses more: to call it the largest would make a result of that.
    if len(groups) == 2:
        other = f"{_loss(least, metric, again=True)} in {_group(least)}"
        return f"By {phrase}, the loss is {_loss(most, metric)} in {_group(most)} and {other}."
    return (
        f"By {phrase}, the largest loss of {len(groups)} groups, picked after looking, is {_loss(most, metric)} in {_group(most)}; "
        f"the smallest is {_loss(least, metric, again=True)} in {_group(least)}."
    )


def _loss(row: pd.Series, metric: Metric, *, again: bool = False) -> str:
    """A loss with its interval, which is named unless it is said `again`; a loss below 0 is marked as a gain."""
    loss = -metric.gain * row["difference"]
    low, high = sorted(-metric.gain * row[end] for end in ("difference_low", "difference_high"))
    gain = ", a gain" if loss < 0 else ""
    return f"{_signed(loss)}{gain} ({'' if again else '95 % interval '}{_signed(low)} to {_signed(high)})"


def _change(row: pd.Series) -> str:
    return f"{_signed(row['difference'])} (95 % interval {_signed(row['difference_low'])} to {_signed(row['difference_high'])})"


def _positive(row: pd.Series) -> str:
    """The count of positives; for the mean over findings these are labels, of which an image may have several."""
    return f"{row['n_positive']:,} positive{' labels' if row['finding'] == MACRO else ''}"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def verdicts_of(verdicts: pd.DataFrame, *, attribute: str, finding: str) -> pd.DataFrame:
    """The verdicts on the subgroups of `attribute`, for one finding or for all of the analysis plan ("macro")."""
    rows = verdicts[verdicts["attribute"] == attribute]
    return rows if finding == MACRO else rows[rows["finding"] == finding]


def not_in_the_plan(verdicts: pd.DataFrame, *, attribute: str, finding: str) -> str:
    """Why there is no verdict where `verdicts_of` has none, though there are some at this budget."""
    if (verdicts["attribute"] == attribute).any():
        return f"{finding_title(finding)} is not in the analysis plan: there is no verdict on it."
    return f"{attribute_phrase(attribute).capitalize()} is not in the analysis plan: there is no verdict on these groups."


def verdict_sentence(verdicts: pd.DataFrame, *, attribute: str, finding: str) -> str:
    """Which subgroups privacy is shown to have hurt more than the others, not to have, and for which the evidence is not enough.

    Args:
        verdicts: rows of `EvaluationTables.verdicts` at one budget, of one recipe, unit and reference.
        attribute: what the subgroups are made by.
        finding: a finding, or "macro" for all findings of the analysis plan.
    """
    rows = verdicts_of(verdicts, attribute=attribute, finding=finding)
    if rows.empty:
        return not_in_the_plan(verdicts, attribute=attribute, finding=finding)
    what = "comparisons of a group with the others" if finding == MACRO else "groups compared with the others"
    begun = f"{len(rows)} {what} by {attribute_phrase(attribute)}"
    not_estimable = rows[rows["verdict"] == NOT_ESTIMABLE]
    # "None is shown to lose more" would read as a result where nothing could be judged.
    if len(not_estimable) == len(rows):
        return f"{begun}: none can be judged in these test patients ({'; '.join(not_estimable['reason'].unique())})."
    n_judged = len(rows) - len(not_estimable)
    widened, undecided = (rows[rows["verdict"] == verdict] for verdict in (WIDENED, NOT_ENOUGH))
    parts = [_shown(widened, by_finding=finding == MACRO), _counted(rows, NOT_WIDENED), _undecided(undecided, n_judged)]
    # "None is shown to lose more" would hide that most could not be decided: only where something was decided is it said at all.
    if widened.empty and len(undecided) < n_judged:
        parts.insert(0, "None is shown to lose more through privacy than the others.")
    if len(not_estimable):
        parts.append(f"{len(not_estimable)} cannot be estimated.")
    return f"{begun}. {' '.join(part for part in parts if part)}"


def _shown(rows: pd.DataFrame, *, by_finding: bool) -> str:
    if rows.empty:
        return ""
    named = "; ".join(_widened(row, by_finding=by_finding) for _, row in rows.iterrows())
    return f"Shown to lose more through privacy than the others: {named}."


def _widened(row: pd.Series, *, by_finding: bool) -> str:
    finding = f" ({finding_phrase(row['finding'])})" if by_finding else ""
    within = ", within the margin" if row["within_margin"] else ""
    return f"{_name(row)}{finding} by {row['excess']:.3f}, at least {row['excess_low']:.3f}{within}"


def _counted(rows: pd.DataFrame, verdict: str) -> str:
    n = int((rows["verdict"] == verdict).sum())
    return f"{n} shown not to lose {rows['margin'].iloc[0]:g} more than the others." if n else ""


def _undecided(undecided: pd.DataFrame, n_judged: int) -> str:
    """How many could not be decided, why, and how large an extra loss would have to be to be found."""
    if undecided.empty:
        return ""
    reasons: Sequence[str] = [reason for reason in undecided["reason"].fillna("").unique() if reason]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    said = f"{len(undecided)} of {n_judged} could not be decided{why}"
    known = pd.to_numeric(undecided["detectable"]).dropna()
    beyond = len(undecided) - len(known)
    if known.empty:
        # With one training run nothing is said of what could be found: the reason has told already that nothing can.
        return f"{said}." if reasons else f"{said}: with these patients and training runs not even a fall to chance would be found."
    # One number where both would print alike.
    low, high = known.min(), known.max()
    found = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    rest = f"; for {beyond} of them not even a fall to chance would be found" if beyond else ""
    return (
        f"{said}: with these patients and training runs an extra loss must be {found} of AUROC to be found with a probability of "
        f"80 %{rest}."
    )


def _name(row: pd.Series) -> str:
    return subgroup_title(row["attribute"], row["subgroup"])


def _group(row: pd.Series) -> str:
    """A group within a sentence: the group "female"."""
    return f"the group “{within_sentence(_name(row))}”"
