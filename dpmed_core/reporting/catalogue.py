"""The figure catalogue: each figure with its table, drawn from one choice of cohort, finding, metric, recipe, unit and budget.

An entry of `CATALOGUE` puts a figure on its page and makes it available to `export` as a picture, a page of its own and a table.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.analysis_plan import Look, PlanRecord
from dpmed_core.evaluation.metrics.calibration import CALIBRATION_ERROR
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.drawn_rows import (
    Parts,
    as_table,
    calibration_parts,
    cost_parts,
    decision_curve_parts,
    everybody,
    findings_parts,
    forest_parts,
    gap_parts,
    loss_map_parts,
    mean_and_worst_parts,
    parity_parts,
    privacy_utility_parts,
    roc_parts,
    size_loss_parts,
    verdict_map_parts,
    verdict_parts,
)
from dpmed_core.reporting.figures.axes import hide_empty_axes
from dpmed_core.reporting.figures.calibration import calibration_figure
from dpmed_core.reporting.figures.cost import cost_figure
from dpmed_core.reporting.figures.decision_curve import decision_curve_figure
from dpmed_core.reporting.figures.equivalence import equivalence_figure
from dpmed_core.reporting.figures.facts import error_floor_phrase
from dpmed_core.reporting.figures.forest import forest_figure
from dpmed_core.reporting.figures.gap import gap_figure
from dpmed_core.reporting.figures.loss_map import loss_map_figure
from dpmed_core.reporting.figures.mean_and_worst import mean_and_worst_figure
from dpmed_core.reporting.figures.parity import parity_figure
from dpmed_core.reporting.figures.privacy_utility import privacy_utility_figure
from dpmed_core.reporting.figures.roc import roc_figure
from dpmed_core.reporting.figures.size_loss import size_loss_figure
from dpmed_core.reporting.figures.small_multiples import small_multiples_figure
from dpmed_core.reporting.figures.style import LIGHT, Canvas
from dpmed_core.reporting.figures.verdict_map import verdict_map_figure
from dpmed_core.reporting.provenance import NOT_COVERED, Provenance, with_facts

DEFAULT_EPSILON = 1.0
"""The budget that is shown where none is chosen, or the trained one nearest to it."""


class Page(StrEnum):
    """The pages that show figures of the catalogue."""

    OVERVIEW = "overview"
    PRIVACY_UTILITY = "privacy_utility"
    FAIRNESS = "fairness"
    MEETING = "meeting"


Draw = Callable[[Parts, Choice, Cohort, Canvas], go.Figure]
"""The figure of a settled choice (see `settled`), from its rows at every budget: axes stay while the budget is moved."""


@dataclass(frozen=True)
class CatalogueEntry:
    """A figure with its table.

    Attributes:
        title: for a button; "{metric}" is replaced by the metric's title.
        page: where it is shown; the first entry of a page is its main figure.
        parts: the rows that it is drawn from, and nothing else.
        draw: the figure.
        by_subgroup: whether it needs an attribute.
        at_one_budget: whether it needs a budget, and not only marks it.
        with_margin: whether it is judged against a margin.
        of_metric: whether it shows the chosen metric, and not always the same.
        with_threshold: whether it always counts scores above the operating point.
        of_plan: whether it is drawn from the tables of the whole analysis plan, and stands on its page beside the verdict.
        of_every_group: whether it shows the groups of every attribute of the tables, where none is chosen.
        of_verdicts: whether it shows verdicts, which are judged together over the whole plan, whichever attribute is drawn.
    """

    title: str
    page: Page
    parts: Callable[[EvaluationTables, Choice, Cohort], Parts]
    draw: Draw
    by_subgroup: bool = False
    at_one_budget: bool = False
    with_margin: bool = False
    of_metric: bool = True
    with_threshold: bool = False
    of_plan: bool = False
    of_every_group: bool = False
    of_verdicts: bool = False

    def titled(self, choice: Choice) -> str:
        """The title in words."""
        return self.title.format(metric=choice.measured.title)

    def table(self, tables: EvaluationTables, choice: Choice, cohort: Cohort) -> pd.DataFrame:
        """The rows of the figure of `choice`, for a file; where something was left open, those of the figures of all that it may be."""
        rows = as_table(self.parts(tables, choice, cohort), choice.epsilon if self.at_one_budget else None)
        return rows if tables.start is None else rows.assign(start=tables.start)

    def needs_threshold(self, choice: Choice) -> bool:
        """Whether what it shows depends on the operating point."""
        return self.with_threshold or (self.of_metric and choice.measured.needs_threshold)


def settled(choice: Choice, tables: EvaluationTables, entry: CatalogueEntry) -> Choice:
    """`choice`, with what was left open filled in.

    That is the mean over findings, the first recipe trained, the patient as the unit where it was trained, the first attribute of the
    tables, and, where `entry` needs a budget, the one nearest to 1.

    Raises:
        ExportError: nothing is trained, or not as chosen.
    """
    runs = tables.runs
    if runs.empty:
        raise ExportError("No run on this cohort is finished yet: train some with `sweep`.")
    recipe = choice.recipe or str(runs["recipe"].iloc[0])
    units = list(runs.loc[runs["recipe"] == recipe, "unit"].drop_duplicates())
    # A guarantee for each patient says more than one for each image, so it is shown first.
    unit = choice.unit or ("patient" if "patient" in units or not units else units[0])
    trained = list(runs[(runs["recipe"] == recipe) & (runs["unit"] == unit)]["epsilon"].dropna().unique())
    epsilon = choice.epsilon
    if entry.at_one_budget and epsilon is None and trained:
        epsilon = float(min(trained, key=lambda e: abs(e - DEFAULT_EPSILON)))
    # A budget that is not trained is refused, never replaced by the next one: the figure would state another guarantee than the chosen one.
    if (entry.at_one_budget or epsilon is not None) and epsilon not in trained:
        raise ExportError(_not_trained(epsilon, recipe, unit, trained))
    attribute = choice.attribute or (tables.by[0] if entry.by_subgroup else None)
    return replace(choice, finding=choice.finding or MACRO, recipe=recipe, unit=unit, epsilon=epsilon, attribute=attribute)


def _not_trained(epsilon: float | None, recipe: str, unit: str, trained: list[float]) -> str:
    if not trained:
        return f"No private run of recipe {recipe} with unit {unit} is finished: train some with `sweep`."
    listed = ", ".join(f"{e:g}" for e in sorted(trained))
    return f"ε = {epsilon:g} is not trained with recipe {recipe} and unit {unit}: choose one of {listed}."


def _draw_privacy_utility(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    tables = {name: part.rows for name, part in parts.items()}
    return privacy_utility_figure(
        **tables, cohort=cohort, metric=choice.measured, finding=str(choice.finding), epsilon=choice.epsilon, canvas=canvas
    )


def _draw_small_multiples(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return small_multiples_figure(parts["rows"].rows, cohort, metric=choice.measured, epsilon=choice.epsilon, canvas=canvas)


def _draw_cost(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    costs, finding = parts["costs"].rows, str(choice.finding)
    return cost_figure(costs, cohort, metric=choice.measured, finding=finding, epsilon=choice.epsilon, canvas=canvas)


def _draw_roc(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return roc_figure(parts["curves"].rows, cohort, **_finding_at_a_budget(choice), canvas=canvas)


def _draw_calibration(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return calibration_figure(parts["bins"].rows, cohort, **_finding_at_a_budget(choice), canvas=canvas)


def _draw_decision_curve(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return decision_curve_figure(parts["curves"].rows, cohort, **_finding_at_a_budget(choice), canvas=canvas)


def _finding_at_a_budget(choice: Choice) -> dict[str, Any]:
    """The arguments of figures of all patients at one budget, from a settled choice."""
    return {"finding": str(choice.finding), "epsilon": float(choice.epsilon or 0)}


def _groups_at_a_budget(choice: Choice) -> dict[str, Any]:
    """The arguments of figures of subgroups at one budget, from a settled choice."""
    return {**_finding_at_a_budget(choice), "attribute": str(choice.attribute)}


def _draw_forest(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return forest_figure(parts["rows"].rows, cohort, metric=choice.measured, **_groups_at_a_budget(choice), canvas=canvas)


def _draw_equivalence(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return equivalence_figure(parts["rows"].rows, cohort, **_groups_at_a_budget(choice), canvas=canvas)


def _draw_parity(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return parity_figure(parts["rows"].rows, cohort, **_groups_at_a_budget(choice), canvas=canvas)


def _draw_gap(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    # This figure only marks the budget: None must stay None and not become 0.
    about = {**_groups_at_a_budget(choice), "epsilon": choice.epsilon}
    return gap_figure(parts["gaps"].rows, cohort, metric=choice.measured, **about, canvas=canvas)


def _draw_size_loss(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    costs, correlations = parts["costs"].rows, parts["correlations"].rows
    return size_loss_figure(costs, correlations, cohort, metric=choice.measured, **_groups_at_a_budget(choice), canvas=canvas)


def _draw_mean_and_worst(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    mean, worst = parts["mean"].rows, parts["worst"].rows
    return mean_and_worst_figure(mean, worst, cohort, metric=choice.measured, epsilon=choice.epsilon, canvas=canvas)


def _draw_loss_map(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return loss_map_figure(parts["costs"].rows, cohort, metric=choice.measured, epsilon=float(choice.epsilon or 0), canvas=canvas)


def _draw_verdict_map(parts: Parts, choice: Choice, cohort: Cohort, canvas: Canvas) -> go.Figure:
    return verdict_map_figure(parts["costs"].rows, parts["verdicts"].rows, cohort, epsilon=float(choice.epsilon or 0), canvas=canvas)


# In the order of the pages; a page's first figure is its main one, the others are offered below it.
CATALOGUE: dict[str, CatalogueEntry] = {
    "mean-and-worst": CatalogueEntry(
        "{metric} against privacy budget, mean and worst findings", Page.OVERVIEW, mean_and_worst_parts, _draw_mean_and_worst
    ),
    "loss-map": CatalogueEntry(
        "{metric} lost, by finding and group", Page.OVERVIEW, loss_map_parts, _draw_loss_map, at_one_budget=True, of_every_group=True
    ),
    "privacy-utility": CatalogueEntry(
        "{metric} against privacy budget", Page.PRIVACY_UTILITY, privacy_utility_parts, _draw_privacy_utility
    ),
    "cost": CatalogueEntry("Cost of privacy", Page.PRIVACY_UTILITY, cost_parts, _draw_cost, with_margin=True),
    "findings": CatalogueEntry("{metric} against privacy budget, by finding", Page.PRIVACY_UTILITY, findings_parts, _draw_small_multiples),
    "roc": CatalogueEntry("ROC curves", Page.PRIVACY_UTILITY, roc_parts, _draw_roc, at_one_budget=True, of_metric=False),
    "calibration": CatalogueEntry(
        "Calibration", Page.PRIVACY_UTILITY, calibration_parts, _draw_calibration, at_one_budget=True, of_metric=False
    ),
    "decision-curve": CatalogueEntry(
        "Decision curves", Page.PRIVACY_UTILITY, decision_curve_parts, _draw_decision_curve, at_one_budget=True, of_metric=False
    ),
    "fairness-forest": CatalogueEntry(
        "{metric} by subgroup, with and without privacy",
        Page.FAIRNESS,
        forest_parts,
        _draw_forest,
        by_subgroup=True,
        at_one_budget=True,
    ),
    "verdict": CatalogueEntry(
        "Extra loss by subgroup, with the margin",
        Page.FAIRNESS,
        verdict_parts,
        _draw_equivalence,
        by_subgroup=True,
        at_one_budget=True,
        with_margin=True,
        of_metric=False,
        of_plan=True,
        of_verdicts=True,
    ),
    "parity": CatalogueEntry(
        "Parity differences",
        Page.FAIRNESS,
        parity_parts,
        _draw_parity,
        by_subgroup=True,
        at_one_budget=True,
        of_metric=False,
        with_threshold=True,
    ),
    "gap": CatalogueEntry("Gap between subgroups", Page.FAIRNESS, gap_parts, _draw_gap, by_subgroup=True),
    "size-loss": CatalogueEntry("Size against loss", Page.FAIRNESS, size_loss_parts, _draw_size_loss, by_subgroup=True, at_one_budget=True),
    "verdict-map": CatalogueEntry(
        "AUROC lost by finding and group, with verdicts",
        Page.MEETING,
        verdict_map_parts,
        _draw_verdict_map,
        at_one_budget=True,
        with_margin=True,
        of_metric=False,
        of_every_group=True,
        of_verdicts=True,
    ),
}


def figures_of(page: Page) -> list[str]:
    """The names of a page's figures, its main one first; without that of the verdict, which has tables of its own."""
    return [name for name, entry in CATALOGUE.items() if entry.page is page and not entry.of_plan]


def draw(
    name: str,
    tables: EvaluationTables,
    choice: Choice,
    cohort: Cohort,
    canvas: Canvas = LIGHT,
    *,
    provenance: Provenance | None = None,
    exploratory: str = "",
) -> go.Figure:
    """The figure `name` of `choice`, with what `choice` leaves open settled.

    A figure that shows models without privacy says that it carries no guarantee, one that was not planned that it is exploratory.

    Args:
        name: of an entry.
        tables: that it is drawn from.
        choice: what it shows.
        cohort: of the tables.
        canvas: what it is drawn on.
        provenance: what it says of where it comes from, where it will stand alone.
        exploratory: why it is exploratory (`why_exploratory`), where that does not follow from the provenance.

    Raises:
        ExportError: what was chosen is not trained, or has nothing to draw.
    """
    entry = CATALOGUE[name]
    shown = settled(choice, tables, entry)
    drawn = entry.draw(entry.parts(tables, shown, cohort), shown, cohort, canvas)
    hide_empty_axes(drawn)
    begun = [] if tables.start is None else [f"Models begin at public start {tables.start}."]
    not_covered = [NOT_COVERED] if tables.runs["epsilon"].isna().any() else []
    if provenance and provenance.plans:
        exploratory = why_exploratory(name, tables, choice, provenance.plans)
    notes = [
        *begun,
        *([exploratory] if exploratory else []),
        *(_notes(tables, shown) if entry.of_metric else []),
        *not_covered,
    ]
    return with_facts(drawn, [*notes, *(provenance.lines() if provenance else [])], canvas)


def _notes(tables: EvaluationTables, choice: Choice) -> list[str]:
    """What must be known of the chosen metric to read its values."""
    if choice.measured is not CALIBRATION_ERROR:
        return []
    rows = (choice.all_findings() if choice.finding == MACRO else choice).rows(everybody(tables.calibration))
    phrase = error_floor_phrase(rows)
    return [phrase] if phrase else []


def look_of(name: str, tables: EvaluationTables, choice: Choice) -> Look:
    """What the figure `name` of `choice` shows results of, for comparison with the analysis plan; what is left open stays open."""
    entry, runs = CATALOGUE[name], choice.rows(tables.runs)
    n_seeds = runs.groupby(["recipe", "unit", "epsilon"], dropna=False).size().max() if len(runs) else None
    # A figure that is not at one budget draws all that were trained.
    shown = [choice.epsilon] if entry.at_one_budget else sorted(runs["epsilon"].dropna().unique())
    return Look(
        recipe=choice.recipe,
        unit=choice.unit,
        epsilons=tuple(float(e) for e in shown if e is not None),
        n_seeds=None if n_seeds is None else int(n_seeds),
        attribute=choice.attribute if entry.by_subgroup or entry.of_every_group else None,
        finding=choice.finding,
        margin=tables.margin if entry.with_margin else None,
        metric=choice.metric if entry.of_metric else None,
        reference=choice.reference if entry.by_subgroup or entry.of_every_group else None,
    )


def why_exploratory(name: str, tables: EvaluationTables, choice: Choice, plans: PlanRecord) -> str:
    """Why the figure `name` of `choice` is exploratory; empty where it was planned.

    Raises:
        ExportError: what was chosen is not trained.
    """
    look = look_of(name, tables, settled(choice, tables, CATALOGUE[name]))
    every = CATALOGUE[name].of_every_group and look.attribute is None
    looks = [replace(look, attribute=attribute) for attribute in tables.by] if every else [look]
    return next(filter(None, map(plans.why_exploratory, looks)), "")
