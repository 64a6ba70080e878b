"""Who pays and who gains, in a sentence that a committee can quote; it says no more than the rows."""

import pandas as pd

from dpmed_core.cohort.display_names import finding_title, subgroup_title, within_sentence
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import INFERIOR, NON_INFERIOR
from dpmed_core.phrases import counted, delta_text

FINDING = "finding"
NOTHING = "There is no pair of models with and without privacy at this budget to compare: train both, on the page Train or with `sweep`."


def who_pays_sentences(rows: pd.DataFrame) -> list[str]:
    """Which group loses most AUROC, in how many groups exposure falls, and what could not be told.

    Args:
        rows: `privacy.exposure.who_pays.who_pays` at one budget.
    """
    if rows.empty:
        return [NOTHING]
    first_row, groups = rows.iloc[0], rows[rows["attribute"] != EVERYBODY]
    lost, removed = groups.dropna(subset=["auroc_lost", "lost_low"]), groups.dropna(subset=["exposure_removed"])
    begun = (
        f"At ε = {first_row['epsilon']:g} and δ = {delta_text(first_row['delta'])} for each {first_row['unit']} "
        f"({first_row['accountant']} accountant), "
    )
    first = f"{begun}{_most_lost(lost)}" if len(lost) else f"{begun}no group's loss of AUROC can be estimated."
    return [sentence for sentence in (first, _removed(removed), _missing(groups)) if sentence]


def name_of(row: pd.Series) -> str:
    """A row's group, as a reader calls it."""
    if row["attribute"] == EVERYBODY:
        return "All patients"
    return finding_title(str(row["group"])) if row["attribute"] == FINDING else subgroup_title(str(row["attribute"]), str(row["group"]))


def _most_lost(rows: pd.DataFrame) -> str:
    """The group or finding with the largest loss, and the verdict on it."""
    most = rows.iloc[int(rows["auroc_lost"].argmax())]
    said = {INFERIOR: "a larger loss than", NON_INFERIOR: "a smaller loss than"}
    than = said.get(str(most["verdict"]), "not enough evidence whether more or less than")
    whole = "" if most["lost_low"] > 0 else ": there may be no loss"
    return (
        f"the largest loss of AUROC, picked among {counted(len(rows), 'group', 'groups')} and findings and so likely too large, is "
        f"{_signed(most['auroc_lost'])} for {_quoted(most)} (95 % interval {_signed(most['lost_low'])} to "
        f"{_signed(most['lost_high'])}{whole}): {than} the margin of {most['margin']:g}."
    )


def _removed(rows: pd.DataFrame) -> str:
    """In how many groups exposure is shown to fall, and where least and most."""
    if rows.empty:
        return "No group has enough training patients to show its exposure."
    falls, rises = rows[rows["removed_low"] > 0], rows[rows["removed_high"] < 0]
    undecided = len(rows) - len(falls) - len(rises)
    least, most = (rows.iloc[int(place)] for place in (rows["exposure_removed"].argmin(), rows["exposure_removed"].argmax()))
    where = "every one" if len(falls) == len(rows) else f"{len(falls)}"
    parts = [
        f"The attack's mean AUC is shown to fall in {where} of {counted(len(rows), 'group', 'groups')} of training patients (limits that "
        f"hold for all together): least for {_quoted(least)}, by {_fall(least)}, and most for {_quoted(most)}, by {_fall(most)}."
    ]
    if len(rises):
        parts.append(f"It is shown to rise in {len(rises)}.")
    if undecided:
        parts.append(f"For {undecided} there is not enough evidence.")
    return " ".join(parts)


def _missing(rows: pd.DataFrame) -> str:
    """What could not be told, with its reasons."""
    missing = rows[rows["reason"] != ""]
    if missing.empty:
        return ""
    by_reason = missing.groupby("reason", sort=False)
    return "Not enough data to tell for " + "; for ".join(f"{_listed(of)} ({reason})" for reason, of in by_reason) + "."


def _listed(rows: pd.DataFrame) -> str:
    return ", ".join(_quoted(row) for _, row in rows.iterrows())


def _fall(row: pd.Series) -> str:
    return f"{_signed(row['exposure_removed'])} ({_signed(row['removed_low'])} to {_signed(row['removed_high'])})"


def _quoted(row: pd.Series) -> str:
    return f"“{within_sentence(name_of(row))}”"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
