"""What privacy costs at a first glance: the words of the tiles on Overview, made from the tables of costs and verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from dpmed_core.cohort.display_names import finding_phrase, finding_title, sentence_start, subgroup_title
from dpmed_core.cohort.groups import UNKNOWN
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.grouping import EVERYBODY
from dpmed_core.evaluation.tables.cost_of_privacy import INFERIOR, NON_INFERIOR, NOT_ENOUGH, PATIENTS
from dpmed_core.evaluation.tables.fairness_verdict import NOT_ESTIMABLE, NOT_WIDENED, WIDENED
from dpmed_core.evaluation.tables.largest_loss import (
    GroupVerdict,
    LargestLoss,
    group_verdict,
    largest_finding_loss,
    largest_group_loss,
    overall_cost,
    widened_groups,
)
from dpmed_core.evaluation.tables.practice import ALARMS, MISSED, OWN
from dpmed_core.phrases import counted, delta_text

NOTHING = "–"
NO_EVIDENCE, LOSS_SHOWN = "not enough evidence", "loss shown"
NOT_EVEN_CHANCE = "not even a fall to chance would be found"
MOST_NAMED = 2
"""So many groups are named; of more, their number."""


@dataclass(frozen=True)
class Tile:
    """One answer, as text.

    Attributes:
        title: what it answers.
        value: the answer, in large letters.
        beside: its number with the interval.
        verdict: how sure it is, in a few words; empty where there is nothing to judge.
        lines: what else must be known to read it.
        chosen: what it picked, by the names of the choices on pages: its own page opens with them.
    """

    title: str
    value: str
    beside: str = ""
    verdict: str = ""
    lines: tuple[str, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)


def cost_tile(costs: pd.DataFrame, more: pd.DataFrame, finding: str) -> Tile:
    """What privacy costs all patients: the difference of AUROC, and how many findings more are missed.

    Args:
        costs: rows of `largest_loss.at_budget`.
        more: the same of `EvaluationTables.practice_differences`.
        finding: a finding or "macro".
    """
    row = overall_cost(costs, finding)
    n_findings = int(_of_everybody(costs)["difference"].notna().sum())
    of_what = f"mean of {counted(n_findings, 'finding', 'findings')}" if finding == MACRO else finding_phrase(finding)
    title = f"Cost, {of_what}"
    if row is None or pd.isna(row["difference"]):
        return Tile(title, NOTHING, lines=(_why_not(row),))
    margin = f"{row['margin']:g}"
    verdict = {INFERIOR: f"loss above {margin}", NON_INFERIOR: f"no loss above {margin}"}.get(str(row["verdict"]), NO_EVIDENCE)
    one_run = ("One training run: chance in training is not counted.",) if row["covers"] == PATIENTS else ()
    lines = (_with_and_without(row), *_missed(more, finding), *one_run)
    return Tile(title, _signed(row["difference"]), f"AUROC (95 % interval {_ends(row)})", verdict, lines)


def finding_tile(costs: pd.DataFrame) -> Tile:
    """The finding that loses most, said to be the largest of several.

    Args:
        costs: rows of `largest_loss.at_budget`.
    """
    found = largest_finding_loss(costs, AUROC)
    if found is None:
        rows = _of_everybody(costs)
        why = _why_not(rows.iloc[0]) if len(rows) == 1 else "No finding can be judged in these test patients."
        return Tile("Loses most: finding", NOTHING, lines=(why,))
    row, name = found.row, finding_title(str(found.row["finding"]))
    picked = {"finding": str(row["finding"])}
    number = f"{_signed(row['difference'])} AUROC ({_ends(row)})"
    if found.n_compared == 1:
        unjudged = len(_of_everybody(costs)) > 1
        only = "The only finding that these patients can judge." if unjudged else "The only finding."
        return Tile("The finding", name, number, _shown(found), (only,), picked)
    title = "Loses most: finding" if found.loss > 0 else "Gains least: finding"
    shown = f"; loss shown for {counted(found.n_shown, 'other', 'others')}" if found.n_shown and not found.is_shown else ""
    lines = (f"{_picked(found)} of {found.n_compared}{shown}.",)
    return Tile(title, name, number, _shown(found), lines, picked)


def group_tile(costs: pd.DataFrame, verdicts: pd.DataFrame, finding: str) -> Tile:
    """The group that loses most, with the verdict whether it loses more than the others.

    Args:
        costs: rows of `largest_loss.at_budget`, with the groups of the analysis plan.
        verdicts: the same of `EvaluationTables.verdicts`.
        finding: a finding, or "macro" for their mean and for the verdicts on all of them.
    """
    found = largest_group_loss(costs, AUROC, finding)
    if found is None:
        there_are = ((costs["attribute"] != EVERYBODY) & (costs["subgroup"] != UNKNOWN)).any()
        enough = "for the mean over findings" if finding == MACRO and len(_of_everybody(costs)) > 1 else "to compare"
        why = f"No two groups have enough test patients {enough}." if there_are else "Nothing is known of these patients to group them by."
        return Tile("Loses most: group", NOTHING, lines=(why,))
    row = found.row
    place = str(row["attribute"]), str(row["subgroup"])
    judged = group_verdict(verdicts, *place, finding)
    title = "Loses most: group" if found.loss > 0 else "Gains least: group"
    size = f"{counted(int(row['n_patients']), 'patient', 'patients')}; {_picked(found).lower()} of {found.n_compared}."
    others = [subgroup_title(*other) for other in widened_groups(verdicts, finding) if other != place]
    lines = (size, *_undecided(judged), *_others(others))
    number, verdict = f"{_signed(row['difference'])} AUROC ({_ends(row)})", extra_words(judged, float(row["margin"]))
    return Tile(title, subgroup_title(*place), number, verdict, lines, {"attribute": place[0]})


def protected_sentence(guarantees: pd.DataFrame, *, epsilon: float, unit: str) -> str:
    """Who is protected by the models that are shown, and who is not; with epsilon, delta, unit and accountant.

    Args:
        guarantees: rows of `EvaluationTables.guarantees` of the chosen recipe.
        epsilon: the chosen budget.
        unit: of privacy.
    """
    if epsilon == 0:
        return "ε = 0 at δ = 0: nothing was learnt from these patients."
    rows = guarantees[(guarantees["epsilon"] == epsilon) & (guarantees["unit"] == unit)]
    stated = "; ".join(f"ε = {epsilon:g} at δ = {delta_text(row['delta'])}, {row['accountant']} accountant" for _, row in rows.iterrows())
    whom = "each training patient, with all images together" if unit == "patient" else "each training image; not a patient who has several"
    return f"Protected: {whom} ({stated}). Not protected: validation and test patients."


def _of_everybody(costs: pd.DataFrame) -> pd.DataFrame:
    return costs[(costs["attribute"] == EVERYBODY) & (costs["finding"] != MACRO)]


def _missed(more: pd.DataFrame, finding: str) -> tuple[str, ...]:
    """How many more of 100 are missed, and how many more of 100 without it called positive, at each training run's own threshold."""
    rows = more[(more["thresholds"] == OWN) & (more["attribute"] == EVERYBODY) & (more["finding"] == finding)]
    missed, alarms = f"{MISSED}_more", f"{ALARMS}_more"
    if rows.empty or pd.isna(rows.iloc[0][missed]) or pd.isna(rows.iloc[0][alarms]):
        return ("Missed findings cannot be counted here.",)
    row = rows.iloc[0]
    return (f"Per 100: {_more(row, missed, 'missed')}, {_more(row, alarms, 'false alarms')}.",)


def _more(row: pd.Series, name: str, of_what: str) -> str:
    """ "+2.3 missed (−1.0 to 5.6)": with privacy minus without."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{'+' if round(value, 1) > 0 else ''}{_signed(value, 1)} {of_what} ({_signed(low, 1)} to {_signed(high, 1)})"


def _with_and_without(row: pd.Series) -> str:
    return f"{row[f'{AUROC.name}_reference']:.3f} without, {row[AUROC.name]:.3f} with."


def _picked(found: LargestLoss) -> str:
    """What the one that is named was picked for."""
    return "Largest" if found.loss > 0 else "Smallest"


def _shown(found: LargestLoss) -> str:
    return LOSS_SHOWN if found.is_shown else NO_EVIDENCE


def extra_words(judged: GroupVerdict, margin: float) -> str:
    """The verdict on a group in a few words; said of its extra loss, since a loss that is not larger than the others' can be certain."""
    if not judged.n_findings:
        return "no verdict: not in the analysis plan"
    if judged.verdict == WIDENED and judged.n_findings > 1:
        return f"{extra_words_in_short(WIDENED, margin)} in {len(judged.widened)} of {judged.n_findings} findings"
    return extra_words_in_short(judged.verdict, margin)


def extra_words_in_short(verdict: str, margin: float) -> str:
    """One of the verdicts of `fairness_verdict`, whatever it is on.

    >>> extra_words_in_short("not widened", 0.02)
    'no extra loss above 0.02'
    """
    words = {
        WIDENED: "extra loss",
        NOT_WIDENED: f"no extra loss above {margin:g}",
        NOT_ENOUGH: f"extra loss: {NO_EVIDENCE}",
        NOT_ESTIMABLE: "extra loss: not estimable",
    }
    return words[verdict]


def _undecided(judged: GroupVerdict) -> tuple[str, ...]:
    """Why nothing could be decided, where no loss would be found; which losses would be stands on the page *Fairness*."""
    if judged.verdict not in (NOT_ENOUGH, NOT_ESTIMABLE) or judged.detectable is not None:
        return ()
    reasons = judged.reasons or ((NOT_EVEN_CHANCE,) if judged.verdict == NOT_ENOUGH else ())
    return tuple(f"{sentence_start(reason)}." for reason in reasons[:1])


def _others(names: list[str]) -> tuple[str, ...]:
    if not names:
        return ()
    listed = ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} other groups"
    return (f"Extra loss is shown for: {listed}.",)


def _why_not(row: pd.Series | None) -> str:
    """Why there is no number."""
    return f"Not estimable: {row['reason']}." if row is not None and row["reason"] else "It cannot be judged in these test patients."


def _ends(row: pd.Series) -> str:
    return f"{_signed(row['difference_low'])} to {_signed(row['difference_high'])}"


def _signed(value: float, digits: int = 3) -> str:
    """A number with a minus sign instead of a hyphen; what rounds to nothing has no sign."""
    return f"{value:z.{digits}f}".replace("-", "−")
