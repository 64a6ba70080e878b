"""Pages on a data folder in which several things cannot be read: each is named where it belongs, and everything else is shown."""

import shutil
from dataclasses import replace

import pytest

from tests.pages.test_pages import PAGES, texts


@pytest.fixture
def damaged(empty, cohort, asked, finish):
    """A finished pair; of two further runs one lost its progress and one its request; a cohort whose name comes first is damaged."""
    for spec in asked:
        finish(spec)
    more = [replace(spec, seed=7) for spec in asked]
    empty.ledger.ask(cohort, more)
    lost_progress, lost_request = (empty.runs.root / empty.runs.run_id(spec) for spec in more)
    (lost_progress / "progress.json").write_bytes(b"")
    (lost_request / "request.json").write_bytes(b"{")
    shutil.copytree(empty.cohorts.root / cohort.name, empty.cohorts.root / "a-damaged-one")
    (empty.cohorts.root / "a-damaged-one" / "cohort.json").write_bytes(b"")
    return lost_progress.name, lost_request.name


@pytest.mark.parametrize("page", [*PAGES, "status"])
def test_a_page_shows_the_rest(page, damaged, open_page):
    app = open_page(page)
    assert not app.exception
    shown = texts(app)
    assert "a-damaged-one" not in shown, "nobody chose it"
    if page != "cases":
        assert all(run_id in shown for run_id in damaged), page
    expected = {
        "overview": "2 finished, 2 unreadable",
        "train": "Training runs",
        "privacy_utility": "At ε = 1, AUROC",
        "cases": "Would privacy have changed",
    }
    expected |= {
        "meeting": "Is it good and fair enough?",
        "privacy": "Is each patient protected?",
        "review": "Open a review",
        "status": "Whether this installation works",
    }
    assert expected.get(page, "Fairness") in shown


def test_a_chosen_cohort_that_cannot_be_read_says_so_and_another_can_be_chosen(damaged, open_page):
    app = open_page("overview", cohort="a-damaged-one")
    assert not app.exception
    assert "its cohort.json is empty" in texts(app) and "Choose a cohort in the sidebar" in texts(app)
    app.sidebar.selectbox[0].select("demo-radiograph").run()
    assert not app.exception and "2 finished, 2 unreadable" in texts(app)


def test_a_run_that_lost_its_progress_is_mended_on_the_page(empty, damaged, open_page):
    app = open_page("train")
    app.button(key=f"retry-{damaged[0]}").click().run()
    assert empty.runs.status(damaged[0]).state.value == "queued"
