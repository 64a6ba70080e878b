"""Overview in a real browser: few words before the fold, tiles that lead on, and on a narrow screen one column with a table for the map."""

import re
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.result import RunResult, TrainedModel
from dpmed_core.training.scores import held_out_rows, scores_table
from dpmed_core.training.spec import PrivacyUnit
from tests.browser.waiting import settle, wait_until
from tests.pages.test_overview import store

pytestmark = pytest.mark.browser
WORDS = r"""() => {
  const words = [], nodes = document.createTreeWalker(document.querySelector('[data-testid="stMain"]'), NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const isSeen = box.width > 1 && box.height > 1 && box.top < innerHeight && !node.parentElement.closest('style, svg');
    if (isSeen && node.parentElement.dataset.testid !== 'stIconMaterial') words.push(...node.textContent.match(/\p{L}{2,}/gu) ?? []);
  }
  return words.length;
}"""
"""The words that the page says before the fold, without the labels in its figures."""
TRIES = 20


@pytest.fixture(scope="module")
def served(own_dashboard):
    """A cohort with two runs at each of two budgets and two references, whose scores are made up."""
    here = Installation.open(own_dashboard.settings)
    cohort = store(here)
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    here.ledger.ask(cohort, specs)
    split = assign_parts(cohort, seed=0, key=here.key)
    held_out, n_units = held_out_rows(split), cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
    for number, spec in enumerate(specs):
        scores = 0.3 * cohort.labels[held_out] + 0.7 * np.random.default_rng(number).random((len(held_out), 2))
        guarantee = plan_probe(spec, n_units=n_units, n_findings=2).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
        model = TrainedModel(result, scores_table(cohort, split, scores), {"weights": np.zeros((2, 4))})
        here.runs.finish(here.runs.run_id(spec), model)
        here.runs.set_progress(here.runs.run_id(spec), replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
    own_dashboard.start()
    return own_dashboard


def asked_for(page, served):
    return page.goto(f"{served.url}/?cohort=ward&epsilon=8")


def answered(page, served):
    """Opens Overview until its document comes with first words: a server that is too busy to make them in time leaves them out."""
    for _ in range(TRIES):
        if 'id="dpmed-first-words"' in asked_for(page, served).text():
            return
    pytest.fail(f"None of {TRIES} documents had first words.")


def opened(page, served, *, go=asked_for):
    go(page, served)
    expect(page.get_by_role("link", name="Groups")).to_be_visible()
    settle(page)
    return page


def test_before_the_fold_it_answers_in_at_most_120_words(served, page):
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, served)
    for answer in ("Cost, mean of 2 findings", "AUROC by budget", "Who loses what"):
        heading = page.get_by_role("heading", name=answer, level=2)
        assert heading.bounding_box()["y"] < 900
    assert 40 < page.evaluate(WORDS) <= 120
    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "found => found.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1 and all(then - now <= 1 for now, then in pairwise(levels))
    expect(page.locator(".st-key-map-picture .js-plotly-plot")).to_be_visible()
    expect(page.locator(".st-key-map-cells")).to_be_hidden()


def test_the_tile_of_the_groups_opens_fairness_by_the_attribute_of_the_group(served, page):
    opened(page, served)
    page.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("heading", name="Fairness", level=1)).to_be_visible()
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    # The group of this cohort that loses most is one of age, and not of the page's first attribute.
    expect(page).to_have_url(re.compile(r"attribute=age(&|$)"))


def test_on_a_narrow_screen_tiles_stand_one_under_another_and_the_map_is_a_table(served, page):
    page.set_viewport_size({"width": 420, "height": 900})
    opened(page, served)
    tiles = [page.get_by_role("link", name=name).bounding_box() for name in ("Budgets", "Finding", "Groups")]
    assert len({round(tile["x"]) for tile in tiles}) == 1 and tiles[0]["y"] < tiles[1]["y"] < tiles[2]["y"]
    table = page.get_by_role("region", name="AUROC with privacy minus without, by group and finding")
    expect(table.get_by_role("rowheader", name="Without COPD")).to_be_visible()
    expect(page.locator(".st-key-map-picture")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


FIRST_WORDS = "#dpmed-first-words"
EVERY_FRAME = """() => {
  const seen = (node) => node?.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  window.framesWithout = [];
  window.nFrames = 0;
  const look = () => {
    const first = document.getElementById("dpmed-first-words");
    window.value ??= first?.dataset.until;
    if (window.value !== undefined) {
      const places = [...document.querySelectorAll("p, p *, h1, h2")].filter((node) => node.textContent.trim().startsWith(window.value));
      window.nFrames += 1;
      if (!places.some(seen)) window.framesWithout.push(performance.now());
    }
    requestAnimationFrame(look);
  };
  look();
}"""
"""Notes the frames in which the value of the first tile, once the document has said it, can be read nowhere."""
NEVER_SAID = """() => {
  const change = () => {
    const first = document.getElementById("dpmed-first-words");
    if (!first) return;
    first.dataset.until = "never said";
    window.changed = true;
  };
  new MutationObserver(change).observe(document, { childList: true, subtree: true });
}"""
"""Has first words wait for what the page never says."""
KEEPS_NOTHING = """() => {
  Object.defineProperty(window, "localStorage", { get: () => { throw new DOMException("Access is denied.", "SecurityError"); } });
}"""
"""As a browser that is told to keep nothing of any page."""


@pytest.mark.parametrize(("width", "scheme", "colour"), [(1440, "light", "rgb(13, 20, 27)"), (420, "dark", "rgb(230, 235, 240)")])
def test_the_document_answers_before_streamlit_has_started(served, page, width, scheme, colour):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.route("**/static/js/index.*.js", lambda route: route.abort())
    answered(page, served)
    page.unroute("**/static/js/index.*.js")
    words = page.locator(FIRST_WORDS)
    assert page.locator("#root").inner_html() == ""
    for said in ("What privacy costs, and whom", "ε = 8, δ = 1e-05 for each patient", "Cost, mean of 2 findings", "Loses most: group"):
        expect(words.get_by_text(said)).to_be_visible()
    for value in words.locator(".dpmed-tile-value").all():
        box = value.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert words.locator("h1").evaluate("heading => getComputedStyle(heading).color") == colour


@pytest.fixture
def other_tab(page):
    """A tab of its own, for scripts that are there before anything else."""
    with closing(page.context.new_page()) as opened_tab:
        yield opened_tab


def test_first_words_stay_until_the_page_says_them_itself(served, other_tab):
    other_tab.add_init_script(f"({EVERY_FRAME})()")
    opened(other_tab, served, go=answered)
    expect(other_tab.locator(FIRST_WORDS)).to_have_count(0)
    assert other_tab.evaluate("window.nFrames") > 5 and other_tab.evaluate("window.value") is not None
    assert other_tab.evaluate("window.framesWithout") == []


def test_first_words_leave_where_the_page_says_something_else_and_nothing_can_be_kept(served, other_tab):
    other_tab.add_init_script(f"({NEVER_SAID})(); ({KEEPS_NOTHING})()")
    opened(other_tab, served, go=answered)
    expect(other_tab.locator(FIRST_WORDS)).to_have_count(0)
    assert other_tab.evaluate("window.changed") is True


def test_figures_have_room_for_the_names_of_rows_before_they_are_drawn(served, page):
    margins = """() => [...document.querySelectorAll('.js-plotly-plot')].filter((plot) => plot._fullLayout.yaxis.ticktext)
      .map((plot) => [plot.layout.margin, plot._fullLayout._size].map(({ l, b }) => [l, b]))"""
    opened(page, served)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    [[given, taken]] = page.evaluate(margins)
    assert given == taken and given[0] > 68
    page.goto(f"{served.url}/fairness?cohort=ward&epsilon=8&attribute=sex")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    settle(page)
    assert all(given == taken for given, taken in page.evaluate(margins))
    page.set_viewport_size({"width": 420, "height": 900})
    wait_until(page, "document.querySelector('.js-plotly-plot .main-svg').clientWidth < 420")
    settle(page)
    assert all(given[0] == taken[0] for given, taken in page.evaluate(margins)), "drawn anew for its width"


def test_a_next_page_waits_for_no_program(served, page):
    page.goto(f"{served.url}/status?cohort=ward")
    wait_until(page, "window.Plotly")
    settle(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    settle(page)
    assert not [url for url in asked if url.endswith(".js")]


def test_a_command_is_copied_by_a_click(served, page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{served.url}/status?cohort=ward")
    commands = page.get_by_role("region", name="Commands that look closer")
    button = commands.locator("xpath=..").get_by_role("button")
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "python -m dpmed_core doctor\npython -m dpmed_core status --json"
    expect(button).to_have_text("Copy")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as where the page is not secure
    button.click()
    expect(button).to_have_text("Selected: press Ctrl+C")
    assert page.evaluate("getSelection().toString()").startswith("python -m dpmed_core doctor")
