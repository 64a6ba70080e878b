"""Two reviews side by side, each as it was frozen: candidate against candidate, or this year against last."""

from collections.abc import Iterator

import pandas as pd

from dpmed_core.cohort.display_names import attribute_title, finding_title, subgroup_title, version_alias
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.decision_report.report_tables import Table, interval, number, of_candidate
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.review.checklist import n_open
from dpmed_core.review.decision import decision, outcome_of

ABSENT = "not in it"
COST = "Cost in AUROC"
ALWAYS = ("Outcome", "Guarantee", COST)
"""Shown whether they differ or not: they are what two reviews are compared for."""
CAPTION = (
    "Guarantee, cost and outcome of both reviews, and of everything else what differs. Each stands as it was frozen, with its own "
    "interval: that two numbers differ does not show that one model is better."
)


def compared(first: Gathered, second: Gathered, names: tuple[str, str]) -> Table:
    """What differs between two reviews, by row; `names` are the columns' heads."""
    pairs = (_facts(first), _facts(second))
    what = list(dict.fromkeys([*pairs[0], *pairs[1]]))
    rows = [(name, pairs[0].get(name, ABSENT), pairs[1].get(name, ABSENT)) for name in what]
    return Table("compared", CAPTION, ("", *names), [row for row in rows if row[0] in ALWAYS or row[1] != row[2]])


def _facts(gathered: Gathered) -> dict[str, str]:
    """What is compared of one review, by its name."""
    candidate, frozen = gathered.candidate, gathered.frozen
    costs = of_candidate(gathered, gathered.tables.auroc.costs)
    everybody = costs[costs["attribute"] == EVERYBODY]
    decided = decision(gathered.review) if gathered.review else None
    return {
        "Outcome": outcome_of(gathered.review) if gathered.review else "",
        "Conditions": "; ".join(dict.fromkeys(decided.conditions)) if decided else "",
        "Guarantee": str(candidate["guarantee"]),
        "Cohort": f"{gathered.cohort.name}, version {version_alias(gathered.cohort)}",
        "Recipe": f"{candidate['recipe']}, version {candidate['recipe_version']}, {candidate['n_trainings']} trainings",
        "Public start": candidate["start"] or "from scratch",
        "Neighbours": str(candidate["neighboring_relation"]),
        "Spent on the patients": str(frozen["ledger"]["sentence"]),
        "Analysis plan": str(frozen["plan"]["note"]),
        "Margin": f"{gathered.tables.margin:g}",
        "Held out": "; ".join(
            f"{part['part']} {part['n_cases']:,} of {part['n_patients']:,} patients" for part in frozen["cohort"]["held_out"]
        ),
        **dict(_costs(everybody)),
        **dict(_verdicts(of_candidate(gathered, gathered.tables.verdicts))),
        "Checklist": f"{n_open(gathered.points)} points open",
    }


def _costs(everybody: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The mean with its interval; of each finding the verdict, since its number differs from any other review's."""
    is_mean = everybody["finding"] == MACRO
    row = everybody[is_mean].iloc[0] if is_mean.any() else everybody.iloc[0]
    between = interval(row, "difference_low", "difference_high")
    yield COST, f"{finding_title(row['finding'])}: {number(row['difference'])}{f' ({between})' if between else ''}"
    for finding, verdict in zip(everybody["finding"], everybody["verdict"], strict=True):
        yield f"Verdict on {finding_title(finding).lower()}", str(verdict)


def _verdicts(verdicts: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The verdict on each group and finding of the analysis plan."""
    for _, row in verdicts.iterrows():
        group = f"{attribute_title(row['attribute'])}: {subgroup_title(row['attribute'], row['subgroup'])}"
        yield f"{group}, {finding_title(row['finding']).lower()}", str(row["verdict"])
