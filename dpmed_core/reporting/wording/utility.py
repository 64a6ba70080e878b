"""Results as sentences that a clinician can quote, made from the numbers."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase, finding_title
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.phrases import counted

REFERENCE = (
    "“Without privacy” is the same recipe and network on the same training patients, split and unit, but not the same training: it has "
    "neither noise nor clipping, and steps, step size or inputs of its own where a recipe sets them by the noise. A difference is what "
    "private training costs with all of that, not the noise alone."
)
"""What a model and its non-private reference have in common, and what not."""


def utility_sentence(means: pd.DataFrame, *, metric: Metric, recipe: str, unit: str, finding: str, epsilon: float) -> str:
    """What privacy at `epsilon` costs: the metric, its interval and counts, beside the non-private reference.

    Args:
        means: `MetricTables.overall`.
        metric: whose column is quoted.
        recipe: of the models compared.
        unit: of the models compared.
        finding: a finding or "macro".
        epsilon: a trained target.
    """
    # Compared with the reference of the same recipe and unit: what it shares with the private model says `REFERENCE`.
    of_recipe = means[(means["recipe"] == recipe) & (means["unit"] == unit) & (means["finding"] == finding)]
    private, reference = of_recipe[of_recipe["epsilon"] == epsilon], of_recipe[of_recipe["epsilon"].isna()]
    if private.empty:
        return f"{finding_title(finding)} cannot be judged at ε = {epsilon:g}: too few test cases of one class, see the table."
    row = private.iloc[0]
    value, low, high = (row[column] for column in metric.columns)
    runs = runs_averaged(int(row["n_seeds"]), int(row["n_distinct"]))
    # Where a metric has no interval, none is printed.
    interval = "no interval" if pd.isna(low) else f"95 % interval {low:.3f} to {high:.3f}"
    begun = "At ε = 0, with the public start alone and nothing learnt from this cohort" if epsilon == 0 else f"At ε = {epsilon:g}"
    sentence = (
        f"{begun}, {metric.phrase} for {subject(finding)} is {value:.3f} "
        f"({interval}; {runs}; {row['n_cases']:,} test images of {row['n_patients']:,} patients, "
        f"{row['n_positive']:,} positive labels)."
    )
    return f"{sentence} {_compared(value, reference, metric)}"


def added_sentence(added: pd.DataFrame, *, metric: Metric, recipe: str, unit: str, finding: str, epsilon: float) -> str:
    """What private training at `epsilon` adds to the public start alone; empty where there is no start, or `epsilon` is 0.

    Args:
        added: `MetricTables.added`.
        metric: whose column is quoted.
        recipe: of the models.
        unit: of the models.
        finding: a finding or "macro".
        epsilon: a trained target.
    """
    chosen = (added["recipe"] == recipe) & (added["unit"] == unit) & (added["finding"] == finding) & (added["epsilon"] == epsilon)
    rows = added[chosen & (added["attribute"] == EVERYBODY)]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    if pd.isna(row["difference"]):
        return f"What private training adds to the public start cannot be told: {row['reason']}."
    interval = f"{row['difference_low']:+.3f} to {row['difference_high']:+.3f}"
    alone = f"With the public start alone (ε = 0 at δ = 0, nothing learnt from this cohort) {metric.phrase} is"
    return (
        f"{alone} {row[f'{metric.name}_reference']:.3f}; private training adds {row['difference']:+.3f} "
        f"(95 % interval {interval}, over {row['covers']})."
    )


def runs_averaged(n_runs: int, n_distinct: int) -> str:
    """What a value is the mean of: "mean of 3 training runs", or one training where its repetitions do not differ."""
    if n_distinct > 1:
        return f"mean of {n_runs} training runs"
    repeated = f"one training, which {counted(n_runs - 1, 'more repeats', 'more repeat')} exactly, since nothing in it is random"
    return "one training run" if n_runs == 1 else repeated


def subject(finding: str) -> str:
    """A finding as the subject of a metric, within a sentence; the mean over findings as "the average finding"."""
    return "the average finding" if finding == MACRO else finding_phrase(finding)


def _compared(value: float, reference: pd.DataFrame, metric: Metric) -> str:
    if reference.empty:
        return "No model without privacy has been trained to compare with."
    other = float(reference.iloc[0][metric.name])
    difference = value - other
    if abs(difference) < 0.0005:  # 0.000 as printed
        return f"Without privacy it is the same, {other:.3f}."
    said = f"Without privacy it is {other:.3f}, which is {abs(difference):.3f} {'higher' if difference < 0 else 'lower'}"
    n_runs, n_distinct = int(reference.iloc[0]["n_seeds"]), int(reference.iloc[0]["n_distinct"])
    return f"{said} ({runs_averaged(n_runs, n_distinct)})." if n_runs > n_distinct == 1 else f"{said}."
