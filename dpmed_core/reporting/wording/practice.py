"""What a model would do among a hundred, as sentences that a clinician can quote, made from the numbers."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.practice import ALARMS, COMMON, MISSED, OWN


def practice_sentence(
    practice: pd.DataFrame, differences: pd.DataFrame, *, recipe: str, unit: str, finding: str, epsilon: float, images: str = "images"
) -> str:
    """Missed and false alarms per hundred, with and without privacy and their difference, at own thresholds and at one for all.

    Args:
        practice: `EvaluationTables.practice`.
        differences: `EvaluationTables.practice_differences`.
        recipe: of the models compared.
        unit: of the models compared.
        finding: a finding or "macro".
        epsilon: a trained target.
        images: the word for the cohort's images; where each patient has one, the sentence counts patients.
    """
    rows, more = (_chosen(table, recipe, unit, finding) for table in (practice, differences))
    own = _by_arm(rows[rows["thresholds"] == OWN], epsilon)
    if "private" not in own or pd.isna(own["private"][MISSED]) or pd.isna(own["private"][ALARMS]):
        reason = str(own["private"]["reason"]) if "private" in own else f"no private model at ε = {epsilon:g} is finished"
        return f"Missed and false alarms cannot be counted: {reason or 'too few images of a class'}."
    counts = own["private"]
    whom = "patients" if counts["n_cases"] == counts["n_patients"] else images
    what = "an average finding" if finding == MACRO else finding_phrase(finding)
    more = more[(more["epsilon"] == epsilon) & (more["reference"] == SAMPLED_ALIKE)]
    by_thresholds = {str(row["thresholds"]): row for _, row in more.iterrows()}
    missed, alarms = (_compared(own, by_thresholds.get(OWN), name) for name in (MISSED, ALARMS))
    said = f"Of 100 {whom} with {what}, models miss {missed}; of 100 without it, they raise a false alarm in {alarms}."
    common = _by_arm(rows[rows["thresholds"] == COMMON], epsilon)
    if "reference" not in common or pd.isna(common["private"][MISSED]) or COMMON not in by_thresholds:
        return said
    missed, alarms = (_compared(common, by_thresholds.get(COMMON), name) for name in (MISSED, ALARMS))
    threshold = f"{common['private']['threshold']:.2f}, " if finding != MACRO else ""
    return (
        f"{said} At one threshold for all, {threshold}that of the first model without privacy, they miss {missed}; false alarms: {alarms}."
    )


def predictive_sentence(table: pd.DataFrame, *, recipe: str, unit: str, finding: str, epsilon: float) -> str:
    """How often a positive and a negative answer is right at the chosen prevalence, with and without privacy.

    Args:
        table: `EvaluationTables.predictive_values`.
        recipe: of the models compared.
        unit: of the models compared.
        finding: a finding or "macro".
        epsilon: a trained target.
    """
    arms = _by_arm(_chosen(table, recipe, unit, finding), epsilon)
    private, reference = arms.get("private"), arms.get("reference")
    if private is None or pd.isna(private["ppv_at_prevalence"]) or pd.isna(private["npv_at_prevalence"]):
        return "How often an answer is right cannot be said: sensitivity or specificity is not estimable, or nobody is called positive."
    parts = []
    for answer, name in (("positive", "ppv_at_prevalence"), ("negative", "npv_at_prevalence")):
        without = "" if reference is None or pd.isna(reference[name]) else f" with privacy and in {_percent(reference, name)} without"
        parts.append(f"a {answer} answer is right in {_percent(private, name)}{without}")
    return f"If {100 * private['prevalence']:g} % of the patients have it, {'; '.join(parts)}."


def _chosen(table: pd.DataFrame, recipe: str, unit: str, finding: str) -> pd.DataFrame:
    """Everybody's rows of the models and finding."""
    chosen = (table["recipe"] == recipe) & (table["unit"] == unit) & (table["finding"] == finding) & (table["attribute"] == "all")
    return table[chosen]


def _by_arm(rows: pd.DataFrame, epsilon: float) -> dict[str, pd.Series]:
    arms = {"private": rows[rows["epsilon"] == epsilon], "reference": rows[rows["epsilon"].isna()]}
    return {name: of_arm.iloc[0] for name, of_arm in arms.items() if len(of_arm)}


def _compared(arms: dict[str, pd.Series], more: pd.Series | None, name: str) -> str:
    """ "32 (95 % interval 24 to 41) with privacy and 28 (20 to 37) without, 4 more (3 fewer to 11 more)"."""
    private = _interval(arms["private"], name, "95 % interval ")
    if "reference" not in arms or more is None or pd.isna(more[f"{name}_more"]):
        return private
    difference = float(more[f"{name}_more"])
    low, high = (float(more[f"{name}_more{end}"]) for end in ("_low", "_high"))
    # Each end in words: a sign before "fewer" is read both ways.
    return (
        f"{private} with privacy and {_interval(arms['reference'], name, '')} without, {_more(difference)} ({_more(low)} to {_more(high)})"
    )


def _interval(row: pd.Series, name: str, said: str) -> str:
    return f"{row[name]:.0f} ({said}{row[f'{name}_low']:.0f} to {row[f'{name}_high']:.0f})"


def _percent(row: pd.Series, name: str) -> str:
    low, high = (100 * float(row[f"{name}{end}"]) for end in ("_low", "_high"))
    return f"{100 * float(row[name]):.0f} % (95 % interval {low:.0f} to {high:.0f})"


def _more(value: float) -> str:
    return f"{abs(value):.1f} {'more' if value >= 0 else 'fewer'}"
