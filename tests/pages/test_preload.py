"""What is made ready while the server starts is what the first page shows, and nothing of it stops the server."""

import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

from dpmed_core.cohort.case_links import CaseLinks
from dpmed_core.evaluation.cases.case_scores import CaseScores
from tests.pages.case_list import sent
from tests.pages.following import figures
from tests.pages.test_overview import store, train
from widgets import cohort_plan, figure, preflight, preload, sentences, tables
from widgets.cases import choice as case_choice
from widgets.cases import scores as case_list_scores
from widgets.meeting import map as meeting_map
from widgets.overview import figures as overview_figures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cohort(empty):
    return store(empty)


LOOKS_AT_FILES = """
import os.path
from streamlit.env_util import is_repl
from widgets.preload import import_widgets
import_widgets()
looked, real = [], os.path.realpath
os.path.realpath = lambda *of, **how: looked.append(of) or real(*of, **how)
is_repl()
print(len(looked))
"""


def unprepared(*args, **kwargs):
    raise AssertionError("the page had to wait for it")


@pytest.mark.parametrize(("page", "n_figures"), [("overview", 2), ("meeting", 1), ("privacy_utility", 2), ("fairness", 2)])
def test_the_first_page_reads_no_scores_and_draws_no_figure(empty, cohort, finish, open_page, monkeypatch, page, n_figures):
    train(empty, cohort, finish)
    preload.prepare_views()
    monkeypatch.setattr(tables, "read_scores", unprepared)
    monkeypatch.setattr(figure, "budget_stops", unprepared)
    monkeypatch.setattr(figure, "draw", unprepared)
    for sentence in ("utility_sentence", "fairness_sentence"):
        monkeypatch.setattr(sentences, sentence, unprepared)
    monkeypatch.setattr(overview_figures, "mean_and_worst_parts", unprepared)
    monkeypatch.setattr(meeting_map, "verdict_map_parts", unprepared)
    monkeypatch.setattr(empty.ledger.__class__, "total", unprepared)
    app = open_page(page, epsilon="1")
    assert not app.exception and len(figures(app)) == n_figures


def test_the_page_of_cases_makes_no_list(empty, cohort, finish, open_page, monkeypatch):
    train(empty, cohort, finish)
    preload.prepare_views()
    for name in ("case_scores", "worklist"):
        monkeypatch.setattr(case_list_scores, name, unprepared)
    monkeypatch.setattr(case_choice, "ordered", unprepared)
    for of, name in ((CaseScores, "case_index"), (CaseLinks, "rows")):
        made = cached_property(unprepared)
        made.__set_name__(of, name)
        monkeypatch.setattr(of, name, made)
    app = open_page("cases")
    assert not app.exception and not app.error and sent(app) is not None


@pytest.mark.parametrize("is_trained", [False, True], ids=["no model", "models"])
def test_the_page_of_training_plans_nothing(empty, cohort, finish, open_page, monkeypatch, is_trained):
    if is_trained:
        train(empty, cohort, finish)
    preload.prepare_views()
    monkeypatch.setattr(cohort_plan, "plan_rows", unprepared)
    monkeypatch.setattr(preflight, "preflight_facts", unprepared)
    monkeypatch.setattr(empty.ledger.__class__, "total", unprepared)
    app = open_page("train")
    assert not app.exception and not app.error
    assert [button.label for button in app.button if button.label.startswith("Train ")]


def test_a_new_server_has_looked_at_the_files_of_its_modules_before_the_first_element():
    """What Streamlit asks at the first element of a process, asked again in a new one: thousands of files where nobody asked before."""
    asked = subprocess.run([sys.executable, "-c", LOOKS_AT_FILES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(asked.stdout) < 100


def test_cohorts_without_models_and_unreadable_ones_are_passed_by(empty, open_page):
    store(empty, "a")
    damaged = store(empty, "b")
    (empty.cohorts.root / damaged.name / "cohort.json").write_text("{")
    preload.prepare_views()
    assert not open_page("overview", cohort="a").exception


def test_an_empty_installation_has_nothing_to_prepare(empty):
    preload.prepare_views()
    assert empty.cohorts.names() == []
