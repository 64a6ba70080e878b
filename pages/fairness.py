"""Fairness: what privacy costs each group of patients, beside the same models without privacy."""

import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.catalogue import CATALOGUE, Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.training_state import ALL_FINISHED, training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE
from widgets.analysis_plan import offer_plan, planned_tables, plans_of
from widgets.attributes import choose_attribute
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out, trained_budgets
from widgets.budget_control.following import show_following
from widgets.choices import Choices, current_choices
from widgets.cohort import chosen_cohort, has_choices
from widgets.figure import choose_metric, downloads, show_figure, show_moving_figure
from widgets.headings import HEADINGS
from widgets.lookup import live, runs_of
from widgets.none_finished import show_none_finished
from widgets.sentences import fairness_lines, fairness_sentences, verdict_headlines
from widgets.tables import tables_of
from widgets.training_offer import TrainingOffer
from widgets.verdict import show_groups, show_verdicts

FIGURES = figures_of(Page.FAIRNESS)
MAIN, *OTHERS = FIGURES


def show_results(cohort: Cohort, choices: Choices) -> None:
    """Show budget, sentence, verdict, figures and table, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables_of(cohort).runs)
        trained = trained_budgets(of_choice)
        epsilon = None
        if len(of_choice):
            epsilon = choose_epsilon(trained, deltas=deltas_of(of_choice), unit=choices.unit, offer=TrainingOffer(cohort, choices))
        left, right = st.columns(2)
        with left:
            attribute = choose_attribute(cohort)
        with right:
            metric = choose_metric()
        if attribute is None:
            return
        tables = tables_of(cohort, [attribute])
        show_left_out(tables)
        if (state := training_sentence(status.state for status in runs_of(cohort))) != ALL_FINISHED:
            st.caption(plain(state))
        if tables.is_empty:
            show_none_finished(cohort, "Groups appear here by themselves.")
            return
        if epsilon is None:
            return
        shown = Choice(
            finding=choices.finding, recipe=choices.recipe, unit=choices.unit, epsilon=epsilon, attribute=attribute, metric=metric
        )
        sentences = show_summary(tables, planned_tables(cohort), shown, trained, reference=plans_of(cohort).plan.reference)
        show_moving_figure(MAIN, tables, shown, cohort, sentences=sentences)
        show_guarantee(list(of_choice.loc[of_choice["epsilon"] == epsilon, "run_id"]), also=REFERENCE)
        show_of_plan(tables, shown, cohort)
        downloads(FIGURES, tables, shown, cohort)
        show_groups(tables, shown)

    live(cohort, part)
    offer_plan(cohort, "groups, findings and margin of the verdict")


def show_of_plan(tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """Show the verdict and one of the other figures, which is drawn first: the verdict needs the tables of all attributes of the plan."""
    place_of_verdict = st.container()
    show_figures(tables, shown, cohort)
    with place_of_verdict:
        show_verdicts(planned_tables(cohort), plans_of(cohort), shown, cohort)


def show_summary(
    tables: EvaluationTables, of_plan: EvaluationTables, shown: Choice, trained: list[float], *, reference: str
) -> dict[float, str]:
    """Show the verdict, then what privacy cost in a sentence to quote, and give that sentence of each trained budget back."""
    sentences = fairness_sentences(tables, shown, trained)
    headlines = verdict_headlines(of_plan, shown, trained, reference=reference)
    show_following(fairness_lines(headlines, sentences), at=float(shown.epsilon or 0), key="sentences")
    return sentences


def show_figures(tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """Show one of the other figures: each that is drawn makes a change of the budget slower."""
    for name, tab in zip(
        OTHERS, st.tabs([plain(CATALOGUE[name].titled(shown)) for name in OTHERS], key="figure-tab", on_change="rerun"), strict=True
    ):
        if tab.open:
            with tab:
                show_figure(name, tables, shown, cohort)


st.title(HEADINGS["fairness"])
selected = current_choices()
if (chosen := chosen_cohort()) is not None and has_choices(selected):
    show_results(chosen, selected)
