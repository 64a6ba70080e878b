"""Results as sentences that a clinician can quote, made from the numbers."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase, finding_title


def utility_sentence(means: pd.DataFrame, *, recipe: str, unit: str, finding: str, epsilon: float) -> str:
    """What privacy at `epsilon` costs: AUROC, interval and counts, beside the twin without privacy.

    Args:
        means: `utility.utility_means`.
        recipe: of the models compared.
        unit: of the models compared.
        finding: a finding or "macro".
        epsilon: a trained target.
    """
    of_recipe = means[(means["recipe"] == recipe) & (means["unit"] == unit) & (means["finding"] == finding)]
    private, twin = of_recipe[of_recipe["epsilon"] == epsilon], of_recipe[of_recipe["epsilon"].isna()]
    if private.empty:
        return f"{finding_title(finding)} cannot be judged at ε = {epsilon:g}: too few test cases of one kind, see the table."
    row = private.iloc[0]
    trainings = "one training" if row["n_seeds"] == 1 else f"the mean of {row['n_seeds']} trainings"
    said = (
        f"At ε = {epsilon:g}, {_subject(finding)} is told apart with an AUROC of {row['auroc']:.3f} "
        f"(95 % interval {row['auroc_low']:.3f} to {row['auroc_high']:.3f}; {trainings}; {row['n_cases']} test images "
        f"of {row['n_patients']} patients, "
        f"{row['n_positive']} positive labels)."
    )
    return f"{said} {_compared(float(row['auroc']), twin)}"


def _subject(finding: str) -> str:
    return "the average finding" if finding == "macro" else finding_phrase(finding)


def _compared(value: float, twin: pd.DataFrame) -> str:
    if twin.empty:
        return "No model without privacy has been trained to compare with."
    reference = float(twin.iloc[0]["auroc"])
    difference = value - reference
    if abs(difference) < 0.0005:
        return f"Without privacy it is the same, {reference:.3f}."
    return f"Without privacy it is {reference:.3f}, which is {abs(difference):.3f} {'higher' if difference < 0 else 'lower'}."
