"""What is chosen follows the last gesture or address, however long messages take."""

import random

import pytest

from tests.address.simulated_browser import DEFAULTS, Browser, Server
from widgets.address.state import ENTRY, LINK, MOVED, NEW, SAME, Address

VALUES = {"finding": ("mean", "mass", "edema"), "epsilon": ("0.3", "1", "2", "8"), "detail": ("cost", "roc"), "group": ("sex", "age")}
N_ACTS = 30


def heard(page: str = "utility", **report: str) -> Address:
    address = Address()
    address.hear(page, report)
    return address


def test_a_link_in_a_new_tab_shows_what_it_says_and_defaults_for_the_rest():
    address = heard(epsilon="8")
    assert address.value("epsilon") == "8" and address.value("finding") is None
    assert address.to_write("utility") is None


def test_what_is_shown_replaces_and_a_gesture_is_a_new_entry():
    address = heard()
    address.show("epsilon", "1")
    assert address.to_write("utility") == {"epsilon": "1", ENTRY: f"{SAME}-0-utility"}
    address.written()
    address.show("epsilon", "1")
    assert address.to_write("utility") is None
    address.choose("epsilon", "8")
    address.show("finding", "mean")
    assert address.to_write("utility") == {"epsilon": "8", "finding": "mean", ENTRY: f"{NEW}-0-utility"}


def test_a_gesture_to_what_is_chosen_already_is_no_entry():
    address = heard(epsilon="8")
    address.choose("epsilon", "8")
    assert address.to_write("utility") is None


def test_a_slow_browser_takes_nothing_back():
    address = heard(epsilon="1")
    address.choose("epsilon", "8")
    address.written()
    for late in ({"epsilon": "1"}, {}, {"epsilon": "1", ENTRY: "same-0-utility"}):
        address.hear("utility", late)
        assert address.value("epsilon") == "8"


def test_a_move_back_brings_back_what_was_seen_once():
    address = heard(epsilon="1")
    address.choose("epsilon", "8")
    address.written()
    address.hear("utility", {"epsilon": "1", MOVED: "1"})
    assert address.value("epsilon") == "1"
    assert address.to_write("utility") == {"epsilon": "1", ENTRY: f"{SAME}-1-utility"}
    address.choose("epsilon", "2")
    address.hear("utility", {"epsilon": "1", MOVED: "1"})
    assert address.value("epsilon") == "2", "the browser repeats the move until it hears of something newer"


def test_a_page_that_is_clicked_on_shows_what_was_chosen_and_its_own_defaults():
    address = heard(epsilon="8", job="a")
    address.hear("fairness", {})
    assert address.value("epsilon") == "8" and address.value("group") is None
    assert address.current == {}, "what only the other page's address names is left behind"


def test_a_move_to_an_address_without_a_choice_shows_its_default_as_a_new_tab_would():
    address = heard()
    address.choose("epsilon", "8")
    address.written()
    address.hear("utility", {MOVED: "1"})
    assert address.value("epsilon") is None


def test_a_link_inside_a_page_says_its_choices_once_and_keeps_the_others():
    address = heard(epsilon="8", finding="mass")
    address.hear("fairness", {"finding": "edema", ENTRY: f"{LINK}-0"})
    assert (address.value("finding"), address.value("epsilon")) == ("edema", "8")
    address.choose("finding", "mean")
    address.hear("fairness", {"finding": "edema", ENTRY: f"{LINK}-0"})
    assert address.value("finding") == "mean"
    address.hear("fairness", {"finding": "edema", ENTRY: f"{LINK}-1"})
    assert address.value("finding") == "edema"


def test_a_session_that_begins_in_an_open_document_goes_on_counting_its_moves():
    address = heard(epsilon="8", entry="same-9-utility")
    assert address.to_write("utility") == {"epsilon": "8", ENTRY: f"{SAME}-9-utility"}


@pytest.mark.parametrize("mark", ["", "-", "new", "new-", "new-x", "same--1-a", "link-99999999999999", "other-1"])
def test_marks_that_somebody_made_up_end_no_run(mark):
    address = heard(epsilon="8")
    address.hear("utility", {"epsilon": "2", ENTRY: mark, MOVED: "²"})
    assert address.value("epsilon") == "8"


@pytest.mark.parametrize("seed", range(200))
def test_patient_walks_show_what_was_said_and_each_gesture_is_one_entry(seed):
    chance = random.Random(seed)
    browser = Browser(chance, Server(chance))
    browser.open(chance.choice(list(DEFAULTS)), {})
    browser.rest()
    for _ in range(N_ACTS):
        before = (browser.at, dict(browser.entry.values), browser.page)
        act = chance.choice(("gesture", "gesture", "click", "back", "forward", "refresh", "reload"))
        said = dict(browser.server.shown)
        if act == "gesture":
            name = chance.choice(list(DEFAULTS[browser.page]))
            said[name] = chance.choice(VALUES[name])
            browser.gesture(name, said[name])
        elif act == "click":
            browser.click(chance.choice([page for page in DEFAULTS if page != browser.page]))
        elif act in ("back", "forward"):
            browser.move(-1 if act == "back" else 1)
            said |= browser.entry.values
        else:
            browser.refresh() if act == "refresh" else browser.reload()
        browser.rest()
        assert all(browser.server.shown[name] == said.get(name, default) for name, default in DEFAULTS[browser.page].items())
        assert browser.entry.values == {name: browser.server.shown[name] for name in DEFAULTS[browser.page]}
        changed = act == "gesture" and said != before[1] and any(said[name] != before[1].get(name) for name in DEFAULTS[browser.page])
        if act in ("gesture", "click"):
            assert browser.at - before[0] == (1 if changed or act == "click" else 0)
        if changed:
            browser.move(-1)
            browser.rest()
            assert (browser.entry.values, browser.page) == before[1:], "Back undoes one gesture"


@pytest.mark.parametrize("seed", range(400))
def test_walks_that_wait_for_nothing_end_at_what_was_said_last(seed):
    """Messages are delayed, runs are cut short, and nobody waits: the last gesture or address holds."""
    chance = random.Random(seed)
    browser = Browser(chance, Server(chance))
    browser.open(chance.choice(list(DEFAULTS)), {"epsilon": chance.choice(VALUES["epsilon"])})
    epsilon = browser.entry.values["epsilon"]
    for _ in range(N_ACTS):
        act = chance.choice(("gesture", "gesture", "click", "back", "forward", "refresh", "refresh", "reload"))
        if act == "gesture":
            epsilon = chance.choice(VALUES["epsilon"])
            browser.gesture("epsilon", epsilon)
        elif act == "click":
            browser.click(chance.choice(list(DEFAULTS)))
        elif act == "refresh":
            browser.refresh()
        elif act == "reload":
            browser.reload()
            epsilon = browser.entry.values.get("epsilon", "1")
        elif browser.move(-1 if act == "back" else 1):
            epsilon = browser.entry.values.get("epsilon", "1")
            if "epsilon" not in browser.entry.values:
                browser.rest()  # what is left open is not said before the page has been drawn
        for _ in range(chance.choice((0, 0, 1, 2, 5))):
            browser.let_pass()
    browser.rest()
    assert browser.server.shown["epsilon"] == epsilon == browser.entry.values["epsilon"]
    assert browser.server.address.page == browser.page == browser.entry.page
