"""Meeting in a real browser: few words before the fold, cells that lead on, keys for a room, and everything in one window."""

import re
from dataclasses import replace

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
from tests.browser.test_overview import WORDS
from tests.browser.waiting import settle
from tests.pages.test_overview import store

pytestmark = pytest.mark.browser
FINDINGS = (
    "cardiomegaly",
    "congestion",
    "effusion_right",
    "effusion_left",
    "infiltrates_right",
    "infiltrates_left",
    "atelectasis_right",
    "atelectasis_left",
)
COMORBIDITIES = ("copd", "diabetes", "heart_failure")
N_GROUPS = 13
LONGEST = 120_000
ROOMS = {"light, 1920x1080": ("light", 1920, 1080), "dark, 1440x900": ("dark", 1440, 900), "dark, 1920x1080": ("dark", 1920, 1080)}
MOST_TABS = 20
LEAST_TARGET = 24
"""Pixels that a finger needs: WCAG 2.2, 2.5.8."""
STATE = """() => ({
  said: [...document.querySelectorAll('.dpmed-headline')].map((heading) => heading.textContent).join(' '),
  rows: document.querySelector('.dpmed-figure').layout.yaxis.ticktext,
  columns: document.querySelector('.dpmed-figure').layout.xaxis.ticktext,
  cells: JSON.stringify(document.querySelector('.dpmed-figure').data[0].z),
})"""
FITS = """() => {
  const main = document.querySelector('[data-testid="stMain"]'), plot = document.querySelector('.dpmed-figure');
  const seen = (element) => element && element.getBoundingClientRect().width > 0 && getComputedStyle(element).visibility !== 'hidden';
  const box = (element) => element.getBoundingClientRect();
  const words = [...document.querySelectorAll('.st-key-meeting-room p, .dpmed-headline, .dpmed-tile-detail')].map(box);
  const letters = [...plot.querySelectorAll('.heatmaplayer text, .ytick text, .xaxislayer-above text')];
  const controls = ['.dpmed-axis', ...['stSidebar', 'stButton', 'stExpander', 'stPageLink'].map((name) => `[data-testid="${name}"]`)];
  const drawn = box(plot.querySelector('.main-svg')), out = box(document.querySelector('.dpmed-presenter-end'));
  const meets = (it) => it.left < out.right && it.right > out.left && it.top < out.bottom && it.bottom > out.top;
  return {
    scrolls: main.scrollHeight > main.clientHeight || document.documentElement.scrollWidth > innerWidth,
    below: Math.max(...words.map((word) => word.bottom), drawn.bottom) - innerHeight,
    over: Math.max(0, ...words.map((word) => Math.min(word.bottom, drawn.bottom) - Math.max(word.top, drawn.top))),
    wayOut: { least: Math.min(out.width, out.height), inside: out.top >= 0 && out.right <= innerWidth },
    wayOutOver: [...words, drawn].some(meets),
    controls: controls.filter((name) => seen(document.querySelector(name))),
    rowHeight: plot._fullLayout._size.h / plot.layout.yaxis.ticktext.length,
    type: Math.min(...letters.map((text) => parseFloat(getComputedStyle(text).fontSize))),
    root: parseFloat(getComputedStyle(document.documentElement).fontSize),
    isDark: getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor.match(/\\d+/g).every((part) => part < 128),
  };
}"""
"""What stands on the page of a presenter: whether all of it is in the window, and nothing over something else."""


@pytest.fixture(scope="module")
def served(own_dashboard):
    """A cohort with 8 findings and 13 groups, and two runs at each of two budgets and two references, whose scores are made up."""
    own_dashboard.settings = own_dashboard.settings.model_copy(update={"demo": False})
    here = Installation.open(own_dashboard.settings)
    cohort = store(here, findings=FINDINGS, comorbidities=COMORBIDITIES, age=np.repeat(np.linspace(35, 95, 400), 2))
    specs = plan_runs(cohort, key=here.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    here.ledger.ask(cohort, specs)
    split = assign_parts(cohort, seed=0, key=here.key)
    held_out, n_units = held_out_rows(split), cohort.cases["patient_id"][split.parts == Part.TRAIN.value].nunique()
    for number, spec in enumerate(specs):
        noise = np.random.default_rng(number).random((len(held_out), len(FINDINGS)))
        guarantee = plan_probe(spec, n_units=n_units, n_findings=len(FINDINGS)).guarantee
        result = RunResult(spec, guarantee, elapsed_seconds=1.0, n_parameters=8, n_train_cases=n_units, n_train_units=n_units)
        scores = scores_table(cohort, split, 0.3 * cohort.labels[held_out] + 0.7 * noise)
        here.runs.finish(here.runs.run_id(spec), TrainedModel(result, scores, {"weights": np.zeros((len(FINDINGS), 4))}))
        here.runs.set_progress(here.runs.run_id(spec), replace(Progress(RunState.FINISHED), step=40, total_steps=40, attempt=1))
    own_dashboard.start()
    return own_dashboard


def opened(page, served, address):
    page.goto(f"{served.url}/meeting?cohort=ward&{address}")
    page.locator(".dpmed-figure .main-svg").first.wait_for(state="attached")
    settle(page)
    return page


def press(page, key, address):
    """Press a key, and wait until the page says it."""
    page.keyboard.press(key)
    page.wait_for_url(re.compile(address))
    settle(page)
    return page.evaluate(STATE)


def test_before_the_fold_it_answers_in_at_most_120_words(served, page):
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, served, "epsilon=8")
    assert 40 < page.evaluate(WORDS) <= 120
    state = page.evaluate(STATE)
    assert len(state["rows"]) == len(FINDINGS) + 1 and len(state["columns"]) == N_GROUPS
    assert "Verdicts on groups: " in page.locator("figure").get_attribute("aria-label")


def test_a_click_on_a_cell_opens_its_evidence_and_back_returns(served, page):
    opened(page, served, "epsilon=8")
    cells = page.evaluate("() => document.querySelector('.dpmed-figure').layout.meta.cells")
    across, down = next(map(int, place.split(",")) for place, cell in cells.items() if cell == ["copd", "with", "effusion_left"])
    box = page.locator(".dpmed-figure .nsewdrag").bounding_box()
    rows = len(FINDINGS) + 1
    page.mouse.click(box["x"] + box["width"] * (across + 0.5) / N_GROUPS, box["y"] + box["height"] * (down + 0.5) / rows)
    expect(page.get_by_role("heading", name="Fairness", level=1)).to_be_visible()
    page.wait_for_url(re.compile("fairness.*finding=effusion_left.*epsilon=8.*attribute=copd"))
    settle(page)
    assert "by COPD" in page.locator(".dpmed-headline").first.text_content()
    page.go_back()
    expect(page.get_by_role("heading", name="Is it good and fair enough?", level=1)).to_be_visible()
    page.wait_for_url(re.compile("meeting.*epsilon=8"))


def test_the_evidence_of_a_cell_is_reached_by_keyboard(served, page):
    opened(page, served, "epsilon=8")
    page.locator("summary", has_text="Evidence of every cell").press("Enter")
    link = page.get_by_role("link", name="Congestion by sex")
    link.focus()
    link.press("Enter")
    page.wait_for_url(re.compile("fairness.*finding=congestion.*epsilon=8.*attribute=sex"))


@pytest.mark.parametrize("look", ROOMS)
@pytest.mark.parametrize("finding", ["macro", "effusion_left"])
def test_for_a_room_all_stands_in_one_window_in_large_type_and_without_controls(served, page, look, finding):
    scheme, width, height = ROOMS[look]
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    opened(page, served, f"epsilon=8&view=presenter&finding={finding}")
    page.wait_for_timeout(500)
    found = page.evaluate(FITS)
    assert not found["scrolls"] and found["below"] <= 0 and found["over"] == 0, found
    assert found["controls"] == [] and found["rowHeight"] > found["type"] > 15, found
    assert found["wayOut"]["least"] >= LEAST_TARGET and found["wayOut"]["inside"] and not found["wayOutOver"], found
    assert found["root"] >= 16 * (1.4 if height > 1000 else 1.2)
    assert found["isDark"] == (scheme == "dark")


def test_keys_move_the_budget_go_through_findings_to_the_limits_and_end(served, page):
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, served, "epsilon=1&view=presenter")
    before = page.evaluate(STATE)
    page.keyboard.press("ArrowRight")
    at_once = page.evaluate(STATE)
    assert at_once["said"].startswith("ε = 8 at δ") and at_once["cells"] != before["cells"], "before the page has heard of it"
    page.wait_for_url(re.compile("epsilon=8"))
    settle(page)
    assert press(page, "ArrowDown", "finding=cardiomegaly")["columns"] == ["Cardiomegaly"]
    assert press(page, "ArrowDown", "finding=congestion")["said"].startswith("ε = 8 at δ")
    assert press(page, "ArrowUp", "finding=cardiomegaly")["columns"] == ["Cardiomegaly"]
    assert len(press(page, "ArrowUp", "finding=macro")["rows"]) == len(FINDINGS) + 1
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("view=page"))
    expect(page.get_by_role("button", name="Present")).to_be_visible()
    expect(page.locator(".dpmed-axis-value")).to_have_text("ε = 8")
    settle(page)  # the large type goes with the last elements of the presenter's view
    assert page.evaluate("() => getComputedStyle(document.documentElement).fontSize") == "16px"


def test_a_finger_and_the_keyboard_alone_find_the_way_out(served, browser):
    with browser.new_context(has_touch=True, viewport={"width": 1024, "height": 768}) as context:
        page = context.new_page()
        page.set_default_timeout(LONGEST)
        opened(page, served, "epsilon=8&view=presenter")
        out = page.get_by_role("button", name="End presenting")
        for _ in range(MOST_TABS):
            page.keyboard.press("Tab")
            if out.evaluate("out => out === document.activeElement"):
                break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "who tabs to it sees it"
        out.press("Enter")
        page.wait_for_url(re.compile("view=page"))
        expect(page.get_by_role("button", name="Present")).to_be_visible()
        opened(page, served, "epsilon=8&view=presenter")
        out.tap()
        page.wait_for_url(re.compile("view=page"))
        expect(page.get_by_role("button", name="Present")).to_be_visible()


def test_after_the_last_finding_stands_what_the_numbers_rest_on(served, page):
    opened(page, served, f"epsilon=8&view=presenter&finding={FINDINGS[-1]}")
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile("view=limits"))
    expect(page.get_by_text("is the same recipe and network on the same training patients")).to_be_visible()
    page.keyboard.press("ArrowUp")
    page.wait_for_url(re.compile("view=presenter"))
    expect(page.locator(".dpmed-figure")).to_be_visible()
    settle(page)
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile("view=limits"))
    settle(page)
    page.get_by_role("button", name="End presenting").click()
    page.wait_for_url(re.compile("view=page"))


def test_the_button_begins_presenting(served, page):
    opened(page, served, "epsilon=8")
    page.get_by_role("button", name="Present").click()
    page.wait_for_url(re.compile("view=presenter"))
    settle(page)
    expect(page.locator('[data-testid="stSidebar"]')).to_be_hidden()


def test_on_a_narrow_screen_the_map_is_a_table_with_marks_and_their_key(served, page):
    page.set_viewport_size({"width": 420, "height": 900})
    opened(page, served, "epsilon=8")
    table = page.get_by_role("region", name="AUROC with privacy minus without, by group and finding")
    expect(table.get_by_role("rowheader", name="With COPD")).to_be_visible()
    assert table.get_by_role("img").count() > 50
    expect(page.get_by_text("✕ extra loss, ● no extra loss above")).to_be_visible()
    expect(page.locator(".st-key-map-picture")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
