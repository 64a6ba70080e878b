"""What privacy costs, for which finding and for whom, at the chosen budget: the upper part of Overview."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.first_glance import protected_sentence
from dpmed_core.reporting.wording.next_step import TRAIN, next_step
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE, utility_sentence
from widgets.address.session import of_link
from widgets.analysis_plan import planned_tables, plans_of
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out, trained_budgets
from widgets.budget_control.first_words import Line
from widgets.budget_control.following import show_following
from widgets.choices import Choices
from widgets.lookup import live, runs_of
from widgets.none_finished import show_none_finished
from widgets.overview.figures import show_figures
from widgets.overview.tiles import NO_REFERENCE, Shown, address_of, show_first_tiles, show_group_tile
from widgets.training_offer import TrainingOffer

MEANING_PAGE = "privacy.py"
NEXT_PAGES = {TRAIN: ("train.py", "Plan and watch models"), "cases": ("cases.py", "See changed answers")}
RESEARCH_ONLY = "Research use only."


def show_glance(cohort: Cohort, choices: Choices) -> None:
    """Show budget, tiles and figures, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        tables = planned_tables(cohort)
        shown = choose_shown(cohort, tables, choices)
        if shown is not None:
            _show_costs(cohort, tables, shown, choices)
            show_protected(cohort, tables, shown, choices)

    live(cohort, part)


def choose_shown(cohort: Cohort, tables: EvaluationTables, choices: Choices, *, with_offers: bool = True) -> Shown | None:
    """Show the axis of budgets, and give what is chosen; None where nothing is trained, or the address names a budget that is not.

    Args:
        cohort: of the tables.
        tables: of the analysis plan.
        choices: of the page.
        with_offers: whether the axis offers budgets that are not trained.
    """
    show_left_out(tables)
    if tables.is_empty:
        show_none_finished(cohort, "What privacy costs appears here by itself, once models with and without privacy are.")
        return None
    of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
    offer = TrainingOffer(cohort, choices) if with_offers else None
    trained = tuple(trained_budgets(of_choice))
    epsilon = choose_epsilon(trained, deltas=deltas_of(of_choice), unit=choices.unit, offer=offer)
    return None if epsilon is None else Shown(str(choices.recipe), str(choices.unit), choices.finding or MACRO, epsilon, trained)


def show_next_step(cohort: Cohort, choices: Choices) -> None:
    """Show what to do next, with its page."""

    def part() -> None:
        tables, states = planned_tables(cohort), [status.state for status in runs_of(cohort)]
        costs = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.auroc.costs) if not tables.is_empty else pd.DataFrame()
        step = next_step(states, costs)
        page, label = NEXT_PAGES[step.page]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Next:** {plain(step.sentence)}", width="content")
            st.page_link(page, label=f"{plain(label)}", icon=":material/arrow_forward:", query_params=of_link({"cohort": cohort.name}))

    live(cohort, part)


def _show_costs(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """The three tiles and the figures, or what is known where there is nothing to compare with."""
    # Both figures are of all findings, whichever is chosen: the tiles say what they say of the chosen one.
    of_all = Choice(finding=MACRO, recipe=shown.recipe, unit=shown.unit, epsilon=shown.epsilon)
    if not is_compared(tables, shown):
        show_without_reference(tables, shown)
        show_figures(tables, of_all, cohort)
        return
    places = st.columns(3)
    show_first_tiles(places, cohort, tables, shown, choices)
    show_figures(tables, of_all, cohort)
    # Last, though it stands above the figures: the first time verdicts take longest.
    show_group_tile(places[2], cohort, tables, shown, choices)


def is_compared(tables: EvaluationTables, shown: Shown) -> bool:
    """Whether there is a model without privacy to compare with at the chosen budget."""
    return not shown.rows(tables.auroc.costs, shown.epsilon).empty


def show_without_reference(tables: EvaluationTables, shown: Shown) -> None:
    """What is known of private models alone, and that nothing is known of what privacy costs."""
    about = {"recipe": shown.recipe, "unit": shown.unit, "finding": shown.finding}
    said = {at: utility_sentence(tables.auroc.overall, metric=AUROC, epsilon=at, **about) for at in shown.trained}
    show_following({at: [Line(sentence, "headline")] for at, sentence in said.items()}, at=shown.epsilon, key="tile-none")
    st.info(NO_REFERENCE)


def show_protected(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """Who is protected, in one line; what the numbers rest on, a click away."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(protected_line(tables, shown)), width="content")
        st.page_link(
            MEANING_PAGE, label="What the guarantee means", icon=":material/arrow_forward:", query_params=address_of(cohort, shown, choices)
        )
    place = st.expander("What these numbers rest on", key="rest-on-open", on_change="rerun")
    if not place.open:
        return
    with place:
        show_guarantee(runs_at(tables, shown))
        for sentence in rests_on(cohort):
            st.caption(plain(sentence))


def protected_line(tables: EvaluationTables, shown: Shown) -> str:
    """Who is protected and who is not, and what all of this is for."""
    of_recipe = tables.guarantees[tables.guarantees["recipe"] == shown.recipe]
    return f"{protected_sentence(of_recipe, epsilon=shown.epsilon, unit=shown.unit)} {RESEARCH_ONLY}"


def runs_at(tables: EvaluationTables, shown: Shown) -> list[str]:
    """The private runs of the chosen recipe, unit and budget."""
    runs = Choice(recipe=shown.recipe, unit=shown.unit).rows(tables.runs)
    return list(runs.loc[runs["epsilon"] == shown.epsilon, "run_id"])


def rests_on(cohort: Cohort) -> list[str]:
    """What must be known to read tiles and figures, besides the guarantee."""
    plans, images = plans_of(cohort), f"100 {IMAGE_WORDS[cohort.modality].several}"
    return [
        REFERENCE,
        f"Per 100: missed of {images} with a finding, false alarms of {images} without it, each training run at its own threshold, "
        f"{OperatingRule().sentence()}. “Loss shown”: Bonferroni's p-value over all findings is below .05. Extra loss: beyond that of the "
        "other patients; verdicts are those of the analysis plan. Bold numbers are each judged for themselves.",
        f"Margin: {plans.plan.margin:g} of AUROC. {plans.sentence()}",
        training_sentence(status.state for status in runs_of(cohort)),
    ]
