"""Foreign strings as names of findings and as values of addresses, on every page: shown as text, and no page fails."""

import re
import tomllib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from dpmed_core.foreign_text import LONGEST_NAME, LONGEST_SENTENCE
from dpmed_core.review.acts import comment, open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import About, Author, Role
from tests.foreign_cohort import finish_pair, import_foreign
from tests.foreign_strings import HOST, foreign_strings

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("overview", "train", "privacy_utility", "fairness", "privacy", "cases", "review", "status")
STRINGS = foreign_strings(12)
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ADDRESS = ("cohort", "finding", "recipe", "unit", "attribute", "epsilon", "metric", "mode", "job", "review")
LABELLED = ("button", "metric", "selectbox", "expander", "tabs")
RENDERED = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")


@pytest.fixture
def foreign(empty, tmp_path):
    """An installation with a cohort whose columns are called so, and a private run and its reference on it."""
    cohort = import_foreign(empty, tmp_path / "foreign", STRINGS[:10], [name for name in STRINGS[10:] if not set(name) & set(":*")])
    finish_pair(empty, cohort)
    return cohort


def acted_upon(app) -> list[str]:
    """What of somebody else's became an element of the page, where Streamlit renders Markdown: a picture, a link, HTML."""
    texts = [str(element.value) for kind in RENDERED for element in getattr(app, kind)]
    texts += [str(getattr(element, "label", "")) for kind in LABELLED for element in getattr(app, kind)]
    return [text for text in texts if re.search(r"<(img|a|b|script|svg|iframe|table|style)\b", READER.render(text))]


@pytest.mark.parametrize("page", PAGES)
def test_names_and_addresses_are_shown_as_text(page, foreign, open_page):
    app = open_page(page, cohort="foreign", finding=foreign.findings[0])
    assert not app.exception and acted_upon(app) == []
    app = open_page(page, **dict.fromkeys(ADDRESS, f"![p](http://{HOST}/x.png)"))
    assert not app.exception and acted_upon(app) == []
    assert HOST in app.error[0].value


def test_a_review_of_foreign_names_shows_them_as_text(empty, foreign, open_page):
    author = Author(STRINGS[0].strip() or "x", Role.IT)
    review = open_review(empty.reviews, empty.ledger, foreign, Candidate(1.0), author, question=STRINGS[1])
    comment(empty.reviews, review, author, About(finding=foreign.findings[0]), STRINGS[2].strip() or "x", seen=1, cohort=None)
    app = open_page("review", review=review.review_id)
    assert not app.exception and acted_upon(app) == [] and len(app.tabs) == 6


def test_an_address_is_repeated_in_bounded_length(foreign, open_page):
    app = open_page("fairness", cohort="x" * 10_000, attribute="age:" + "y" * 10_000)
    assert not app.exception
    assert app.error and all(len(error.value) < LONGEST_NAME + LONGEST_SENTENCE for error in app.error)


def test_tables_on_pages_offer_no_download_of_their_own():
    """Streamlit's own would write cells as they are, formulas too; the product's downloads go through `plain_csv`."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["client"]["disableDataExport"] is True
