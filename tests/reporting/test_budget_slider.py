"""An exported page carries every trained budget: each stop is the figure that is drawn at that budget."""

import json
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from dpmed_core.reporting.budget_slider import draw_with_slider
from dpmed_core.reporting.catalogue import CATALOGUE, draw, settled
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import figure_html
from dpmed_core.reporting.static_images import browser
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "low": 0.3, "middle": 1.0, "high": 8.0}
CHOSEN = Choice(finding="mass", epsilon=1.0, attribute="sex")


@pytest.fixture
def tables_of(make_scored):
    return lambda runs: evaluation_tables(make_scored(runs, n_patients=160, validation=True), ["sex"])


def drawn_values(traces):
    return [json.loads(trace.to_json()) for trace in traces]


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_stop_is_the_figure_of_its_budget(tables_of, images_cohort, name):
    tables = tables_of(RUNS)
    moving = draw_with_slider(name, tables, CHOSEN, images_cohort)
    assert [frame.name for frame in moving.frames] == ["0.3", "1", "8"]
    n_traces = len(moving.data)
    for frame in moving.frames:
        alone = draw(name, tables, replace(settled(CHOSEN, tables, CATALOGUE[name]), epsilon=float(frame.name)), images_cohort)
        assert drawn_values(frame.data)[: len(alone.data)] == drawn_values(alone.data)
        assert frame.layout.title.text == alone.layout.title.text
        assert frame.layout.title.subtitle.text == alone.layout.title.subtitle.text
        assert len(frame.data) == n_traces and all(list(empty.x) == [None] for empty in frame.data[len(alone.data) :])
        assert "margin" not in frame.layout.to_plotly_json(), "Plotly would move the plot and leave its grid"
        # The title stands as far below the upper edge as in the figure alone.
        from_above = (1 - frame.layout.title.y) * moving.layout.height
        assert from_above == pytest.approx((1 - alone.layout.title.y) * alone.layout.height)
    [slider] = moving.layout.sliders
    assert slider.active == 1 and [step.args[0][0] for step in slider.steps] == ["0.3", "1", "8"]
    assert drawn_values(moving.data) == drawn_values(moving.frames[1].data)


def test_one_budget_needs_no_slider(tables_of, images_cohort):
    figure = draw_with_slider("fairness-forest", tables_of({"reference": np.nan, "one": 1.0}), CHOSEN, images_cohort)
    assert not figure.frames and not figure.layout.sliders


def test_a_figure_of_all_budgets_has_none_where_no_budget_is_marked(tables_of, images_cohort):
    assert not draw_with_slider("privacy-utility", tables_of(RUNS), Choice(finding="mass"), images_cohort).frames


def test_budgets_of_another_unit_are_no_stops(make_scored, images_cohort):
    scored = make_scored(RUNS, n_patients=160, validation=True)
    scored.loc[scored["epsilon"] == 8.0, "unit"] = "image"
    figure = draw_with_slider("fairness-forest", evaluation_tables(scored, ["sex"]), CHOSEN, images_cohort)
    assert [frame.name for frame in figure.frames] == ["0.3", "1"]


@pytest.mark.browser
def test_the_slider_moves_points_and_words_without_a_network(tables_of, images_cohort, tmp_path):
    if (path := browser()) is None:
        pytest.skip("no Chrome or Chromium is installed")
    tables = tables_of(RUNS)
    (tmp_path / "figure.html").write_bytes(figure_html(draw_with_slider("fairness-forest", tables, CHOSEN, images_cohort)))
    asked = []
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = chrome.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "figure.html").as_uri())
        title, plot = page.locator(".g-gtitle"), page.locator(".js-plotly-plot")
        assert "ε = 1 at" in title.text_content()
        seen = [plot.evaluate("plot => [plot._fullData.map(trace => Array.from(trace.x)), plot._fullLayout._size]")]
        rail = page.locator(".slider-rail-touch-rect")
        rail.click(position={"x": rail.bounding_box()["width"] - 2, "y": 20})
        title.filter(has_text="ε = 8 at").wait_for()
        seen.append(plot.evaluate("plot => [plot._fullData.map(trace => Array.from(trace.x)), plot._fullLayout._size]"))
        chrome.close()
    (values, room), (moved, room_then) = seen
    assert room == room_then, "the plot stays where its grid is"
    expected = [[float(x) for x in trace.x] for trace in draw("fairness-forest", tables, replace(CHOSEN, epsilon=8.0), images_cohort).data]
    assert moved != values and len(moved) == len(expected)
    for shown, wanted in zip(moved, expected, strict=True):
        assert shown == pytest.approx(wanted)
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
