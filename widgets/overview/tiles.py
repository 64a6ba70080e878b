"""The three tiles of Overview and Meeting: an answer in large letters, its number with the interval, how sure it is, and its page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.largest_loss import at_budget
from dpmed_core.foreign_text import plain
from dpmed_core.reporting.wording.first_glance import NOTHING, Tile, cost_tile, finding_tile, group_tile
from widgets.address.session import of_link
from widgets.budget_control.following import show_following
from widgets.cached import MOST_KEPT
from widgets.choices import DELTA, Choices, chosen_delta, start_in_address
from widgets.tables import tables_of

CURVE_PAGE, GROUPS_PAGE = "privacy_utility.py", "fairness.py"
NOT_COMPARED = "Not compared yet"
Tiles = Mapping[float, Tile]
"""A tile at each trained budget."""
NO_REFERENCE = "There is no model without privacy to compare with yet, so nothing is known of what privacy costs."


@dataclass(frozen=True)
class Shown:
    """What is shown: the chosen recipe, unit and finding, and the chosen one of the trained budgets."""

    recipe: str
    unit: str
    finding: str
    epsilon: float
    trained: tuple[float, ...]

    def rows(self, table: pd.DataFrame, epsilon: float) -> pd.DataFrame:
        """The comparison with the reference that is sampled alike, at one budget."""
        return at_budget(table, recipe=self.recipe, unit=self.unit, epsilon=epsilon)


def show_first_tiles(
    places: Sequence[DeltaGenerator], cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices, *, with_links: bool = True
) -> None:
    """Show what privacy costs in the first of `places`, and the finding that loses most in the second.

    Args:
        places: on the page.
        cohort: of the tables.
        tables: of the analysis plan.
        shown: what they are about.
        choices: of the page.
        with_links: whether each leads to its page.
    """
    of_cost, of_finding = first_tiles(tables, tables_of(cohort), shown)
    for place, key, tiles, label in zip(places, ("cost", "finding"), (of_cost, of_finding), ("Budgets", "Finding"), strict=False):
        with place:
            link = (CURVE_PAGE, label, address_of(cohort, shown, choices, tiles[shown.epsilon])) if with_links else None
            _show_tile(tiles, at=shown.epsilon, key=f"tile-{key}", link=link)


def show_group_tile(
    place: DeltaGenerator, cohort: Cohort, tables: EvaluationTables, shown: Shown, choices: Choices, *, with_links: bool = True
) -> None:
    """Show the group that loses most in `place`; the first time its verdicts take longest. Arguments as `show_first_tiles` has them."""
    tiles = group_tiles(tables, shown)
    with place:
        link = (GROUPS_PAGE, "Groups", address_of(cohort, shown, choices, tiles[shown.epsilon])) if with_links else None
        _show_tile(tiles, at=shown.epsilon, key="tile-group", link=link)


def first_tiles(tables: EvaluationTables, of_all: EvaluationTables, shown: Shown) -> tuple[Tiles, Tiles]:
    """What privacy costs, and the finding that loses most, at each trained budget.

    Args:
        tables: of the analysis plan.
        of_all: without groups, as the page *Privacy and utility* has them: errors per hundred are the same there.
        shown: what they are about; the same at whichever budget.
    """
    return _first_tiles(tables.token, of_all.token, _at_any_budget(shown), _tables=tables, _of_all=of_all)


def group_tiles(tables: EvaluationTables, shown: Shown) -> Tiles:
    """The group that loses most, at each trained budget; arguments as `first_tiles` has them."""
    return _group_tiles(tables.token, _at_any_budget(shown), _tables=tables)


def _at_any_budget(shown: Shown) -> Shown:
    """`shown` without the chosen budget: tiles of all budgets are made at once, and kept for each."""
    return replace(shown, epsilon=shown.trained[0])


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _first_tiles(token: str, token_of_all: str, shown: Shown, _tables: EvaluationTables, _of_all: EvaluationTables) -> tuple[Tiles, Tiles]:
    del token, token_of_all  # key of the cache
    costs, practice = _costs_at(_tables, shown), _of_all.practice_differences
    of_cost = tiles_at(costs, lambda at: cost_tile(costs[at], shown.rows(practice, at), shown.finding))
    return of_cost, tiles_at(costs, lambda at: finding_tile(costs[at]))


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _group_tiles(token: str, shown: Shown, _tables: EvaluationTables) -> Tiles:
    del token
    costs, verdicts = _costs_at(_tables, shown), _tables.verdicts
    return tiles_at(costs, lambda at: group_tile(costs[at], shown.rows(verdicts, at), shown.finding))


def _costs_at(tables: EvaluationTables, shown: Shown) -> dict[float, pd.DataFrame]:
    """The comparison at each trained budget."""
    costs = tables.auroc.costs
    return {epsilon: shown.rows(costs, epsilon) for epsilon in shown.trained}


def tiles_at(costs: Mapping[float, pd.DataFrame], make: Callable[[float], Tile]) -> Tiles:
    """What `make` says at each budget at which there is something to compare."""
    return {epsilon: make(epsilon) if len(rows) else Tile(NOT_COMPARED, NOTHING, lines=(NO_REFERENCE,)) for epsilon, rows in costs.items()}


def address_of(cohort: Cohort, shown: Shown, choices: Choices, tile: Tile | None = None) -> dict[str, str]:
    """The choices of this page, and what a tile picked, as another page takes them from its address."""
    return of_link(choices_of(cohort, shown, choices) | dict(tile.chosen if tile else {}))


def choices_of(cohort: Cohort, shown: Shown, choices: Choices) -> dict[str, str]:
    """The choices of this page, by their names in addresses."""
    delta = chosen_delta()
    further = {start_in_address(shown.recipe): choices.start, DELTA: None if delta is None else f"{delta:g}"}
    return {
        "cohort": cohort.name,
        "finding": shown.finding,
        "recipe": shown.recipe,
        "unit": shown.unit,
        "epsilon": f"{shown.epsilon:g}",
        **{name: value for name, value in further.items() if value is not None},
    }


def _show_tile(stops: Tiles, *, at: float, key: str, link: tuple[str, str, dict[str, str]] | None) -> None:
    """Show one tile, which follows the axis of the page; a link is its page, label and the choices that the page opens with."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        show_following({epsilon: [tile] for epsilon, tile in stops.items()}, at=at, key=key)
        if link is not None:
            page, label, chosen = link
            st.page_link(page, label=plain(label), icon=":material/arrow_forward:", query_params=chosen)
