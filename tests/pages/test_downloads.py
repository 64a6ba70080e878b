"""What is downloaded is what is seen."""

import pytest

import widgets.figure


@pytest.fixture
def offered(monkeypatch):
    """The figures that a page offers for download, with the margin of their tables."""
    found = {}

    def downloads(names, tables, shown, cohort):
        del shown, cohort
        found.update(dict.fromkeys(names, tables.margin))

    monkeypatch.setattr(widgets.figure, "downloads", downloads)
    return found


def test_the_cost_of_privacy_is_downloaded_with_the_margin_that_was_picked(asked, finish, open_page, offered):
    for spec in asked:
        finish(spec)
    page = open_page("privacy_utility", detail="cost", margin="0.05")
    assert not page.exception and offered["cost"] == 0.05
    assert {"privacy-utility", "cost", "roc"} <= set(offered)
