"""Figures and tables as files."""

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.display_names import version_alias
from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.catalogue import metric_called
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.evaluation.scores.operating_point import OperatingRule
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.files import creating_with, replacing
from dpmed_core.foreign_text import plain_csv
from dpmed_core.reporting.budget_slider import draw_with_slider
from dpmed_core.reporting.catalogue import CATALOGUE, draw, look_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import Column, paper_column
from dpmed_core.reporting.provenance import Provenance
from dpmed_core.reporting.static_images import PICTURE_FORMATS, picture

SUFFIXES = (".html", *(f".{kind}" for kind in PICTURE_FORMATS), ".csv")


def export_figure(
    name: str,
    tables: EvaluationTables,
    cohort: Cohort,
    choice: Choice,
    *,
    out: Path,
    column: Column = "double",
    umask: int | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write figure `name`, or as CSV its table, to `out`; the suffix says which.

    Args:
        name: the figure's name in the catalogue.
        tables: the tables that it is drawn from.
        cohort: the cohort.
        choice: what it shows.
        out: the file.
        column: its width in a paper.
        umask: from which the file and missing folders above it get their modes; None for that of this process.
        provenance: what it says of where it comes from.

    Raises:
        ExportError: the figure, the finding or the suffix is not known, or what was chosen is not trained.
    """
    refuse_unknown(name, cohort, choice, out)
    content = exported(name, tables, cohort, choice, out.suffix, column=column, provenance=provenance)
    # Only now: a figure that cannot be drawn leaves an earlier file as it is, and what drawing stores is not for others to read.
    with nullcontext() if umask is None else creating_with(umask), replacing(out) as draft:
        draft.write_bytes(content)


def refuse_unknown(name: str, cohort: Cohort, choice: Choice, out: Path) -> None:
    """Refuse a figure, finding, metric or suffix that does not exist, before any scores are read.

    Raises:
        ExportError: there is no such figure, finding or suffix.
        SpecError: there is no such metric.
    """
    if name not in CATALOGUE:
        raise ExportError(f"There is no figure {name!r}: choose one of {', '.join(CATALOGUE)}.")
    if out.suffix not in SUFFIXES:
        raise ExportError(f"{out.suffix or 'No suffix'} cannot be written: name the file *{' or *'.join(SUFFIXES)}.")
    metric_called(choice.metric)
    if choice.finding not in (None, MACRO, *cohort.findings):
        raise ExportError(
            f"There is no finding {choice.finding!r} in {cohort.name}: choose {MACRO} or one of {', '.join(cohort.findings)}."
        )


def exported(
    name: str,
    tables: EvaluationTables,
    cohort: Cohort,
    choice: Choice,
    suffix: str,
    *,
    column: Column = "double",
    provenance: Provenance | None = None,
) -> bytes:
    """The figure `name` as an HTML page or a picture for a paper's column, or its table, as `suffix` says.

    Raises:
        ExportError: what was chosen is not trained, or no picture can be drawn here.
    """
    # The table is of the choice as it is, so that what was left open stays in it; the figure settles it.
    if suffix == ".csv":
        if tables.is_empty:
            raise ExportError(f"No run on {cohort.name} is finished yet: train some with `sweep`.")
        entry = CATALOGUE[name]
        table = entry.table(tables, choice, cohort)
        rule = (tables.rule or OperatingRule()).sentence() if entry.needs_threshold(choice) else "none"
        table = table.assign(cohort_version=version_alias(cohort), threshold_rule=rule) if provenance else table
        return table_csv(provenance.of_table(table, look_of(name, tables, choice)) if provenance else table)
    if suffix == ".html":
        return figure_html(draw_with_slider(name, tables, choice, cohort, provenance=provenance))
    drawn = draw(name, tables, choice, cohort, paper_column(column), provenance=provenance)
    return picture(drawn, next(kind for kind in PICTURE_FORMATS if suffix == f".{kind}"))


def figure_html(figure: go.Figure) -> bytes:
    """The figure as an HTML page that needs no network: Plotly's script is in it."""
    return bytes(figure.to_html(include_plotlyjs=True, full_html=True), "utf-8")


def table_csv(table: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8; missing values are blank, and no cell is a formula."""
    return bytes(plain_csv(table), "utf-8")
