"""A figure on a page, with a menu that downloads it and its table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.analysis_plan import PlanRecord
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.foreign_text import plain, plain_with_commands
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.privacy.provenance import provenance_of
from dpmed_core.reporting.budget_slider import budget_stops, in_one_frame
from dpmed_core.reporting.catalogue import CATALOGUE, draw, why_exploratory
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import SUFFIXES, exported
from dpmed_core.reporting.figures.style import Canvas
from dpmed_core.reporting.file_names import file_name
from dpmed_core.reporting.static_images import NO_BROWSER, PICTURE_FORMATS, browser
from widgets.analysis_plan import plans_of
from widgets.budget_control.following import figure_data, show_following_figure, show_plot
from widgets.cached import key_of
from widgets.choices import choice, chosen_delta
from widgets.lookup import asked_for_later, canvas

MIME = {".html": "text/html", ".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf", ".csv": "text/csv"}
LABELS = {".html": "HTML", ".png": "PNG", ".svg": "SVG", ".pdf": "PDF", ".csv": "CSV"}
LARGE = 1.5
"""Letters shown to a room, in those of a page."""
MOST_KEPT = 300
"""Figures in the cache that all sessions share: a slider that moves back finds its figures drawn."""


def choose_metric() -> str:
    """The name of the metric, chosen among those of the catalogue; kept in the address of the page."""
    return choice("metric", "Metric", list(OFFERED), title=lambda name: OFFERED[name].title) or AUROC.name


def show_figure(
    name: str, tables: EvaluationTables, shown: Choice, cohort: Cohort, *, is_bare: bool = False, alternative: str | None = None
) -> None:
    """Show the figure `name` of `shown` in the colours of the reader's theme; where there is nothing to draw, say why.

    Args:
        name: of an entry of the catalogue.
        tables: that it is drawn from.
        shown: what it shows.
        cohort: of the tables.
        is_bare: whether title and facts stand around it on the page (`Canvas.is_bare`).
        alternative: what it shows, as text, for readers who do not see it.
    """
    try:
        figure = still_figure(name, tables, shown, cohort, replace(canvas(), is_bare=is_bare))
    except ExportError as error:
        st.info(plain_with_commands(str(error)))
        return
    title = f"{CATALOGUE[name].titled(shown)}, for {finding_title(shown.finding or MACRO)}."
    show_plot(figure, key=f"figure-{name}", alternative=alternative or title, mode_bar=not is_bare)


def show_moving_figure(
    name: str,
    tables: EvaluationTables,
    shown: Choice,
    cohort: Cohort,
    *,
    sentences: Mapping[float, str],
    is_bare: bool = False,
    is_large: bool = False,
    on_cell: Callable[[Sequence[str]], None] | None = None,
) -> None:
    """Show the figure `name` of `shown` at the budget of the page's axis, which it follows in the browser.

    Args:
        name: of a figure that shows or marks a budget.
        tables: that it is drawn from.
        shown: what it shows; its budget is one of those that the axis has.
        cohort: of the tables.
        sentences: what it shows at each of the axis's budgets, for those who cannot see it.
        is_bare: whether title and facts stand around it on the page (`Canvas.is_bare`).
        is_large: whether it is shown to a room: in large letters, and as high as the window leaves it.
        on_cell: called with what its layout's `meta` says of a cell, when that cell was clicked.
    """
    on = canvas()
    on = replace(on, is_bare=is_bare, font_size=(LARGE if is_large else 1) * on.font_size)
    figure, drawn_at, why = moving_figure(name, tables, shown, cohort, on)
    if figure is None:
        st.info(plain_with_commands(why))
        return
    title = CATALOGUE[name].titled(shown)
    show_following_figure(
        figure,
        key=f"figure-{name}",
        alternatives={epsilon: f"{title}. {sentence}" for epsilon, sentence in sentences.items()},
        instead={epsilon: f"Nothing can be drawn at ε = {epsilon:g}." for epsilon in sentences if epsilon not in drawn_at},
        mode_bar=not is_bare,
        on_cell=on_cell,
        fills=is_large,
    )


def still_figure(name: str, tables: EvaluationTables, shown: Choice, cohort: Cohort, on: Canvas) -> go.Figure:
    """The figure `name` of `shown`, at its budget.

    Raises:
        ExportError: there is nothing to draw.
    """
    exploratory = why_exploratory(name, tables, shown, plans_of(cohort))
    return _drawn(key_of(name, tables.token, shown, on, exploratory), name, shown, on, exploratory, tables, cohort)


def moving_figure(
    name: str, tables: EvaluationTables, shown: Choice, cohort: Cohort, on: Canvas
) -> tuple[str | None, frozenset[float], str]:
    """The figure `name` of `shown` at all budgets, for the browser; those budgets; where there is none, why."""
    # Without the chosen budget, so that what is drawn, kept and sent is the same wherever the axis stands.
    plans, at_none = plans_of(cohort), replace(shown, epsilon=None)
    return _moving(key_of(name, tables.token, at_none, on, plans), name, at_none, on, plans, tables, cohort)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _moving(
    key: str, _name: str, _shown: Choice, _on: Canvas, _plans: PlanRecord, _tables: EvaluationTables, _cohort: Cohort
) -> tuple[str | None, frozenset[float], str]:
    del key
    try:
        stops = budget_stops(_name, _tables, _shown, _cohort, _on, plans=_plans)
        if not stops:
            draw(_name, _tables, _shown, _cohort, _on)  # says why
    except ExportError as error:
        return None, frozenset(), str(error)
    return figure_data(in_one_frame(stops)), frozenset(stops), ""


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _drawn(key: str, _name: str, _shown: Choice, _on: Canvas, _exploratory: str, _tables: EvaluationTables, _cohort: Cohort) -> go.Figure:
    # The key stands for all that has an underscore. In it `token` stands for the tables, which belong to one cohort.
    del key
    return draw(_name, _tables, _shown, _cohort, _on, exploratory=_exploratory)


def _exported(name: str, tables: EvaluationTables, cohort: Cohort, shown: Choice, suffix: str, here: Installation) -> bytes:
    return exported(name, tables, cohort, shown, suffix, provenance=provenance_of(here.ledger, cohort, here.encoders))


def downloads(names: list[str], tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """Show a menu with the figures `names` of `shown` in every format, and their tables; where no picture can be drawn, the reason."""
    menu = st.popover("Download", icon=":material/download:", key=f"download-{names[0]}", on_change="rerun")
    if not menu.open:
        return  # a closed menu's buttons are not sent with every move of the slider
    no_pictures = browser() is None
    about = {"start": tables.start, "margin": tables.margin, "delta": chosen_delta() if tables.deltas else None}
    with menu:
        for name in names:
            st.markdown(f"**{plain(CATALOGUE[name].titled(shown))}**")
            for column, suffix in zip(st.columns(len(SUFFIXES)), SUFFIXES, strict=True):
                column.download_button(
                    LABELS[suffix],
                    # Called when the button is clicked: nothing is drawn before.
                    asked_for_later(partial(_exported, name, tables, cohort, shown, suffix), Action.SEE_RESULTS, f"figure {name}"),
                    file_name(name, cohort, shown, suffix, **about),
                    MIME[suffix],
                    key=f"download-{name}{suffix}",
                    on_click="ignore",
                    disabled=no_pictures and suffix.removeprefix(".") in PICTURE_FORMATS,
                )
        st.caption(NO_BROWSER if no_pictures else "Pictures are drawn for print, as wide as two columns of a paper (183 mm).")
