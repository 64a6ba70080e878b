"""The figures of a report: those of pages, with a slider over all trained budgets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import plotly.graph_objects as go

from dpmed_core.cohort.display_names import attribute_title
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.errors import ExportError
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.foreign_text import plain_line
from dpmed_core.reporting.budget_slider import draw_with_slider
from dpmed_core.reporting.catalogue import CATALOGUE, draw
from dpmed_core.reporting.choice import Choice

OF_ALL = ("mean-and-worst", "loss-map", "cost")
BY_ATTRIBUTE = "fairness-forest"


@dataclass(frozen=True)
class Figure:
    """A figure as it stands in the page.

    Attributes:
        name: of the element.
        title: in words; also its text for readers who do not see it, beside the tables.
        data: what Plotly draws, as JSON that can stand in a script element.
    """

    name: str
    title: str
    data: str


def figures(gathered: Gathered, *, still: bool = False) -> list[Figure]:
    """All that can be drawn from what was frozen.

    Args:
        gathered: what is reported.
        still: without sliders, for paper.
    """
    return list(_figures(gathered, still=still))


def _figures(gathered: Gathered, *, still: bool) -> Iterator[Figure]:
    candidate = gathered.candidate
    chosen = {"finding": MACRO, "recipe": candidate["recipe"], "unit": candidate["unit"], "epsilon": candidate["epsilon"]}
    choices = [(name, Choice(**chosen)) for name in OF_ALL]
    choices += [(BY_ATTRIBUTE, Choice(**chosen, attribute=attribute)) for attribute in gathered.tables.by]
    drawing = draw if still else draw_with_slider
    for place, (name, choice) in enumerate(choices, start=1):
        try:
            figure = drawing(name, gathered.tables, choice, gathered.cohort)
        except ExportError:  # nothing to draw; the tables say why
            continue
        by = f", by {attribute_title(choice.attribute).lower()}" if choice.attribute else ""
        yield Figure(f"figure-{place}", plain_line(f"{CATALOGUE[name].titled(choice)}{by}"), _as_script(figure))


def _as_script(figure: go.Figure) -> str:
    """The figure as JSON in which nothing can end a script element."""
    document = json.loads(str(figure.to_json()))
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
