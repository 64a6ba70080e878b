"""A plan in sentences, for the command and the page."""

from collections.abc import Sequence

import pandas as pd

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.statistics.power import POWER
from dpmed_core.phrases import counted, delta_text, epsilon_text
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import base_recipe


def plan_sentence(rows: pd.DataFrame, findings: Sequence[str]) -> str:
    """What a plan says in all: how many findings can be judged, and the smallest and largest loss that they can show."""
    everybody = rows[rows["attribute"] == EVERYBODY]
    judged = everybody[everybody["judgeable"]]
    names = list(dict.fromkeys(judged["finding"]))
    said = f"{len(names)} of {len(findings)} findings can be judged in {int(everybody['n_patients'].max()):,} test patients."
    shown = judged["detectable_loss"].dropna()
    if len(shown):
        ends = f"{shown.min():.3f}" if shown.min() == shown.max() else f"{shown.min():.3f} to {shown.max():.3f}"
        m = int(judged["n_trainings"].iloc[0])
        said += f" With {m} trainings a loss of AUROC of {ends} would be found with a probability of {100 * POWER:.0f} %"
        missing = int(judged["detectable_loss"].isna().sum())
        said += f", but none in {missing} of the {len(judged)} comparisons of findings and budgets." if missing else "."
    elif len(judged):
        said += f" No loss of AUROC would be found: {judged['reason'].iloc[0]}."
    return said


def splits_sentence(rows: pd.DataFrame) -> str:
    """Where one random split is too little, what repeated splits would find and spend, in a sentence; empty where it is enough."""
    worth = rows[[row is True for row in rows["splits_worth"]]]
    if worth.empty:
        return ""
    row = worth.sort_values("detectable_loss_over_splits").iloc[0]
    n, findings = int(row["splits"]), counted(worth["finding"].nunique(), "finding", "findings")
    one = "none" if pd.isna(row["detectable_loss"]) else f"one of {row['detectable_loss']:.3f}"
    spent = "each a spend of its own"
    if not pd.isna(row["epsilon_over_splits"]):
        in_all = f"ε = {epsilon_text(row['epsilon_over_splits'])} at δ = {delta_text(row['delta'])}"
        spent += f" (in all {in_all} for a {row['unit']} in every training part, {accountant_of(str(row['recipe']))})"
    return (
        f"One random split is too little for {findings}: {n} splits with one training each, {spent}, would find a loss of "
        f"{row['detectable_loss_over_splits']:.3f} of {finding_title(str(row['finding']))} at ε = {row['epsilon']:g}, and one split {one}: "
        f"“Random splits” on the page Train, or `sweep --splits {n}`."
    )


def accountant_of(recipe: str) -> str:
    """Which accountant the epsilons of a recipe will be by, as a phrase."""
    # A network's accountant is chosen when its steps are planned, which needs torch.
    return "analytic-gaussian accountant" if base_recipe(recipe) == PROBE.name else "PRV accountant, or RDP where that takes too long"
