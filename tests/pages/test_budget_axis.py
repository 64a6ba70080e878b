"""The budget axis: where budgets stand, which gestures it takes over, and what follows it."""

import json
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest
from markdown_it import MarkdownIt

from dpmed_core.reporting.budget_slider import in_one_frame
from dpmed_core.reporting.wording.first_glance import Tile
from tests.pages.following import drawn
from widgets import lookup
from widgets.budget_control import axis, following
from widgets.budget_control.first_words import Line, words_as_markdown


@pytest.fixture
def mounted(monkeypatch):
    """What was mounted last: its data and its callback."""
    seen = SimpleNamespace(state={}, data=None, made=None)

    def mount(*, key, data, on_gesture_change=None):
        seen.key, seen.data, seen.made = key, data, on_gesture_change

    monkeypatch.setattr(axis, "component", lambda: mount)
    monkeypatch.setattr(following, "component", lambda: mount)
    for module in (axis, lookup):
        monkeypatch.setattr(module, "st", SimpleNamespace(session_state=seen.state))
    return seen


@pytest.fixture
def gesture(mounted):
    """Makes a gesture as a browser would report it; the budgets that were chosen and asked for by it."""
    chosen, asked = [], []

    def make(reported):
        axis.budget_axis(
            "Budget",
            ["0.3", "1"],
            key="e",
            value="1",
            on_change=lambda: chosen.append(mounted.state["e"]),
            offered=["2"],
            on_ask=asked.append,
        )
        mounted.state[axis.MOUNTED] = {"gesture": reported}
        mounted.made()
        return chosen, asked

    return make


@pytest.mark.parametrize(
    ("reported", "told"), [("0,1", [["sex", "female", "mass"]]), ("9,9", []), (None, []), ({"x": 0}, []), (["0,1"], [])]
)
def test_a_click_is_told_of_cells_that_were_sent_and_of_nothing_else(monkeypatch, reported, told):
    found, mounted = [], {}
    monkeypatch.setattr(following, "component", lambda: lambda **given: mounted.update(given))
    monkeypatch.setattr(following, "reported", lambda key, name: reported)
    figure = json.dumps({"data": [], "layout": {"meta": {"cells": {"0,1": ["sex", "female", "mass"]}}}, "frames": {}})
    following.show_following_figure(figure, key="map", alternatives={1.0: "Map."}, on_cell=found.append)
    assert mounted["data"]["cells"] and mounted["data"]["kind"] == "follower"
    mounted["on_cell_change"]()
    assert found == told


def test_budgets_stand_on_a_logarithmic_axis_and_a_start_alone_left_of_them():
    stops = axis.stops_on_axis(["10", "0.1"], ["1", "0.1"], {"10": "δ = 1e-05"})
    assert [(s["budget"], s["at"], s["trained"]) for s in stops] == [("0.1", 0, True), ("1", 0.5, False), ("10", 1, True)]
    assert [s["guarantee"] for s in stops] == ["", "", "δ = 1e-05"]
    assert [s["at"] for s in axis.stops_on_axis(["0", "1", "3"], [], {})] == [0, 0.5, 1]
    assert [s["at"] for s in axis.stops_on_axis(["1"], [], {})] == [0.5]


@pytest.mark.parametrize("left", [None, {}, {"gesture": None}])
def test_a_gesture_whose_page_was_left_ends_in_no_error_and_leaves_the_browser_to_the_pages_budget(left, gesture, mounted):
    gesture({"budget": "0.3", "number": 7})
    callback = mounted.made
    if left is None:
        mounted.state.pop(axis.MOUNTED)
    else:
        mounted.state[axis.MOUNTED] = left
    callback()
    assert mounted.state[axis.SEEN] == axis.OVERTAKEN and mounted.state["e"] == "0.3"


def test_a_gesture_chooses_a_trained_budget_or_asks_for_an_offered_one(gesture, mounted):
    assert gesture({"budget": "0.3", "number": 7}) == (["0.3"], []) and mounted.state[axis.SEEN] == 7
    assert gesture({"budget": "2", "number": 8}) == (["0.3"], ["2"]) and mounted.state["e"] == "0.3"


@pytest.mark.parametrize("reported", [None, "0.3", {}, {"budget": "4", "number": 1}, {"budget": ["1"], "number": "x"}, {"budget": None}])
def test_a_gesture_that_nobody_could_make_changes_nothing(reported, gesture, mounted):
    assert gesture(reported) == ([], []) and mounted.state["e"] == "1"


def test_the_page_tells_the_browser_which_of_its_gestures_it_has_taken_over(gesture, mounted):
    gesture({"budget": "0.3", "number": 7})
    gesture({"budget": "4", "number": 9})
    axis.budget_axis("Budget", ["0.3", "1"], key="e", on_change=print)
    assert (mounted.data["seen"], mounted.data["chosen"]) == (9, "0.3")


def test_nothing_that_follows_is_sent_again_by_a_gesture(mounted):
    following.show_following({0.3: [Line("a")], 1.0: [Line("b")]}, at=1.0, key="words")
    before = mounted.data
    mounted.state["e"] = "0.3"
    following.show_following({0.3: [Line("a")], 1.0: [Line("b")]}, at=1.0, key="words")
    assert mounted.data == before and json.loads(before["words"]) == {
        "0.3": [{"role": "text", "text": "a"}],
        "1": [{"role": "text", "text": "b"}],
    }


def test_the_chosen_budgets_words_are_read_before_the_program_starts(mounted, monkeypatch):
    written = []
    monkeypatch.setattr(following, "st", SimpleNamespace(markdown=written.append))
    stops = {0.3: [Line("a", "headline")], 1.0: [Line("b", "headline"), Line("c")]}
    following.show_following(stops, at=1.0, key="words")
    assert written == ["**b**\n\nc"]
    following.show_following(stops, at=3.0, key="words")
    assert len(written) == 1, "nothing is said of a budget that is not trained"


def test_words_before_the_program_are_those_of_the_program_and_text(mounted):
    parts = [Line("<b>1</b> & *2*", "caption"), Tile("Cost", "<i>", beside="(0 to 1)", verdict="not\u202e", lines=("One.", "[Two](x)"))]
    page = ET.fromstring(f"<page>{MarkdownIt().render(words_as_markdown(parts))}</page>")
    following.show_following({1.0: parts}, at=0.3, key="words")
    (sent,) = json.loads(mounted.data["words"]).values()
    expected = [sent[0]["text"], *(sent[1][name] for name in ("title", "value", "beside", "mark", "detail"))]
    assert [text.strip() for text in page.itertext() if text.strip()] == expected
    assert {part.tag for part in page.iter()} == {"page", "p", "em", "strong"}


def test_a_tile_is_sent_as_text(mounted):
    tile = Tile("Cost", "<b>", beside="(0 to 1)", verdict="not enough\u202e", lines=("One.", "Two."))
    following.show_following({1.0: [tile]}, at=1.0, key="tile")
    ((part,),) = json.loads(mounted.data["words"]).values()
    assert part == {
        "role": "tile",
        "title": "Cost",
        "value": "<b>",
        "beside": "(0 to 1)",
        "mark": "not enough\ufffd",
        "detail": "One. Two.",
    }


def figure(y, n_traces=2):
    layout = {"title": {"text": f"at {y}", "y": 0.9}, "margin": {"t": 60, "b": 40}, "height": 300, "xaxis": {"range": [0, 1]}}
    fixed = [go.Scatter(x=[0, 1], y=[0, 0]) for _ in range(n_traces - 1)]
    return go.Figure([*fixed, go.Scatter(x=[0, 1], y=[0, y])], layout=layout)


def test_a_moving_figure_is_put_together_from_what_its_stops_share():
    stops = {0.3: figure(1), 1.0: figure(2, n_traces=3), 8.0: figure(3)}
    data = json.loads(following.figure_data(in_one_frame(stops)))
    assert list(data["frames"]) == ["0.3", "1", "8"] and "0" not in data["frames"]["8"]["data"]
    for epsilon, stop in stops.items():
        whole = drawn(data, f"{epsilon:g}")
        assert [trace["y"] for trace in whole["data"] if trace.get("x") != [None]] == [list(trace.y) for trace in stop.data]
        assert whole["layout"]["title"]["text"] == stop.layout.title.text and whole["layout"]["height"] == 300
