"""What pages need, made ready while the server starts, so that whoever opens the first page does not wait for it."""

import pkgutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module

from streamlit.env_util import is_repl

import widgets
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.errors import DpmedError, ExportError
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.catalogue import Page, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import LIGHT
from widgets.analysis_plan import planned_tables, plans_of
from widgets.attributes import attribute_options
from widgets.budget import first_epsilon
from widgets.cached import links_of
from widgets.cases.choice import case_of, first_list
from widgets.cases.scores import scores_of
from widgets.cases.shown_case import ModelContext
from widgets.cases.view import answer_lines, figure_of
from widgets.choices import Choices, first_choices
from widgets.cohort_plan import planned_rows, private_of
from widgets.figure import moving_figure, still_figure
from widgets.lookup import installation
from widgets.meeting.map import MAP, map_words
from widgets.overview.facts import counts_of
from widgets.overview.figures import FIGURES, at_budgets, words_at_budgets
from widgets.overview.tiles import Shown, first_tiles, group_tiles
from widgets.preflight import checks_of
from widgets.sentences import fairness_sentences, utility_lines, verdict_headlines
from widgets.spending import total_of
from widgets.tables import FEW_KEPT, tables_from
from widgets.training_form import first_runs
from widgets.training_offer import not_asked_for

CURVE, DETAIL, *_ = figures_of(Page.PRIVACY_UTILITY)
FOREST, OF_GROUPS, *_ = figures_of(Page.FAIRNESS)


def import_widgets() -> None:
    """Import every module of this package, and with them those of the core that pages use."""
    for module in pkgutil.walk_packages(widgets.__path__, f"{widgets.__name__}."):
        import_module(module.name)
    # Streamlit asks this at the first element of a process, where the answer takes a look at the file of every module: .1 to .2 s.
    is_repl()


def prepare_views() -> None:
    """Put into the caches of pages what they show first of the cohorts that they open with, in no session."""
    for name in installation().cohorts.names()[:FEW_KEPT]:
        try:
            cohort = installation().cohorts.load(name)
            total_of(cohort)
            choices = first_choices(cohort)
            _prepare_results(cohort, choices)
            _prepare_training(cohort, choices)
        except DpmedError:  # the pages say it
            continue


def _prepare_results(cohort: Cohort, choices: Choices) -> None:
    """What all pages need of a cohort first, then page by page."""
    tables_of_start = partial(tables_from, start=choices.start)
    tables = tables_of_start(cohort)
    if tables.is_empty or choices.finding is None:
        return
    links_of(cohort)
    counts_of(cohort)
    of_plan = planned_tables(cohort, tables_of_start)
    for each in (tables, of_plan):
        _ = each.auroc.overall, each.auroc.costs
    _ = tables.practice_differences, of_plan.verdicts
    shown = Choice(finding=choices.finding, recipe=choices.recipe, unit=choices.unit)
    if trained := [float(at.epsilon or 0) for at in at_budgets(of_plan, shown)]:
        # The first figure that is drawn is the slowest, whatever it shows.
        _prepare_overview(cohort, tables, of_plan, shown, trained)
        at_first = replace(shown, epsilon=first_epsilon(trained))
        _prepare_curve(cohort, tables, at_first, trained)
        _prepare_groups(cohort, partial(tables_of_start, cohort), of_plan, at_first, trained)
        _prepare_cases(cohort, tables, at_first)


def _prepare_overview(cohort: Cohort, tables: EvaluationTables, of_plan: EvaluationTables, shown: Choice, trained: list[float]) -> None:
    """Tiles and figures of *Overview* and *Meeting*."""
    about = Shown(str(shown.recipe), str(shown.unit), str(shown.finding), trained[0], tuple(trained))
    first_tiles(of_plan, tables, about)
    group_tiles(of_plan, about)
    of_mean = replace(shown, finding=MACRO)
    for name in FIGURES:
        words_at_budgets(name, of_plan, of_mean, cohort)
    map_words(of_plan, of_mean, cohort)
    for name in (*FIGURES, MAP):
        moving_figure(name, of_plan, of_mean, cohort, replace(LIGHT, is_bare=True))


def _prepare_curve(cohort: Cohort, tables: EvaluationTables, shown: Choice, trained: list[float]) -> None:
    """Sentences and figures of *Privacy and utility*."""
    utility_lines(tables, shown, trained)
    moving_figure(CURVE, tables, shown, cohort, LIGHT)
    with suppress(ExportError):
        still_figure(DETAIL, tables, shown, cohort, LIGHT)


def _prepare_groups(
    cohort: Cohort, tables_by: Callable[..., EvaluationTables], of_plan: EvaluationTables, shown: Choice, trained: list[float]
) -> None:
    """Sentences and figures of *Fairness*."""
    for attribute in attribute_options(cohort)[:1]:
        tables, of_groups = tables_by([attribute]), replace(shown, attribute=attribute)
        fairness_sentences(tables, of_groups, trained)
        verdict_headlines(of_plan, of_groups, trained, reference=plans_of(cohort).plan.reference)
        moving_figure(FOREST, tables, of_groups, cohort, LIGHT)
        with suppress(ExportError):
            still_figure(OF_GROUPS, tables, of_groups, cohort, LIGHT)


def _prepare_cases(cohort: Cohort, tables: EvaluationTables, shown: Choice) -> None:
    """Scores, list and first case of *Cases*."""
    recipe, unit = str(shown.recipe), str(shown.unit)
    scores = scores_of(tables, recipe=recipe, unit=unit, part=Part.TEST)
    context = ModelContext(cohort, Part.TEST, str(shown.finding), recipe, unit, shown.epsilon, scores, tables.token)
    cases = first_list(context)
    for link in cases.links[:1]:
        case = case_of(context, cases, link)
        if answer_lines(case):
            figure_of(case, LIGHT)


def _prepare_training(cohort: Cohort, choices: Choices) -> None:
    """What *Train* says of the runs that its form describes first; at a public start only a person knows which finding begins where."""
    if choices.start is not None:
        return
    specs = first_runs(cohort, choices)
    planned_rows(cohort, private_of(specs))
    new = tuple(not_asked_for(cohort, specs))
    total_of(cohort, tuple(spec for spec in new if spec.privacy))
    checks_of(cohort, new)
