"""The verdict on fairness and the groups it compares, as sentences and tables in a clinician's words."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import attribute_phrase, attribute_title, finding_title, subgroup_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.analysis_plan import Look, PlanRecord
from dpmed_core.evaluation.metrics.metric import Metric
from dpmed_core.evaluation.scores.arms import CONVENTIONAL, SAMPLED_ALIKE
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.fairness import verdict_sentence
from widgets.figure import downloads, show_figure

REFERENCE_TITLES = {SAMPLED_ALIKE: "The same recipe without privacy", CONVENTIONAL: "Conventional training, image by image"}
VERDICT_TITLES = {
    "widened": "Loses more than the others",
    "not widened": "Shown not to lose more, beyond the margin",
    "not enough evidence": "Not enough evidence",
    "not estimable": "Not estimable",
}


def show_verdicts(tables: EvaluationTables, plans: PlanRecord, shown: Choice, cohort: Cohort) -> None:
    """Show whether privacy widened a difference between groups.

    A sentence for each reference, the analysis plan, and a table of every comparison in it.

    Args:
        tables: of the plan's attributes, findings and margin, which need not be those of the page.
        plans: the plan.
        shown: the recipe, unit, budget, attribute and finding of the page.
        cohort: of the tables.
    """
    at_budget = Choice(recipe=shown.recipe, unit=shown.unit).rows(tables.verdicts)
    at_budget = at_budget[at_budget["epsilon"] == shown.epsilon]
    st.header("Did privacy widen a difference?")
    for reference in (SAMPLED_ALIKE, CONVENTIONAL):
        rows = at_budget[at_budget["reference"] == reference]
        if len(rows):
            sentence = verdict_sentence(rows, attribute=str(shown.attribute), finding=str(shown.finding))
            secondary = "" if reference == plans.plan.reference else " (exploratory: not the primary comparison of the analysis plan)"
            st.markdown(f"**Against {REFERENCE_TITLES[reference].lower()}{secondary}:** {plain(sentence)}")
    if at_budget.empty:
        st.markdown("There is no model without privacy to compare with: train one on the page *Train*.")
    n_seeds = int(at_budget["n_seeds"].max()) if len(at_budget) else None
    budgets = () if shown.epsilon is None else (shown.epsilon,)
    look = Look(shown.recipe, shown.unit, budgets, n_seeds, attribute=shown.attribute, finding=shown.finding)
    # Of groups without a verdict there is nothing to say of margin and multiplicity.
    about = f"Margin: {plans.plan.margin:g} of AUROC. {_judged_together(at_budget)}" if shown.attribute in plans.plan.attributes else ""
    st.caption(plain(about + plans.sentence()))
    if (why := plans.why_exploratory(look)) and not plans.is_exploratory:
        st.caption(f":material/explore: {plain(why)}")
    if shown.attribute in plans.plan.attributes and len(at_budget):
        picture = st.expander("The verdict as a picture: extra losses beside the margin", key="verdict-figure-open", on_change="rerun")
        if picture.open:
            with picture:
                show_figure("verdict", tables, replace(shown, reference=plans.plan.reference), cohort)
                downloads(["verdict"], tables, replace(shown, reference=plans.plan.reference), cohort)
    # A closed expander's table is not sent with every move of the slider.
    table = st.expander(f"All {len(at_budget)} comparisons of the analysis plan at this budget", key="verdicts-open", on_change="rerun")
    if table.open:
        table.dataframe(
            _in_words(at_budget), hide_index=True, column_config=_three_digits("Loss", "Others' loss", "Difference", "at least", "at most")
        )


def _judged_together(rows: pd.DataFrame) -> str:
    """How many comparisons the verdicts hold for at once."""
    n = rows["n_comparisons"].max()
    if pd.isna(n):
        return ""
    return (
        f"Verdicts hold for {n:.0f} comparisons at once, over groups, findings and budgets: moving the slider shows others of them and "
        "makes none less certain. "
    )


def show_groups(tables: EvaluationTables, shown: Choice) -> None:
    """Show the metric and the size of every group, with and without privacy."""
    metric = shown.measured
    rows = shown.rows(tables.of(metric).groups)
    rows = rows[rows["epsilon"].isna() | (rows["epsilon"] == shown.epsilon)]
    title = plain(f"Table: {finding_title(str(shown.finding))} by {attribute_phrase(str(shown.attribute))}")
    table = st.expander(title, key="groups-open", on_change="rerun")
    if table.open:
        table.dataframe(_sizes_and_values(rows, metric), hide_index=True, column_config=_three_digits(metric.title, "95 % from", "to"))


def _sizes_and_values(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Rows of `MetricTables.groups` for a page."""
    value, low, high = metric.columns
    return pd.DataFrame(
        {
            "Group": _groups(rows),
            "Privacy": [f"ε = {e:g}" if pd.notna(e) else "without" for e in rows["epsilon"]],
            metric.title: rows[value],
            "95 % from": rows[low],
            "to": rows[high],
            "Training runs": rows["n_seeds"],
            "Images": rows["n_cases"],
            "Positive": rows["n_positive"],
            "Patients": rows["n_patients"],
            "Not estimable because": rows["reason"],
        }
    )


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `EvaluationTables.verdicts` for a page."""
    return pd.DataFrame(
        {
            "Compared with": rows["reference"].map(REFERENCE_TITLES),
            "By": rows["attribute"].map(attribute_title),
            "Group": _groups(rows),
            "Finding": rows["finding"].map(finding_title),
            "Verdict": rows["verdict"].map(VERDICT_TITLES),
            "Loss": rows["loss"],
            "Others' loss": rows["loss_others"],
            "Difference": rows["excess"],
            "at least": rows["excess_low"],
            "at most": rows["excess_high"],
            "p, adjusted": rows["p_adjusted"],
            "Detectable": rows["detectable"],
            "Images": rows["n_cases"],
            "Positive": rows["n_positive"],
            "Patients": rows["n_patients"],
            "Why": rows["reason"],
        }
    )


def _groups(rows: pd.DataFrame) -> list[str]:
    return [subgroup_title(*key) for key in zip(rows["attribute"], rows["subgroup"], strict=True)]


def _three_digits(*names: str) -> dict[str, object]:
    return {name: st.column_config.NumberColumn(format="%.3f") for name in names}
