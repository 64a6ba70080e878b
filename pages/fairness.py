"""Fairness: what privacy costs each group of patients, beside the same models without privacy."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.catalogue import CATALOGUE, Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.fairness import fairness_sentence
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE
from widgets.analysis_plan import choose_plan, plans_of
from widgets.attributes import choose_attribute
from widgets.budget import choose_epsilon, show_guarantee, show_left_out
from widgets.choices import Choices, current_choices
from widgets.cohort import chosen_cohort
from widgets.figure import choose_metric, downloads, show_figure
from widgets.lookup import live, runs_of
from widgets.tables import tables_of
from widgets.verdict import show_groups, show_verdicts

FIGURES = figures_of(Page.FAIRNESS)


def show_results(cohort: Cohort, choices: Choices, attribute: str, metric: str) -> None:
    """Show slider, sentence, verdict, figures and table, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        tables = tables_of(cohort, [attribute])
        show_left_out(tables)
        st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
        if tables.is_empty:
            st.info("No model is finished yet. Groups appear here by themselves; nothing queued? Plan some on the page *Train*.")
            return
        of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
        epsilon = choose_epsilon(list(of_choice["epsilon"].dropna().unique()))
        if epsilon is None:
            return
        shown = Choice(
            finding=choices.finding, recipe=choices.recipe, unit=choices.unit, epsilon=epsilon, attribute=attribute, metric=metric
        )
        plans = plans_of(cohort)
        show_summary(tables, shown)
        show_guarantee(list(of_choice.loc[of_choice["epsilon"] == epsilon, "run_id"]))
        st.caption(REFERENCE)
        # The figures are drawn first, since the verdict needs the tables of all attributes of the plan; on the page it comes before them.
        place_of_verdict = st.container()
        show_figures(tables, shown, cohort)
        with place_of_verdict:
            plan = plans.plan
            together = None if plans.is_exploratory else plan.epsilons
            of_plan = tables_of(cohort, plan.attributes, margin=plan.margin, findings=plan.findings, epsilons=together)
            show_verdicts(of_plan, plans, shown, cohort)
        downloads(FIGURES, tables, shown, cohort)
        show_groups(tables, shown)

    live(cohort, part)
    with st.expander("Analysis plan: groups, findings and margin of the verdict"):
        choose_plan(cohort)


def show_summary(tables: EvaluationTables, shown: Choice) -> None:
    """Show what privacy cost, in a sentence to quote."""
    st.markdown(f"## {plain(fairness_sentence(tables.of(shown.measured).costs, **shown.of_subgroups()))}")


def show_figures(tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """Show the forest plot, and under it one of the other figures: each figure that is drawn makes a move of the slider slower."""
    show_figure(FIGURES[0], tables, shown, cohort)
    others = FIGURES[1:]
    for name, tab in zip(
        others, st.tabs([plain(CATALOGUE[name].titled(shown)) for name in others], key="figure-tab", on_change="rerun"), strict=True
    ):
        if tab.open:
            with tab:
                show_figure(name, tables, shown, cohort)


st.title("Fairness")
st.markdown("Does protecting the training patients cost some groups of patients more than others?")
selected = current_choices()
if (chosen := chosen_cohort()) is not None and selected.finding and selected.recipe and selected.unit:
    left, right = st.columns(2)
    with left:
        grouped_by = choose_attribute(chosen)
    with right:
        measured_by = choose_metric()
    if grouped_by:
        show_results(chosen, selected, grouped_by, measured_by)
