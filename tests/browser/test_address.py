"""Choices, addresses and the browser's history in a real browser, with every message delayed."""

import random
from itertools import pairwise

import pytest

from benchmarks.address_walk import DELAYS, Walk
from benchmarks.address_walk_store import NAME, make
from dpmed_core.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MOST_DELAY = 60
"""Milliseconds; `python -m benchmarks address-walk` delays and walks longer."""
N_ACTS = 12


@pytest.fixture(scope="module")
def served(own_dashboard):
    make(own_dashboard.settings, Installation.open(own_dashboard.settings))
    own_dashboard.start()
    return own_dashboard


@pytest.fixture(scope="module")
def slow(tab):
    tab.add_init_script(f"({DELAYS})({MOST_DELAY})")
    tab.set_viewport_size({"width": 1440, "height": 1000})
    return tab


def test_a_gesture_and_a_click_are_one_entry_each_and_back_undoes_one(served, slow):
    walk = Walk(slow, served.url, random.Random(0))
    walk.path, walk.epsilon = "privacy_utility", "1"
    slow.goto(f"{served.url}/{walk.path}?cohort={NAME}")
    opened = walk.look("visit")
    places = [opened.place]
    for act in ("gesture", "gesture", "click"):
        walk.do(act)
        places.append(walk.last.place)
    assert [after - before for before, after in pairwise(places)] == [1, 1, 1]
    for _ in range(3):
        walk.do("back")
    assert (walk.last.place, walk.last.page, walk.last.slider) == (opened.place, "privacy_utility", "1")
    assert walk.wrong == [] and "entry=" not in slow.url and "moved=" not in slow.url


def test_a_walk_shows_what_the_last_gesture_or_address_said(served, slow):
    walk = Walk(slow, served.url, random.Random(3))
    walk.walk(N_ACTS)
    assert walk.wrong == []
    assert all(set(added) <= {0, 1} for added in walk.added.values())
