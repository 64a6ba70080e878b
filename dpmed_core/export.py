"""Figures and tables as files."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from dpmed_core.cohort.schema import Cohort
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.cases import scored_cases
from dpmed_core.evaluation.utility import MACRO, utility_means, utility_table
from dpmed_core.figures import privacy_utility_figure
from dpmed_core.files import replacing
from dpmed_core.runs.store import RunStore

FIGURES = ("privacy-utility",)
SUFFIXES = (".html", ".csv")


def export_figure(figure: str, runs: RunStore, cohort: Cohort, *, out: Path, finding: str = MACRO) -> None:
    """Write a figure, or as CSV its table, to `out`.

    Raises:
        ExportError: the figure, the finding or the file's suffix is not known, or nothing is trained yet.
    """
    if figure not in FIGURES:
        raise ExportError(f"There is no figure {figure!r}: choose one of {', '.join(FIGURES)}.")
    if out.suffix not in SUFFIXES:
        raise ExportError(f"{out.suffix or 'No suffix'} cannot be written: name the file *{' or *'.join(SUFFIXES)}.")
    if finding not in (MACRO, *cohort.findings):
        raise ExportError(f"There is no finding {finding!r} in {cohort.name}: choose {MACRO} or one of {', '.join(cohort.findings)}.")
    utility = utility_table(scored_cases(runs, cohort))
    if utility.empty:
        raise ExportError(f"No run on {cohort.name} is finished yet: ask for some with `sweep`.")
    drawn = privacy_utility_figure(utility, utility_means(utility), cohort, finding=finding)
    data = figure_html(drawn) if out.suffix == ".html" else table_csv(utility)
    with replacing(out) as draft:
        draft.write_bytes(data)


def figure_html(figure: go.Figure) -> bytes:
    """The figure as a page of its own that needs no network."""
    return bytes(figure.to_html(include_plotlyjs=True, full_html=True), "utf-8")


def table_csv(table: pd.DataFrame) -> bytes:
    """The table as CSV, UTF-8; what is missing is blank."""
    return bytes(table.to_csv(index=False), "utf-8")
