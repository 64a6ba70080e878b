"""Exported pictures of findings with foreign names: text alone, nothing that a reader of SVG or HTML would follow, load or run."""

import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.tables.all_tables import EvaluationTables
from dpmed_core.installation import Installation
from dpmed_core.privacy.provenance import provenance_of
from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import figure_html
from dpmed_core.reporting.static_images import browser, picture
from dpmed_core.settings import Settings
from tests.foreign_cohort import finish_pair, import_foreign
from tests.foreign_strings import HOST, foreign_strings

STRINGS = [text for text in foreign_strings(12) if len(text) < 200]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    here = Installation.open(Settings(data_dir=folder / "data", demo=False, workers=1))
    cohort = import_foreign(here, folder / "files", STRINGS[2:], STRINGS[:2])
    finish_pair(here, cohort)
    tables = EvaluationTables(lambda: read_scores(here.runs, cohort), [cohort.comorbidities[0]])
    provenance = provenance_of(here.ledger, cohort, here.encoders)
    chosen = [
        Choice(recipe="probe", unit="patient", finding=one, epsilon=1.0, attribute=cohort.comorbidities[0]) for one in cohort.findings
    ]
    return [draw("fairness-forest", tables, choice, cohort, provenance=provenance) for choice in chosen]


def test_a_page_has_the_same_elements_whatever_a_finding_is_called(figures):
    class Elements(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[object] = []

        def handle_starttag(self, tag, attributes):
            self.found.append((tag, sorted(name for name, _ in attributes)))

    seen = []
    for figure in figures:
        elements = Elements()
        elements.feed(figure_html(figure).decode())
        seen.append(elements.found)
    assert all(found == seen[0] for found in seen)


@pytest.mark.skipif(browser() is None, reason="no browser draws pictures here")
def test_a_picture_holds_text_alone(figures):
    for figure in figures[:3]:
        root = ElementTree.fromstring(picture(figure, "svg"))
        names = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not names & {"a", "script", "image", "foreignObject", "iframe"}
        followed = [value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")]
        assert not [value for value in followed if not value.startswith("#")]
        assert not [value for element in root.iter() for value in element.attrib.values() if "url(" in value and HOST in value]
    assert json.dumps([figure.to_plotly_json() for figure in figures], default=str).count(HOST) > 0, "the names are in the figures"
