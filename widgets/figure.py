"""A figure on a page, with a menu that exports it and its table."""

from functools import partial

import plotly.graph_objects as go
import streamlit as st

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import OFFERED
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.reporting.catalogue import CATALOGUE, Choice, draw
from dpmed_core.reporting.export import SUFFIXES, exported
from dpmed_core.reporting.figures.style import Canvas
from dpmed_core.reporting.static_images import NO_BROWSER, PICTURE_FORMATS, browser
from widgets.choices import choice
from widgets.lookup import canvas

MIME = {".html": "text/html", ".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf", ".csv": "text/csv"}
LABELS = {".html": "HTML", ".png": "PNG", ".svg": "SVG", ".pdf": "PDF", ".csv": "CSV"}
PLOTLY_SETTINGS = {"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
"""The settings of every figure on a page: its camera button makes an SVG in the reader's own browser."""
MOST_KEPT = 300


def choose_metric() -> str:
    """What is measured, chosen among the metrics of the catalogue; stands in the address."""
    return choice("metric", "Metric", list(OFFERED), title=lambda name: OFFERED[name].title) or AUROC.name


def show_figure(name: str, tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """The figure `name` of `shown` in the reader's theme; where there is nothing to draw, why."""
    try:
        figure = _drawn(name, tables.token, shown, canvas(), _tables=tables, _cohort=cohort)
    except ExportError as error:
        st.info(str(error))
        return
    st.plotly_chart(figure, theme=None, key=f"figure-{name}", config=PLOTLY_SETTINGS)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _drawn(name: str, token: str, shown: Choice, on: Canvas, _tables: EvaluationTables, _cohort: Cohort) -> go.Figure:
    del token  # it names the tables
    return draw(name, _tables, shown, _cohort, on)


def downloads(names: list[str], tables: EvaluationTables, shown: Choice, cohort: Cohort) -> None:
    """A menu with the figures `names` of `shown` in every format, and their tables; where no picture can be drawn here, the reason."""
    menu = st.popover("Download", icon=":material/download:", key=f"download-{names[0]}", on_change="rerun")
    if not menu.open:
        return
    no_pictures = browser() is None
    with menu:
        for name in names:
            st.markdown(f"**{CATALOGUE[name].titled(shown)}**")
            for column, suffix in zip(st.columns(len(SUFFIXES)), SUFFIXES, strict=True):
                column.download_button(
                    LABELS[suffix],
                    partial(exported, name, tables, cohort, shown, suffix),
                    f"{name}-{cohort.name}{suffix}",
                    MIME[suffix],
                    key=f"download-{name}{suffix}",
                    on_click="ignore",
                    disabled=no_pictures and suffix.removeprefix(".") in PICTURE_FORMATS,
                )
        st.caption(NO_BROWSER if no_pictures else "Pictures are drawn anew, as wide as two columns of a paper (183 mm).")
