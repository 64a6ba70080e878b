"""A report as one HTML page that needs no network, from a Jinja template that escapes everything."""

import time
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import plotly
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from dpmed_core.cohort.display_names import IMAGE_WORDS, attribute_title, finding_title, version_alias
from dpmed_core.decision_report.beside import case_numbers
from dpmed_core.decision_report.beside_tables import beside_tables
from dpmed_core.decision_report.gathered import Gathered
from dpmed_core.decision_report.report_figures import figures
from dpmed_core.decision_report.report_tables import all_tables
from dpmed_core.decision_report.summary import limits, meaning, methods, summary
from dpmed_core.foreign_text import plain_line
from dpmed_core.review.checklist import open_in_words
from dpmed_core.review.decision import NONE, decision, outcome_of
from dpmed_core.review.guidance import SOURCES
from dpmed_core.review.records import COMMENT, Kind, Record

TEMPLATE, STYLE = "report.html.jinja", "report.css"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def report_html(gathered: Gathered, *, still: bool = False) -> str:
    """The page.

    Args:
        gathered: what is reported.
        still: for paper: figures without sliders.
    """
    review = gathered.review
    decided = decision(review) if review else None
    closed = review.closed if review else None
    return _template().render(
        gathered=gathered,
        frozen=gathered.frozen,
        candidate=gathered.candidate,
        review=review,
        closed=closed,
        outcome=outcome_of(review) if review else NONE,
        decided=decided,
        question=review.records[0].body["question"] if review else "",
        comments=_comments(gathered),
        beside=[table.without_blank_columns() for table in beside_tables(gathered) if table.rows],
        alias=version_alias(gathered.cohort),
        images=IMAGE_WORDS[gathered.cohort.modality].several,
        groups=[attribute_title(attribute) for attribute in gathered.tables.by],
        summary=summary(gathered),
        meaning=meaning(gathered),
        methods=methods(gathered),
        limits=limits(gathered),
        findings=[finding_title(finding) for finding in gathered.cohort.findings],
        tables=all_tables(gathered),
        figures=[(figure, Markup(figure.data)) for figure in figures(gathered, still=still)],
        points=gathered.points,
        open_points=open_in_words(gathered.points),
        sources=SOURCES,
        still=still,
        style=Markup(_resource(STYLE)),
        plotly=Markup(_drawing()),
        made=_utc(time.time()),
        utc=_utc,
    )


def _comments(gathered: Gathered) -> list[dict[str, str]]:
    """The comments of a review; a case has its number where the report shows it."""
    if (review := gathered.review) is None:
        return []
    numbers = {} if gathered.cases is None else case_numbers(review)
    return [_comment(record, numbers) for record in review.of_kind(COMMENT)]


def _comment(record: Record, numbers: Mapping[str, int]) -> dict[str, str]:
    """A comment; words on a case are data about a patient, and stay in the house."""
    about = record.body["about"]
    name = about["name"] if about["kind"] != Kind.CASE.value else str(numbers.get(about["name"], ""))
    on = " ".join(filter(None, (about["kind"], name, about["finding"])))
    words = "Words on a single case stay in the house." if "words" in record.body else str(record.body["text"])
    name, role = record.author
    return {"at": _utc(record.at), "by": f"{name} ({role})", "about": on, "text": words}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


@cache
def _drawing() -> str:
    """Plotly, as its Python package brings it; nothing in it can end a script element."""
    return PLOTLY.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_as_text)
    return environment.from_string(_resource(TEMPLATE))


def _as_text(value: object) -> object:
    """Foreign text without control characters and without what turns its direction; escaping comes after."""
    return plain_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value
