"""How exposed the training patients are: the tile, the figure, the groups, and the patients themselves, for the house alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import attribute_title, subgroup_title
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.errors import CohortError, SettingsError, SpecError
from dpmed_core.foreign_text import plain
from dpmed_core.people.roles import Action
from dpmed_core.phrases import counted, delta_text, epsilon_text, rounded_up
from dpmed_core.privacy.exposure.exposure_rows import ExposureRow
from dpmed_core.privacy.exposure.group_exposure import WITHHELD
from dpmed_core.privacy.exposure.measurement import Measurement
from dpmed_core.privacy.exposure.permission import SETTING
from dpmed_core.privacy.exposure.sentences import group_sentence
from dpmed_core.protection import EXPOSURE, stored_exposure
from dpmed_core.reporting.figures.exposure import ExposureLine, exposure_figure
from dpmed_core.reporting.figures.facts import who
from dpmed_core.training.recipes.catalogue import PROBE
from dpmed_core.training.spec import PrivacyUnit
from widgets.budget_control.following import show_plot
from widgets.cached import split_of
from widgets.choices import Choices
from widgets.lookup import canvas, installation
from widgets.people.sign_on import may
from widgets.protection.budget_shown import BudgetShown
from widgets.protection.measuring import NOT_YOURS, offer_measurement, show_not_measured, start_measured

MOST_LISTED = 10
"""Patients in the list of the most exposed ones."""
HOUSE_ONLY = (
    "These numbers are about single training patients, and exact: they must stay inside your institution. Only aggregates leave it, by a "
    "recorded release."
)


@dataclass(frozen=True)
class Exposed:
    """What is known of the exposure of a cohort's training patients.

    Attributes:
        found: the measurement; None where there is none to show.
        why_not: the reason, for the reader.
        can_be_measured: whether it may be measured, again or for the first time.
    """

    found: Measurement | None
    why_not: str = ""
    can_be_measured: bool = True

    def row(self, budget: BudgetShown) -> ExposureRow | None:
        """What was measured at the chosen budget."""
        return None if self.found is None else self.found.row(budget.unit.value, budget.target.epsilon, budget.target.delta)


def exposed(cohort: Cohort, choices: Choices) -> Exposed:
    """What was measured of the cohort's patients, or why there is nothing to show."""
    if choices.recipe != PROBE.name:
        why_not = f"Exposure is measured for recipe {PROBE.name}: it takes hundreds of trainings, too many for networks."
        return Exposed(None, why_not, can_be_measured=False)
    if not may(Action.SEE_EXPOSURE):
        return Exposed(None, NOT_YOURS, can_be_measured=False)
    try:
        found = stored_exposure(installation(), cohort, start_measured(cohort, choices))
    except SettingsError:
        why_not = f"Exposure is off for cohorts of real patients. Whoever answers for their privacy can set {SETTING}=1."
        return Exposed(None, why_not, can_be_measured=False)
    except SpecError as error:
        return Exposed(None, str(error), can_be_measured=False)
    except CohortError as error:
        return Exposed(None, str(error))
    return Exposed(found, "" if found else "Not measured yet.")


def show_exposure_tile(exposed: Exposed, budget: BudgetShown) -> None:
    """The tile: the attack on the most exposed patient at the chosen budget, beside the bound and training without privacy."""
    title = "Measured: most exposed patient"
    row = exposed.row(budget)
    if row is None or exposed.found is None:
        why_not = exposed.why_not or f"Not measured at ε = {epsilon_text(budget.target.epsilon)} yet."
        show_not_measured(title, why_not, exposed.can_be_measured)
        return
    without = exposed.found.row(row.unit, None, None)
    st.metric(title, f"{100 * row.worst_auc:.0f} of 100", help=plain(_attack_in_words(row, without)))
    st.markdown(
        f"attacks right (sampling: {100 * row.worst_low:.0f} to {100 * row.worst_high:.0f}). {plain(_beside_bound(row))}"
        + (f" Without privacy **{100 * without.worst_auc:.0f}**" if without is not None else "")
    )


def _attack_in_words(row: ExposureRow, without: ExposureRow | None) -> str:
    """What the attack is, and how many patients it finds without privacy."""
    said = (
        f"How often an attack tells which of two models was trained with the most exposed of {row.n_patients:,} patients; tossing a coin "
        "gets 50 of 100. The largest of many estimates is too large by chance."
    )
    if without is None:
        return said
    return f"{said} Without privacy it is 90 or more for {round(100 * without.share_nearly_certain)} % of patients."


def _beside_bound(row: ExposureRow) -> str:
    """What is proven, and whether the measurement keeps to it."""
    if row.bound is None:
        return ""
    if row.unit == PrivacyUnit.IMAGE.value:
        return f"Proven is {rounded_up(100 * row.bound, 3):g} for one image, and nothing for a patient with several."
    n_above = row.n_above_bound or 0
    above = counted(n_above, "patient's interval lies", "patients' intervals lie") if n_above else "no interval lies"
    return f"Proven: at most {rounded_up(100 * row.bound, 3):g}; {above} above."


def offer_exposure(cohort: Cohort, exposed: Exposed, budget: BudgetShown) -> None:
    """A button that has the exposure at all trained budgets measured, where something is missing and it is allowed."""
    known = exposed.found
    complete = known is not None and all(known.row(budget.unit.value, t.epsilon, t.delta) for t in budget.all_targets)
    offer_measurement(cohort, EXPOSURE, budget, is_due=exposed.can_be_measured and not complete)


def show_exposure_figure(found: Measurement, budget: BudgetShown, cohort: Cohort) -> None:
    """A row of dots for the models without privacy, the other unit at the chosen budget, and each measured budget of the unit."""
    unit = budget.unit.value
    rows = [at for at, row in enumerate(found.rows) if row.unit == unit]
    rows.sort(key=lambda at: -(found.rows[at].epsilon or np.inf))  # the most exposed at the top
    target = budget.target
    other = PrivacyUnit.IMAGE if budget.unit is PrivacyUnit.PATIENT else PrivacyUnit.PATIENT
    if (beside := found.at(other.value, target.epsilon, target.delta)) is not None:
        rows.insert(1, beside)
    lines = [_line(found, at, budget) for at in rows]
    n_above = sum(found.rows[at].n_above_bound or 0 for at in rows if found.rows[at].unit == PrivacyUnit.PATIENT.value)
    facts = [
        f"{who(cohort)} · {counted(found.rows[0].n_patients, 'training patient', 'training patients')}, a dot each; {found.n_trainings} "
        f"trainings a row, each with a random half{f', from public start {found.start.name}' if found.start else ''}",
        f"Line: the largest that is proven for a patient; none without privacy, nor for several images where the unit is the image. ε at "
        f"δ = {delta_text(target.delta)} (analytic-gaussian accountant).",
        "Dots scatter by chance, with a standard error of about 0.04: of many patients some lie beyond the line. A breach would be an "
        f"interval wholly beyond it; of those there {'is' if n_above == 1 else 'are'} {n_above or 'none'} in the rows with a line.",
    ]
    alternative = f"How exposed each training patient is without privacy and at each measured budget. {' '.join(facts)}"
    show_plot(exposure_figure(lines, facts=facts, canvas=canvas()), key="figure-exposure", alternative=alternative, mode_bar=False)


def _line(found: Measurement, at: int, budget: BudgetShown) -> ExposureLine:
    row = found.rows[at]
    chosen = (row.unit, row.epsilon, row.delta) == (budget.unit.value, budget.target.epsilon, budget.target.delta)
    if row.epsilon is None:
        return ExposureLine("without privacy", "non_private", found.aucs[at])
    # Of the unit image there is no bound for a patient with several.
    bound = row.bound if row.unit == PrivacyUnit.PATIENT.value else None
    arm = "private" if row.unit == budget.unit.value else "conventional"
    return ExposureLine(f"ε = {epsilon_text(row.epsilon)}, {row.unit}", arm, found.aucs[at], bound, chosen)


def show_group_exposure(exposed: Exposed, budget: BudgetShown) -> None:
    """Whether groups are more exposed than the others at the chosen budget: a sentence and the table."""
    if (row := exposed.row(budget)) is None:
        return
    st.markdown(f"**Is a group more exposed than the others?** {plain(group_sentence(row))}")
    place = st.expander(f"Exposure of {counted(len(row.groups), 'group', 'groups')}", key="group-exposure-open", on_change="rerun")
    if place.open:
        with place:
            st.dataframe(group_table(row), hide_index=True)
            st.caption(
                "AUC: how often the attack is right, mean over the group's patients, with its 95 % interval. Difference: against the "
                "attribute's other groups; its limits hold for all groups and budgets together. Most exposed tenth: share of the group "
                "among it. Groups of fewer than 10 patients are withheld, and counts that would follow from a total."
            )


def group_table(row: ExposureRow) -> pd.DataFrame:
    """The groups of a row for a reader; what is withheld is blank."""
    return pd.DataFrame(
        [
            {
                "Patients by": attribute_title(group.attribute),
                "Group": subgroup_title(group.attribute, group.group),
                "Training patients": "" if group.n_patients is None else f"{group.n_patients:,}",
                "AUC of the attack": _interval(group.mean_auc, group.low, group.high),
                "Most exposed tenth": _interval(group.tail, group.tail_low, group.tail_high),
                "Difference": _interval(group.difference, group.difference_low, group.difference_high, sign="+"),
                "Verdict": "withheld: too few" if group.verdict == WITHHELD else group.verdict,
            }
            for group in row.groups
        ]
    )


def show_most_exposed(found: Measurement, budget: BudgetShown, cohort: Cohort) -> None:
    """The most exposed training patients, by their keyed identifiers; this page alone names them."""
    at = found.at(budget.unit.value, budget.target.epsilon, budget.target.delta)
    if at is None:
        return
    place = st.expander(f"The {MOST_LISTED} most exposed training patients", key="most-exposed-open", on_change="rerun")
    if not place.open:
        return
    cases = cohort.cases.iloc[split_of(cohort).rows(Part.TRAIN)]
    images = cases.groupby(cases["patient_id"].astype(str)).size()  # sorted by identifier, as a measurement's patients are
    without = found.at(budget.unit.value, None, None)
    worst = np.argsort(-found.aucs[at], kind="stable")[:MOST_LISTED]
    table = pd.DataFrame(
        {
            "Patient (keyed)": images.index[worst],
            "Images": images.to_numpy()[worst],
            f"AUC at ε = {epsilon_text(budget.target.epsilon)}": found.aucs[at][worst],
            "AUC without privacy": found.aucs[without][worst] if without is not None else np.nan,
        }
    )
    with place:
        st.dataframe(table.style.format(precision=2), hide_index=True)
        st.caption(f"{HOUSE_ONLY} The largest of many estimates is too large by chance: compare it with the limits in the tile.")


def _interval(value: float | None, low: float | None, high: float | None, *, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})"
