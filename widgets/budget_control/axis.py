"""The axis of privacy budgets, a widget that reports a gesture when it is over."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log
from typing import Any

import streamlit as st

from dpmed_core.foreign_text import plain_line
from widgets.browser_programs import AXIS, LOADER
from widgets.lookup import reported

SCOPE = "epsilon"
"""Name, in the browser, of the budget that axis and followers share."""
MOUNTED, SEEN = "budget-axis", "budget-axis-seen"
"""Keys in the session's state: of the axis on the page, and of its last gesture that the page has taken over."""
OVERTAKEN = 10**15
"""Later than any gesture, whose number is its time in milliseconds."""
HTML = '<div class="dpmed-budget"></div>'


def budget_axis(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    value: str | None = None,
    on_change: Callable[..., None],
    args: Sequence[Any] = (),
    format_func: Callable[[str], str] = str,
    guarantees: Mapping[str, str] | None = None,
    offered: Sequence[str] = (),
    on_ask: Callable[[str], None] | None = None,
) -> str | None:
    """The chosen one of the trained budgets `options`, on a logarithmic axis; a widget for `widgets.choices.choice`.

    While it is moved, nothing is sent: what follows it moves in the browser (`widgets.budget_control.following`). A gesture is reported
    once, when it is over.

    Args:
        label: what screen readers call it.
        options: trained budgets.
        key: of the session's state that holds the chosen one; None there for none.
        value: what it holds at first.
        on_change: called with `args` after another one was chosen.
        args: of `on_change`.
        format_func: unused; an option is a number.
        guarantees: what to say of a trained budget besides ε, e.g. "δ = 1e-5 for each patient".
        offered: budgets without a model, which can be asked for.
        on_ask: called with the offered one that was asked for.
    """
    del format_func
    # Set here, and no widget's: the browser is told of the chosen budget with the data, and never sets it but by a gesture.
    chosen = st.session_state.setdefault(key, value)

    def choose(budget: str) -> None:
        st.session_state[key] = budget
        on_change(*args)

    offers = offered if on_ask else ()
    data = {
        "program": AXIS.address,
        "kind": "axis",
        "scope": SCOPE,
        "label": label,
        "stops": stops_on_axis(options, offers, guarantees or {}),
        "chosen": chosen,
        # The browser keeps its own budget until the page has taken its last gesture over.
        "seen": st.session_state.get(SEEN, 0),
    }
    does = {**dict.fromkeys(offers, on_ask), **dict.fromkeys(options, choose)}
    component()(key=MOUNTED, data=data, on_gesture_change=partial(_take_over, does))
    return chosen if chosen in options else None


def _take_over(does: Mapping[str, Callable[[str], None]]) -> None:
    """Do what a gesture on a budget does: it comes from the browser, so that only budgets that were offered to it are accepted."""
    gesture = reported(MOUNTED, "gesture")
    if not isinstance(gesture, dict):
        # It was overtaken: the browser goes back to the page's budget.
        st.session_state[SEEN] = OVERTAKEN
        return
    budget, number = gesture.get("budget"), gesture.get("number")
    if isinstance(number, int | float):
        st.session_state[SEEN] = number
    if isinstance(budget, str) and budget in does:
        does[budget](budget)


def stops_on_axis(trained: Sequence[str], offered: Sequence[str], guarantees: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the browser draws: each budget with its place from 0 to 1, whether it is trained, and what to say of it; smallest first."""
    budgets = {budget: True for budget in trained} | {budget: False for budget in offered if budget not in trained}
    ordered = sorted(budgets, key=float)
    places = _places([float(budget) for budget in ordered])
    return [
        {"budget": budget, "at": at, "trained": budgets[budget], "guarantee": plain_line(guarantees.get(budget, ""))}
        for budget, at in zip(ordered, places, strict=True)
    ]


def _places(epsilons: Sequence[float]) -> list[float]:
    """Shares of the axis, on a logarithmic scale; ε = 0, a public start alone, stands left of the smallest, as in figures."""
    positive = [epsilon for epsilon in epsilons if epsilon > 0]
    logs = [log(epsilon) if epsilon > 0 else log(min(positive, default=1.0) / 3) for epsilon in epsilons]
    span = logs[-1] - logs[0]
    return [round((value - logs[0]) / span, 4) if span else 0.5 for value in logs]


@st.cache_resource
def component() -> Callable[..., object]:
    """The component that shows the axis, or what follows it; in the page itself, since Plotly's styles do not reach into a shadow root."""
    return st.components.v2.component("dpmed-budget", html=HTML, js=LOADER, isolate_styles=False)
