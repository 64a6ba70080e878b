"""What can be shown and exported: each figure with its table, drawn from one choice of cohort, finding, recipe, unit and budget."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.statistics.arms import SAMPLED_ALIKE
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.evaluation.tables.published_results import pdac_reference, pdac_table
from dpmed_core.evaluation.tables.utility import MACRO
from dpmed_core.imaging.modality import Modality
from dpmed_core.reporting.figures.calibration import calibration_figure
from dpmed_core.reporting.figures.cost import cost_figure
from dpmed_core.reporting.figures.forest import forest_figure
from dpmed_core.reporting.figures.gap import gap_figure
from dpmed_core.reporting.figures.parity import parity_figure
from dpmed_core.reporting.figures.privacy_utility import privacy_utility_figure
from dpmed_core.reporting.figures.roc import roc_figure
from dpmed_core.reporting.figures.size_loss import size_loss_figure
from dpmed_core.reporting.figures.small_multiples import small_multiples_figure
from dpmed_core.reporting.figures.style import LIGHT, Canvas
from dpmed_core.settings import load_settings

DEFAULT_EPSILON = 1.0


@dataclass(frozen=True)
class Choice:
    """What a figure is of; None where nothing was chosen.

    Attributes:
        finding: a finding or "macro".
        recipe: name.
        unit: "patient" or "image".
        epsilon: a trained target.
        attribute: what subgroups are made by.
        reference: which twin losses are measured against.
        published: whether the paper's figures stand behind a CT cohort's own.
    """

    finding: str | None = None
    recipe: str | None = None
    unit: str | None = None
    epsilon: float | None = None
    attribute: str | None = None
    reference: str = SAMPLED_ALIKE
    published: bool = False

    def of_subgroups(self) -> dict[str, Any]:
        """What the sentence on subgroups needs, by name; for a choice that left nothing open."""
        return {name: getattr(self, name) for name in ("finding", "recipe", "unit", "epsilon", "attribute", "reference")}

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of `table` that were chosen, at every budget and without privacy; columns that it lacks choose nothing."""
        kept = pd.Series(True, index=table.index)
        for name in ("finding", "recipe", "unit"):
            wanted = getattr(self, name)
            if wanted is not None and name in table.columns:
                kept &= table[name] == wanted
        if self.attribute is not None and "attribute" in table.columns:
            kept &= table["attribute"].isin([self.attribute, "all"])
        return table[kept]


@dataclass(frozen=True)
class CatalogueEntry:
    """A figure with its table.

    Attributes:
        title: in words, for a button.
        table: the rows behind the figure, for a file; all that was not chosen is in it.
        draw: the figure of a settled choice (see `settled`).
        by_subgroup: whether it needs an attribute.
        at_one_budget: whether it needs a budget, and not only marks it.
    """

    title: str
    table: Callable[[EvaluationTables, Choice], pd.DataFrame]
    draw: Callable[[EvaluationTables, Choice, Cohort, Canvas], go.Figure]
    by_subgroup: bool = False
    at_one_budget: bool = False


def settled(choice: Choice, tables: EvaluationTables, entry: CatalogueEntry) -> Choice:
    """`choice` with what `entry` needs and was left open: the mean over findings, the first recipe trained, the budget nearest to 1.

    Raises:
        ExportError: nothing is trained, or not as chosen.
    """
    utility = tables.utility
    if utility.empty:
        raise ExportError("No run on this cohort is finished yet: ask for some with `sweep`.")
    recipe = choice.recipe or str(utility["recipe"].iloc[0])
    units = list(utility.loc[utility["recipe"] == recipe, "unit"].drop_duplicates())
    unit = choice.unit or ("patient" if "patient" in units or not units else units[0])
    trained = list(utility[(utility["recipe"] == recipe) & (utility["unit"] == unit)]["epsilon"].dropna().unique())
    epsilon = choice.epsilon
    if entry.at_one_budget and epsilon is None and trained:
        epsilon = float(min(trained, key=lambda e: abs(e - DEFAULT_EPSILON)))
    if (entry.at_one_budget or epsilon is not None) and epsilon not in trained:
        raise ExportError(_not_trained(epsilon, recipe, unit, trained))
    attribute = choice.attribute or (tables.by[0] if entry.by_subgroup else None)
    return replace(choice, finding=choice.finding or MACRO, recipe=recipe, unit=unit, epsilon=epsilon, attribute=attribute)


def _not_trained(epsilon: float | None, recipe: str, unit: str, trained: list[float]) -> str:
    if not trained:
        return f"No private run of recipe {recipe} with unit {unit} is finished: ask for some with `sweep`."
    listed = ", ".join(f"{e:g}" for e in sorted(trained))
    return f"ε = {epsilon:g} is not trained with recipe {recipe} and unit {unit}: choose one of {listed}."


def _everybody(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["attribute"] == "all"]


def _subgroups(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["attribute"] != "all"]


def _of_reference(table: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    return table[table["reference"] == choice.reference]


def _draw_privacy_utility(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    """All recipes of the unit, so that they can be compared."""
    utility, means = (table[table["unit"] == choice.unit] for table in (tables.utility, tables.overall))
    return privacy_utility_figure(
        utility,
        means,
        cohort,
        finding=str(choice.finding),
        epsilon=choice.epsilon,
        published=_published(cohort) if choice.published else None,
        canvas=canvas,
    )


def _published(cohort: Cohort) -> pd.DataFrame:
    """The paper's figures for everybody.

    Raises:
        ExportError: the cohort is not of CT.
    """
    if cohort.modality is not Modality.CT:
        raise ExportError(f"The published figures are of CT, and {cohort.name} holds radiographs: draw it without --published.")
    return _everybody(pdac_table(pdac_reference(load_settings().reference_dir)))


def _draw_small_multiples(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    all_findings = replace(choice, finding=None)
    utility, means = all_findings.rows(tables.utility), all_findings.rows(tables.overall)
    return small_multiples_figure(utility, means, cohort, epsilon=choice.epsilon, canvas=canvas)


def _draw_cost(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    costs = _everybody(tables.with_guarantee(choice.rows(tables.costs)))
    return cost_figure(costs, cohort, finding=str(choice.finding), epsilon=choice.epsilon, canvas=canvas)


def _draw_forest(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    rows = choice.rows(tables.groups)
    return forest_figure(
        rows, cohort, finding=str(choice.finding), attribute=str(choice.attribute), epsilon=float(choice.epsilon or 0), canvas=canvas
    )


def _draw_gap(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    rows = tables.with_guarantee(choice.rows(tables.gaps))
    return gap_figure(rows, cohort, finding=str(choice.finding), attribute=str(choice.attribute), epsilon=choice.epsilon, canvas=canvas)


def _draw_parity(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    rows = tables.with_guarantee(choice.rows(tables.parity))
    return parity_figure(
        rows, cohort, finding=str(choice.finding), attribute=str(choice.attribute), epsilon=float(choice.epsilon or 0), canvas=canvas
    )


def _draw_size_loss(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    costs, correlations = (_of_reference(_subgroups(choice.rows(t)), choice) for t in (tables.costs, tables.size_loss))
    costs = tables.with_guarantee(costs)
    return size_loss_figure(
        costs,
        correlations,
        cohort,
        finding=str(choice.finding),
        attribute=str(choice.attribute),
        epsilon=float(choice.epsilon or 0),
        canvas=canvas,
    )


def _draw_roc(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    curves = replace(choice, finding=None).rows(tables.roc)
    return roc_figure(curves, cohort, finding=str(choice.finding), epsilon=float(choice.epsilon or 0), canvas=canvas)


def _draw_calibration(tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    bins = replace(choice, finding=None).rows(tables.reliability)
    return calibration_figure(bins, cohort, finding=str(choice.finding), epsilon=float(choice.epsilon or 0), canvas=canvas)


CATALOGUE: dict[str, CatalogueEntry] = {
    "privacy-utility": CatalogueEntry("AUROC against privacy budget", lambda t, c: c.rows(t.utility), _draw_privacy_utility),
    "findings": CatalogueEntry("AUROC against privacy budget, by finding", lambda t, c: c.rows(t.overall), _draw_small_multiples),
    "cost": CatalogueEntry("Cost of privacy", lambda t, c: _everybody(c.rows(t.with_guarantee(t.costs))), _draw_cost),
    "fairness-forest": CatalogueEntry(
        "Subgroups with and without privacy", lambda t, c: c.rows(t.groups), _draw_forest, by_subgroup=True, at_one_budget=True
    ),
    "gap": CatalogueEntry("Gap between subgroups", lambda t, c: c.rows(t.with_guarantee(t.gaps)), _draw_gap, by_subgroup=True),
    "parity": CatalogueEntry(
        "Parity differences", lambda t, c: c.rows(t.with_guarantee(t.parity)), _draw_parity, by_subgroup=True, at_one_budget=True
    ),
    "size-loss": CatalogueEntry(
        "Size against loss",
        lambda t, c: _subgroups(c.rows(t.with_guarantee(t.costs))),
        _draw_size_loss,
        by_subgroup=True,
        at_one_budget=True,
    ),
    "roc": CatalogueEntry("ROC curves", lambda t, c: c.rows(t.roc), _draw_roc, at_one_budget=True),
    "calibration": CatalogueEntry("Calibration", lambda t, c: c.rows(t.reliability), _draw_calibration, at_one_budget=True),
}


def draw(name: str, tables: EvaluationTables, choice: Choice, cohort: Cohort, canvas: Canvas = LIGHT) -> go.Figure:
    """The figure `name` of `choice`, with what `choice` leaves open settled.

    Raises:
        ExportError: what was chosen is not trained.
    """
    entry = CATALOGUE[name]
    return entry.draw(tables, settled(choice, tables, entry), cohort, canvas)
