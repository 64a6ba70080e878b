"""No page of ours fails a rule of axe-core, in light at a desk's width and in dark at a phone's, or says too much above the fold."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from dpmed_core.installation import Installation
from dpmed_core.review.acts import comment, open_review
from dpmed_core.review.frozen import Candidate
from dpmed_core.review.records import About, Author, Role
from tests.browser.stored import store_demo
from tests.browser.waiting import settle
from tests.reader_study.arm_study_data import made_up_study, read_session

pytestmark = pytest.mark.browser
LONGEST = 120_000
PRESENTED = ("meeting?view=presenter", "meeting?view=limits")
STUDIES = ("cases?mode=readers", f"cases?mode=readers&study={'a' * 16}", f"cases?mode=readers&study={'b' * 16}")
"""The form that plans a study with several readers, one that is over, and one that waits for its readers."""
PAGES = ("", "import", "train", "privacy_utility", "fairness", "meeting", "cases", "privacy", "review", "status")
DESK = "light, 1440 pixels"
LOOKS = {DESK: ("light", {"width": 1440, "height": 900}), "dark, 420 pixels": ("dark", {"width": 420, "height": 900})}
OF_STREAMLIT = {
    # The table that screen readers find behind a table of data, which is a canvas: its corner is an empty header.
    "empty-table-header": "aria-colindex",
    # The place where files are dropped is a presentation with a name.
    "presentation-role-conflict": "stFileUploaderDropzone",
    # Its tables and lines of code scroll where they are wider than a phone, without a focus of their own.
    "scrollable-region-focusable": "st-emotion-cache",
}
"""Rules that Streamlit's own elements break, and what the selector or the source of such an element contains."""

WITH_AXIS = ("", "privacy_utility", "fairness", "meeting", "cases", "privacy", "review")
FEWEST_WORDS, MOST_WORDS = 20, 120
UNCHANGED_MS = 1500
WORDS_ABOVE_THE_FOLD = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const left_out = 'svg, canvas, table, img, style, script, details:not([open]) > :not(summary), [translate=no], '
        + '[data-testid=stDataFrame], [data-testid=stIconMaterial], [data-testid=stAlertDynamicIcon]';
    const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT), range = document.createRange(), words = [];
    while (walk.nextNode()) {
        const node = walk.currentNode;
        if (node.parentElement.closest(left_out) || !node.parentElement.checkVisibility({ visibilityProperty: true })) continue;
        for (const word of node.textContent.matchAll(/\\S+/g)) {
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const box = range.getBoundingClientRect();
            // What is there for screen readers alone is a pixel wide.
            if (box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight) words.push(word[0]);
        }
    }
    return words;
}"""
"""Words of the main column, without those of pictures and tables, by white space: a number, a sign and a dash are words too, so that no
other way to count finds more."""


@pytest.fixture(scope="module")
def served(own_dashboard, demo):
    cohort, installation = store_demo(own_dashboard.settings, demo, [1.0, 8.0], n_seeds=2), Installation.open(own_dashboard.settings)
    author = Author("Dr Blue", Role.IT)
    review = open_review(installation.reviews, installation.ledger, cohort, Candidate(8.0), author, question="Use it?")
    comment(installation.reviews, review, author, About(), "A doubt.", seen=1, cohort=None)
    for study_id in "ab":
        cases = tuple(cohort.cases["case_id"].iloc[:12])
        store = installation.arm_studies
        study = store.add(made_up_study(study_id=study_id * 16, fingerprint=cohort.fingerprint, cases=cases, wash_out_days=0))
        for reader in study.readers * (study.n_sessions if study_id == "a" else 0):
            read_session(store, study, reader)
    own_dashboard.start()
    return own_dashboard


@pytest.fixture(scope="module", params=LOOKS)
def looks(browser, request):
    """A tab in one look, for all pages."""
    scheme, size = LOOKS[request.param]
    with browser.new_context(color_scheme=scheme, viewport=size) as context:
        opened = context.new_page()
        opened.set_default_timeout(LONGEST)
        yield opened


def broken_rules(page: Page) -> list[str]:
    """What on the page, as it is shown, breaks a rule and is ours."""
    found = Axe().run(page).response
    assert found["passes"], "nothing was looked at"
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if OF_STREAMLIT.get(rule["id"], "\0") not in f"{node['target']} {node['html']}"
    ]


@pytest.mark.parametrize("name", [*PAGES, *PRESENTED, *STUDIES])
def test_a_page_breaks_no_rule_of_its_own_and_says_little_above_the_fold(served, looks, name):
    looks.goto(f"{served.url}/{name}{'&' if '?' in name else '?'}cohort=demo-radiograph")
    looks.locator("h1").first.wait_for()
    if name in STUDIES:
        looks.get_by_role("button", name=re.compile("Plan the study|All studies")).wait_for()
    if name in WITH_AXIS:
        looks.get_by_role("slider").first.wait_for()
    settle(looks)
    # One visit for both: words are few where a page is as wide as a desk, and a presenter's view has no fold.
    if name in PAGES and looks.viewport_size == LOOKS[DESK][1]:
        words = drawn_words(looks)
        assert ("Privacy budget" in " ".join(words)) == (name in WITH_AXIS or name == "train"), "the whole page was looked at"
        assert len(words) <= MOST_WORDS, " ".join(words)
    assert broken_rules(looks) == []


def test_no_part_of_a_review_breaks_a_rule_of_its_own(served, looks):
    looks.goto(f"{served.url}/review?review={Installation.open(served.settings).reviews.names()[0]}")
    looks.get_by_role("tab").first.wait_for()
    settle(looks)
    tabs = looks.get_by_role("tab").all()
    assert len(tabs) == 6
    for tab in tabs:
        tab.click()
        assert broken_rules(looks) == [], tab.inner_text()


def drawn_words(page):
    """The words above the fold once they no longer change: components come after the page's own elements."""
    before, words = None, page.evaluate(WORDS_ABOVE_THE_FOLD)
    while words != before or len(words) < FEWEST_WORDS:
        page.wait_for_timeout(UNCHANGED_MS)
        settle(page)
        before, words = words, page.evaluate(WORDS_ABOVE_THE_FOLD)
    return words
