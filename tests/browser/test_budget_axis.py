"""The budget axis in a real browser: words and figures move with the hand, the server hears of a gesture when it is over, charts stay."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from dpmed_core.engine.training_task import work_on
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.browser.stored import store_demo
from tests.browser.waiting import FIRST_WORDS, settle, wait_until
from widgets.browser_programs import AXIS, PLOTLY

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TRAINED = ("0.3", "1", "3", "8")
STATE = """() => {
  const plot = document.querySelector('.dpmed-figure.js-plotly-plot');
  const marks = plot.layout.shapes.filter((shape) => shape.x0 === shape.x1).map((shape) => `${shape.x0}`);
  return {
    axis: document.querySelector('.dpmed-axis-value').textContent,
    said: document.querySelector('.dpmed-headline').textContent,
    alternative: plot.getAttribute('aria-label'),
    marks,
    same: plot === window.plot && plot.querySelector('.main-svg') === window.picture && window.plot.isConnected,
    still: window.others.every((other) => other.isConnected),
  };
}"""
KEEP = """() => {
  window.plot = document.querySelector('.dpmed-figure.js-plotly-plot');
  window.picture = plot.querySelector('.main-svg');
  window.others = [...document.querySelectorAll('.js-plotly-plot')];
  window.fewest = others.length;
  const count = () => [...document.querySelectorAll('.js-plotly-plot')].filter((plot) => plot.querySelector('.main-svg')).length;
  const watcher = new MutationObserver(() => { window.fewest = Math.min(window.fewest, count()); });
  watcher.observe(document.body, { subtree: true, childList: true });
  return others.length;
}"""
"""Remembers the charts, and the fewest that stood on the page after any change of it."""
DRAWN = "document.querySelectorAll('.dpmed-pictures[data-shown]').length === 0"
"""Whether figures stand there themselves, and no pictures of them."""
KEPT = f"document.querySelector('.dpmed-pictures[data-kept]')?.dataset.kept.split(' ').length === {len(TRAINED)}"
"""Whether the pictures of a page's one figure that follows are there."""


BESIDE = """async ([axis, plotly]) => {
  const { show } = await import(new URL(axis, document.baseURI).href);
  const at = (budget) => ({ data: {}, layout: { title: { text: `ε = ${budget}` } } });
  const figure = { data: [{ x: [0, 1], y: [0, 1] }], layout: { height: 300 }, frames: { 1: at(1), 3: at(3) } };
  const stops = ["1", "3", "8"].map((budget, i) => ({ budget, at: i / 2, trained: true, guarantee: "" }));
  const place = (id, data) => {
    document.body.insertAdjacentHTML("beforeend", `<div id="${id}" style="width: 600px"><div class="dpmed-budget"></div></div>`);
    show({ parentElement: document.getElementById(id), data: { scope: "beside", ...data }, setTriggerValue: () => {} });
  };
  place("axis-beside", { kind: "axis", stops, label: "Beside", chosen: "1", seen: 0 });
  place("figure-beside", { plotly, figure: JSON.stringify(figure), instead: JSON.stringify({ 8: "Nothing at ε = 8." }) });
  window.beside = document.querySelector("#figure-beside .dpmed-figure");
  window.press = (...keys) => keys.forEach((key) =>
    document.querySelector("#axis-beside [role=slider]").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })));
}"""
"""Puts an axis and a figure that has nothing at the last of three budgets on the page, by the page's own program."""
SEEN = """() => { const host = document.querySelector('#figure-beside .dpmed-pictures');
  return [beside.hidden, document.querySelector('#figure-beside .dpmed-note').textContent, host.dataset.shown ?? null]; }"""
"""Whether the figure is hidden, what stands in its place, and of which budget a picture is over it."""


@pytest.fixture(scope="module")
def served(own_dashboard, demo):
    own_dashboard.settings = own_dashboard.settings.model_copy(update={"demo": False})
    *stored, trained = map(float, TRAINED)
    cohort, here = store_demo(own_dashboard.settings, demo, stored, n_seeds=1), Installation.open(own_dashboard.settings)
    about = {"key": here.key, "recipe": "probe", "n_seeds": 1, "delta": 1e-5, "unit": PrivacyUnit.PATIENT, "non_private": False}
    # One is trained, which keeps the features that others are trained from at once.
    for status in here.ledger.ask(cohort, plan_runs(cohort, epsilons=[trained], **about)):
        work_on(own_dashboard.settings, status.run_id)
    own_dashboard.start()
    return own_dashboard


@pytest.fixture
def gestures(page):
    """What the browser sends from now on, but for refreshes by the clock."""
    sent = []

    def note(frame):
        message = BackMsg()
        message.ParseFromString(frame)
        if not message.rerun_script.is_auto_rerun:
            sent.append(message)

    page.on("websocket", lambda socket: socket.on("framesent", note))
    return sent


def open_page(page, served, name, epsilon="1"):
    page.goto(f"{served.url}/{name}?cohort=demo-radiograph&finding=cardiomegaly&attribute=sex&epsilon={epsilon}")
    page.locator(".dpmed-axis").wait_for()
    if name in ("privacy_utility", "fairness"):
        page.locator(".dpmed-figure .main-svg").first.wait_for()
        expect(page.locator(".dpmed-figure.js-plotly-plot")).to_have_count(2)
    settle(page)


def at(page, budget):
    """The place of a budget's mark on the page, in pixels."""
    places = page.evaluate(
        """() => { const box = document.querySelector('.dpmed-axis-rail').getBoundingClientRect();
        return [...document.querySelectorAll('.dpmed-axis-rail .dpmed-axis-mark')].map((mark) =>
          [box.left + box.width * parseFloat(mark.style.left) / 100, mark.className.includes('trained')]); }"""
    )
    labels = page.locator(".dpmed-axis-label").all_text_contents()
    return [x for x, trained in places if trained][labels.index(budget)], page.locator(".dpmed-axis-rail").bounding_box()["y"] + 18


def test_a_drag_moves_words_and_figure_and_tells_the_server_once_it_is_over(served, page, gestures):
    open_page(page, served, "privacy_utility")
    assert page.evaluate(KEEP) == 2
    before = len(gestures)
    page.mouse.move(*at(page, "1"))
    page.mouse.down()
    for budget in ("3", "8", "3", "1", "0.3", "8"):
        page.mouse.move(*at(page, budget), steps=4)
        state = page.evaluate(STATE)
        assert state["axis"] == f"ε = {budget}" and state["said"].startswith(f"At ε = {budget},")
        wait_until(page, DRAWN)
        state = page.evaluate(STATE)
        assert state["marks"] == [budget] and f"At ε = {budget}," in state["alternative"]
        assert state["same"] and state["still"]
    assert len(gestures) == before, "nothing is sent before the axis is let go"
    page.mouse.up()
    page.wait_for_url(re.compile("epsilon=8(&|$)"))
    settle(page)
    page.get_by_role("button", name="In full").click()
    expect(page.get_by_text("ε = 8 at δ = 1e-05 for each patient (analytic-gaussian").first).to_be_visible()
    page.keyboard.press("Escape")
    assert len(gestures) == before + 1, "a gesture is one message, and one run of the page"
    state = page.evaluate(STATE)
    assert state["axis"] == "ε = 8" and state["same"] and state["still"] and page.evaluate("window.fewest") == 2


def test_the_fairness_page_moves_all_groups_and_keeps_its_charts(served, page, gestures):
    open_page(page, served, "fairness")
    assert page.evaluate(KEEP) == 2
    drawn = "() => JSON.stringify(window.plot._fullData.map((trace) => Array.from(trace.x)))"
    values, before = [page.evaluate(drawn)], len(gestures)
    page.mouse.move(*at(page, "1"))
    page.mouse.down()
    for budget in ("3", "8"):
        page.mouse.move(*at(page, budget))
        wait_until(page, DRAWN)
        values.append(page.evaluate(drawn))
        assert f"ε = {budget} at δ" in page.evaluate("window.plot.layout.title.subtitle.text")
    assert len(set(values)) == 3 and len(gestures) == before
    page.mouse.up()
    # The chart that does not follow the axis shows the new budget in the same place.
    still = page.locator(".dpmed-still .js-plotly-plot")
    expect(still.locator(".gtitle-subtitle")).to_contain_text("ε = 8 at")
    settle(page)
    assert page.evaluate("window.others.every((other) => other.isConnected)") and page.evaluate("window.fewest") == 2


def test_pictures_that_a_drag_shows_at_once_are_what_the_figure_then_draws(served, page):
    open_page(page, served, "fairness")
    wait_until(page, KEPT)
    kept = page.locator(".dpmed-pictures[data-kept]")
    page.evaluate("window.plot = document.querySelector('.dpmed-figure.js-plotly-plot')")
    box = kept.evaluate("(host) => host.parentElement.querySelector('.dpmed-figure').getBoundingClientRect().toJSON()")
    axis = page.get_by_role("slider", name="Privacy budget ε")
    seen = []
    for number, budget in enumerate(TRAINED):
        axis.press("Home")
        for _ in range(number):
            axis.press("ArrowRight")
        page.wait_for_url(re.compile(f"epsilon={budget}(&|$)"))
        settle(page)
        wait_until(page, DRAWN)
        drawn = page.screenshot(clip=box)
        show = "(host, [budget, how]) => { host.shadowRoot.children[host.dataset.kept.split(' ').indexOf(budget)].style.visibility = how; }"
        kept.evaluate(show, [budget, "visible"])
        seen.append(page.screenshot(clip=box))
        kept.evaluate(show, [budget, "hidden"])
        np.testing.assert_array_equal(*(np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in (drawn, seen[-1])))
    assert len(set(seen)) == len(TRAINED), "budgets look different"

    page.mouse.move(*at(page, "8"))
    page.mouse.down()
    before = page.evaluate("window.plot.layout.title.subtitle.text")
    page.mouse.move(*at(page, "1"))
    shown, still = page.evaluate(
        """() => { const host = document.querySelector('.dpmed-pictures[data-kept]'), plot = window.plot;
        return [host.dataset.shown, plot.layout.title.subtitle.text]; }"""
    )
    assert (shown, still) in (("1", before), (None, before.replace("ε = 8 at", "ε = 1 at")))
    wait_until(page, DRAWN)
    assert "ε = 1 at δ" in page.evaluate("window.plot.layout.title.subtitle.text")
    page.mouse.up()


def test_a_budget_at_which_nothing_can_be_drawn_shows_why_and_nothing_of_the_budgets_beside_it(served, page):
    open_page(page, served, "cases")
    page.evaluate(BESIDE, [AXIS.address, PLOTLY.address])
    wait_until(page, "document.querySelector('#figure-beside .dpmed-pictures')?.dataset.kept === '1 3'")
    # Within one turn of the browser, as a quick drag may be.
    page.evaluate("press('ArrowRight', 'ArrowRight')")
    assert page.evaluate(SEEN) == [True, "Nothing at ε = 8.", None]
    page.wait_for_timeout(300)
    assert page.evaluate("beside.layout.title.text") == "ε = 1", "what was to be drawn of ε = 3 is not drawn any more"
    page.evaluate("press('ArrowLeft')")
    assert page.evaluate(SEEN) == [False, "", "3"]
    wait_until(page, "beside.layout.title.text === 'ε = 3'")
    wait_until(page, "!document.querySelector('#figure-beside [data-shown]')")
    page.evaluate("press('ArrowRight', 'ArrowLeft', 'ArrowLeft')")
    assert page.evaluate(SEEN) == [False, "", "1"]
    wait_until(page, "beside.layout.title.text === 'ε = 1'")


def test_a_figure_that_its_reader_enlarged_stays_so_and_has_no_pictures(served, page):
    open_page(page, served, "privacy_utility")
    wait_until(page, KEPT)
    kept = page.locator(".dpmed-pictures[data-kept]")
    page.evaluate("window.plot = document.querySelector('.dpmed-figure.js-plotly-plot'); window.others = []")
    whole = page.evaluate("window.plot.layout.yaxis.range")
    page.locator(".dpmed-figure").first.hover()
    page.get_by_role("button", name="Zoom in").first.click()
    expect(kept).to_have_count(0)
    enlarged = page.evaluate("window.plot.layout.yaxis.range")
    assert enlarged[1] - enlarged[0] < 0.6 * (whole[1] - whole[0])
    page.get_by_role("slider", name="Privacy budget ε").press("End")
    assert page.evaluate(STATE)["marks"] == ["8"] and page.locator(".dpmed-pictures[data-shown]").count() == 0
    assert page.evaluate("window.plot.layout.yaxis.range") == enlarged
    page.wait_for_url(re.compile("epsilon=8(&|$)"))
    settle(page)
    expect(kept).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "answers"),
    [("", ("em > strong", ".dpmed-tile-value > span:first-child", 3)), ("fairness", ("> strong", ".dpmed-headline", 1))],
)
def test_the_answer_is_read_before_the_programs_and_does_not_move_when_they_come(served, page, path, answers):
    held, late = [], ("**/api/budget/control-*", "**/Selectbox.*.js")
    for program in late:
        page.route(program, lambda route: held.append(route))
    page.goto(f"{served.url}/{path}?cohort=demo-radiograph&epsilon=3")
    first, n_answers = page.locator(f"{FIRST_WORDS} {answers[0]}"), answers[2]
    expect(first).to_have_count(n_answers)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_have_count(1)
    assert all(one.is_visible() for one in first.all()) and page.locator(".dpmed-axis").count() == 0
    assert page.get_by_test_id("stSelectbox").count() == 0
    said, before = first.all_text_contents(), places(first)
    for route in held:
        route.continue_()
    for program in late:
        page.unroute(program)
    follows = page.locator(answers[1])
    expect(follows).to_have_count(n_answers)
    page.wait_for_selector(".main-svg")
    assert follows.all_text_contents() == said and not any(first.all_text_contents())
    assert places(follows) == pytest.approx(before, abs=2)
    page.get_by_role("slider", name="Privacy budget ε").press("End")
    page.wait_for_url(re.compile("epsilon=8(&|$)"))
    settle(page)
    assert first.count() and not any(first.all_text_contents()), "nothing is said twice after a gesture either"


def places(found):
    """How far down each stands, in pixels."""
    return [one.bounding_box()["y"] for one in found.all()]


def test_the_keyboard_moves_it_and_a_pause_ends_the_gesture(served, page, gestures):
    open_page(page, served, "fairness")
    axis, before = page.get_by_role("slider", name="Privacy budget ε"), len(gestures)
    axis.focus()
    for key, budget in (("ArrowRight", "3"), ("End", "8"), ("Home", "0.3"), ("ArrowLeft", "0.3"), ("ArrowUp", "1"), ("ArrowRight", "3")):
        page.keyboard.press(key)
        assert axis.get_attribute("aria-valuetext") == f"ε = {budget}, δ = 1e-05 for each patient, trained"
        assert axis.get_attribute("aria-valuenow") == budget
        assert page.locator(".dpmed-headline").text_content().startswith(f"At ε = {budget},")
    page.wait_for_url(re.compile("epsilon=3(&|$)"))
    settle(page)
    chosen = [
        json.loads(w.json_trigger_value) for m in gestures[before:] for w in m.rerun_script.widget_states.widgets if w.json_trigger_value
    ]
    assert chosen[-1][0]["value"]["budget"] == "3" if isinstance(chosen[-1], list) else chosen[-1]["value"]["budget"] == "3"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert page.locator(".dpmed-headline").text_content().startswith("At ε = 3,")
    expect(axis).to_be_focused()


def test_a_budget_without_a_model_trains_where_a_synthetic_cohort_allows_it(served, page, gestures):
    open_page(page, served, "privacy_utility")
    axis, before = page.get_by_role("slider", name="Privacy budget ε"), len(gestures)
    axis.focus()
    page.keyboard.press("Shift+ArrowRight")
    assert "not trained" in axis.get_attribute("aria-valuetext") and page.locator(".dpmed-axis-value").text_content() == "ε = 1.25"
    assert page.locator(".dpmed-headline").text_content().startswith("At ε = 1,")
    page.wait_for_timeout(600)
    assert len(gestures) == before, "a pause asks for no training"
    page.keyboard.press("Enter")
    expect(page.locator(".dpmed-headline")).to_have_text(re.compile("^At ε = 1.25,"))
    page.wait_for_url(re.compile("epsilon=1.25(&|$)"))
    assert "1.25" in page.locator(".dpmed-axis-label").all_text_contents()


@pytest.mark.parametrize("name", ["privacy_utility", "fairness", "cases", "privacy"])
def test_the_axis_stands_at_the_same_place_on_each_page(served, page, name):
    open_page(page, served, name, epsilon="3")
    box = page.locator(".dpmed-axis").bounding_box()
    heading = page.get_by_role("heading", level=1).bounding_box()
    assert box["y"] - heading["y"] - heading["height"] < 150, "under the title, and what a synthetic cohort is"
    assert page.locator(".dpmed-axis-value").text_content() == "ε = 3"
    page.set_viewport_size({"width": 420, "height": 900})
    narrow = page.locator(".dpmed-axis").bounding_box()
    assert narrow["x"] >= 0 and narrow["x"] + narrow["width"] <= 420
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
