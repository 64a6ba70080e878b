"""What pages need, made ready while the server starts, so that whoever opens the first page does not wait for it."""

import pkgutil
from dataclasses import replace
from importlib import import_module

import widgets
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import DpmedError
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.reporting.catalogue import Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import LIGHT
from widgets.analysis_plan import planned_tables
from widgets.attributes import attribute_options
from widgets.cached import links_of
from widgets.figure import moving_figure
from widgets.lookup import installation
from widgets.meeting.map import MAP, map_words
from widgets.overview.facts import counts_of
from widgets.overview.figures import FIGURES, at_budgets, words_at_budgets
from widgets.overview.tiles import Shown, first_tiles, group_tiles
from widgets.spending import total_of
from widgets.tables import FEW_KEPT, tables_from

CURVE, FOREST = figures_of(Page.PRIVACY_UTILITY)[0], figures_of(Page.FAIRNESS)[0]


def import_widgets() -> None:
    """Import every module of this package, and with them those of the core that pages use."""
    for module in pkgutil.walk_packages(widgets.__path__, f"{widgets.__name__}."):
        import_module(module.name)


def prepare_views() -> None:
    """Put into the caches of pages what they show first of the cohorts that they open with, in no session."""
    for name in installation().cohorts.names()[:FEW_KEPT]:
        try:
            _prepare(installation().cohorts.load(name))
        except DpmedError:  # the pages say it
            continue


def _prepare(cohort: Cohort) -> None:
    """What all pages need of a cohort first, then what *Overview*, *Meeting*, *Privacy and utility* and *Fairness* show."""
    total_of(cohort)
    of_all = tables_from(cohort)
    if of_all.is_empty:
        return
    links_of(cohort)
    counts_of(cohort)
    of_plan = planned_tables(cohort, tables_from)
    for tables in (of_all, of_plan):
        _ = tables.auroc.overall, tables.auroc.costs
    _ = of_all.practice_differences, of_plan.verdicts
    # The first figure that is drawn is the slowest, whatever it shows.
    first = of_plan.runs.iloc[0]
    shown = Choice(finding=MACRO, recipe=first["recipe"], unit=first["unit"])
    if trained := tuple(float(at.epsilon or 0) for at in at_budgets(of_plan, shown)):
        about = Shown(first["recipe"], first["unit"], MACRO, trained[0], trained)
        first_tiles(of_plan, of_all, about)
        group_tiles(of_plan, about)
    for name in FIGURES:
        words_at_budgets(name, of_plan, shown, cohort)
    map_words(of_plan, shown, cohort)
    for name in (*FIGURES, MAP):
        moving_figure(name, of_plan, shown, cohort, replace(LIGHT, is_bare=True))
    moving_figure(CURVE, of_all, shown, cohort, LIGHT)
    if attributes := attribute_options(cohort):
        by_groups = tables_from(cohort, attributes[:1])
        moving_figure(FOREST, by_groups, replace(shown, attribute=attributes[0]), cohort, LIGHT)
