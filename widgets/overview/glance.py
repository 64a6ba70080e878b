"""What privacy costs, for which finding and for whom, at the chosen budget: the upper part of Overview."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import IMAGE_WORDS
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.largest_loss import at_budget
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.wording.first_glance import NOTHING, Tile, cost_tile, finding_tile, group_tile, protected_sentence
from dpmed_core.reporting.wording.next_step import TRAIN, next_step
from dpmed_core.reporting.wording.training_state import training_sentence
from dpmed_core.reporting.wording.utility import REFERENCE, utility_sentence
from widgets.address.session import of_link
from widgets.analysis_plan import planned_tables, plans_of
from widgets.budget import choose_epsilon, deltas_of, show_guarantee, show_left_out
from widgets.budget_control.following import Line, show_following
from widgets.choices import DELTA, START, Choices, chosen_delta
from widgets.lookup import live, runs_of
from widgets.overview.figures import show_figures
from widgets.overview.tiles import show_tile
from widgets.tables import tables_of
from widgets.training_offer import TrainingOffer

CURVE_PAGE, GROUPS_PAGE, MEANING_PAGE = "privacy_utility.py", "fairness.py", "privacy.py"
NEXT_PAGES = {TRAIN: ("train.py", "Plan and watch models"), "cases": ("cases.py", "See changed answers")}
NOT_COMPARED = "Not compared yet"
NO_REFERENCE = "There is no model without privacy to compare with yet, so nothing is known of what privacy costs."


@dataclass(frozen=True)
class Shown:
    """What the upper part is about: the chosen recipe, unit and finding, and the chosen one of the trained budgets."""

    recipe: str
    unit: str
    finding: str
    epsilon: float
    trained: tuple[float, ...]

    def rows(self, table: pd.DataFrame, epsilon: float) -> pd.DataFrame:
        """The comparison with the reference that is sampled alike, at one budget."""
        return at_budget(table, recipe=self.recipe, unit=self.unit, epsilon=epsilon)


def show_glance(cohort: Cohort, choices: Choices) -> None:
    """Show budget, tiles and figures, and renew them while models are trained."""

    def part() -> None:
        """Everything that depends on the runs, drawn again by `live`."""
        tables = planned_tables(cohort)
        show_left_out(tables)
        if tables.is_empty:
            st.info("No model is finished yet. What privacy costs appears here by itself, once models with and without privacy are.")
            return
        of_choice = Choice(recipe=choices.recipe, unit=choices.unit).rows(tables.runs)
        offer = TrainingOffer(cohort, choices)
        trained = tuple(sorted(float(epsilon) for epsilon in of_choice["epsilon"].dropna().unique()))
        epsilon = choose_epsilon(trained, deltas=deltas_of(of_choice), unit=choices.unit, offer=offer)
        if epsilon is None:
            return
        shown = Shown(str(choices.recipe), str(choices.unit), choices.finding or MACRO, epsilon, trained)
        _show_costs(cohort, tables, shown, choices)
        _show_protected(cohort, tables, shown, choices)

    live(cohort, part)


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
    all_costs = tables.auroc.costs
    if shown.rows(all_costs, shown.epsilon).empty:
        about = {"recipe": shown.recipe, "unit": shown.unit, "finding": shown.finding}
        said = {at: utility_sentence(tables.auroc.overall, metric=AUROC, epsilon=at, **about) for at in shown.trained}
        show_following({at: [Line(sentence, "headline")] for at, sentence in said.items()}, key="tile-none")
        st.info(NO_REFERENCE)
        show_figures(tables, of_all, cohort)
        return
    places = st.columns(3)
    costs = {epsilon: shown.rows(all_costs, epsilon) for epsilon in shown.trained}
    # Errors per hundred are those of the page Privacy and utility, whose tables have no groups.
    practice = tables_of(cohort).practice_differences
    of_cost = tiles_at(costs, lambda at: cost_tile(costs[at], shown.rows(practice, at), shown.finding))
    of_finding = tiles_at(costs, lambda at: finding_tile(costs[at]))
    for place, key, tiles, label in zip(places, ("cost", "finding"), (of_cost, of_finding), ("By budget", "This finding"), strict=False):
        with place:
            chosen = _address(cohort, shown, choices, tiles[shown.epsilon])
            show_tile(tiles, key=f"tile-{key}", page=CURVE_PAGE, label=label, chosen=chosen)
    show_figures(tables, of_all, cohort)
    # Last, though it stands above the figures: the first time verdicts take longest.
    with places[2]:
        verdicts = tables.verdicts
        tiles = tiles_at(costs, lambda at: group_tile(costs[at], shown.rows(verdicts, at), shown.finding))
        chosen = _address(cohort, shown, choices, tiles[shown.epsilon])
        show_tile(tiles, key="tile-group", page=GROUPS_PAGE, label="By group", chosen=chosen)


def tiles_at(costs: Mapping[float, pd.DataFrame], make: Callable[[float], Tile]) -> dict[float, Tile]:
    """What `make` says at each budget at which there is something to compare."""
    return {epsilon: make(epsilon) if len(rows) else Tile(NOT_COMPARED, NOTHING, lines=(NO_REFERENCE,)) for epsilon, rows in costs.items()}


def _address(cohort: Cohort, shown: Shown, choices: Choices, tile: Tile | None = None) -> dict[str, str]:
    """The choices of this page, and what a tile picked, as another page takes them from its address."""
    delta = chosen_delta()
    further = {START: choices.start, DELTA: None if delta is None else f"{delta:g}"}
    return of_link(
        {
            "cohort": cohort.name,
            "finding": shown.finding,
            "recipe": shown.recipe,
            "unit": shown.unit,
            "epsilon": f"{shown.epsilon:g}",
            **{name: value for name, value in further.items() if value is not None},
            **(tile.chosen if tile else {}),
        }
    )


def _show_protected(cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices) -> None:
    """Who is protected, in one line; what the numbers rest on, a click away."""
    of_recipe = tables.guarantees[tables.guarantees["recipe"] == shown.recipe]
    said = protected_sentence(of_recipe, epsilon=shown.epsilon, unit=shown.unit)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{plain(said)} Research use only.", width="content")
        st.page_link(
            MEANING_PAGE, label="What the guarantee means", icon=":material/arrow_forward:", query_params=_address(cohort, shown, choices)
        )
    place = st.expander("What these numbers rest on", key="rest-on-open", on_change="rerun")
    if not place.open:
        return
    with place:
        runs = Choice(recipe=shown.recipe, unit=shown.unit).rows(tables.runs)
        show_guarantee(list(runs.loc[runs["epsilon"] == shown.epsilon, "run_id"]))
        st.caption(REFERENCE)
        images = f"100 {IMAGE_WORDS[cohort.modality].several}"
        st.caption(
            f"Per 100: missed of {images} with a finding, false alarms of {images} without it, each training run at its own threshold, "
            f"{plain(OperatingRule().sentence())}. “Loss shown”: "
            "Bonferroni's p-value over all findings is below .05. Extra loss: beyond that of the other patients; verdicts are those of the "
            "analysis plan. Bold numbers are each judged for themselves."
        )
        plans = plans_of(cohort)
        st.caption(f"Margin: {plans.plan.margin:g} of AUROC. {plain(plans.sentence())}")
        st.caption(plain(training_sentence(status.state for status in runs_of(cohort))))
