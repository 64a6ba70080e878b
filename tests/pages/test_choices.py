"""Choices in the sidebar, on a page, and in addresses."""

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.installation import Installation
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.recipes.catalogue import RECIPES
from dpmed_core.training.spec import PrivacyUnit, RunSpec, StartChoice

ELSEWHERE = StartChoice("elsewhere", "0" * 64, (("cardiomegaly", "cardiomegaly"),))
OpenPage = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest leaves its page as the main module, which processes that tests start would run again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def chosen(app: AppTest) -> dict[str, str]:
    return {name: value[-1] if isinstance(value, list) else value for name, value in app.query_params.items()}


def slider_page(**address: str) -> AppTest:
    """A page with one slider, whose options the session may change, and a number that draws it anew."""

    def page() -> None:
        import streamlit as st

        from widgets.address.choice import choice

        options = st.session_state.setdefault("budgets", ["0.3", "1", "8"])
        st.write(choice("epsilon", "Budget", options, default="1", widget=st.select_slider))
        st.number_input("Another", key="another")

    app = AppTest.from_function(page)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def test_a_slider_begins_at_its_default_and_not_at_its_first_stop():
    app = slider_page()
    assert app.select_slider[0].value == "1"
    # What a browser takes where it has no value of its own yet; it reports it with the next message.
    assert list(app.select_slider[0].proto.default) == [1] and not app.select_slider[0].proto.set_value
    assert chosen(app)["epsilon"] == "1"


def test_a_gesture_moves_the_slider_and_leaves_it_on_the_page():
    app = slider_page()
    before = app.select_slider[0].proto.id
    app.select_slider[0].set_value("8").run()
    assert app.select_slider[0].value == "8" and app.select_slider[0].proto.id == before
    assert chosen(app)["epsilon"] == "8" and chosen(app)["entry"].startswith("new-0")
    app.number_input[0].set_value(3).run()
    assert app.select_slider[0].value == "8" and app.select_slider[0].proto.id == before


def test_a_move_back_puts_another_slider_in_its_place_whatever_the_browser_has():
    app = slider_page(epsilon="1")
    app.select_slider[0].set_value("8").run()
    before = app.select_slider[0].proto.id
    app.query_params = {"epsilon": ["1"], "moved": ["1"]}
    app.run()
    assert app.select_slider[0].value == "1" and app.select_slider[0].proto.id != before
    assert chosen(app) == {"epsilon": "1", "entry": "same-1-"}


def test_a_budget_that_is_trained_meanwhile_moves_nothing():
    app = slider_page()
    app.select_slider[0].set_value("8").run()
    app.session_state["budgets"] = ["0.1", "0.3", "1", "2", "8"]
    app.run()
    assert app.select_slider[0].value == "8" and chosen(app)["epsilon"] == "8"


def test_an_address_of_a_slow_browser_moves_nothing():
    app = slider_page(epsilon="1")
    app.select_slider[0].set_value("8").run()
    app.query_params = {"epsilon": ["1"]}
    app.run()
    assert app.select_slider[0].value == "8"


@pytest.mark.parametrize("asked", ["3", "x" * 5000, ""])
def test_a_value_that_does_not_exist_is_reported_and_stays_in_the_address(asked):
    app = slider_page(epsilon=asked)
    if asked:
        assert "does not exist here: choose another." in app.error[0].value and not app.select_slider
        assert chosen(app)["epsilon"] == asked
    else:
        assert app.select_slider[0].value == "1"


def asked_for(empty: Installation, cohort: Cohort, **changed: object) -> RunSpec:
    (spec,) = plan_runs(
        cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT, non_private=False
    )
    return replace(spec, **changed)


@pytest.mark.parametrize(
    ("trained", "begins"),
    [
        ([{}], ("probe", "scratch", "patient")),
        ([{"recipe": "paper", "recipe_version": RECIPES["paper"].version}], ("paper", None, "patient")),
        ([{"unit": PrivacyUnit.IMAGE}], ("probe", "scratch", "image")),
        ([{"start": ELSEWHERE}], ("probe", "elsewhere", "patient")),
        ([{"start": ELSEWHERE, "unit": PrivacyUnit.IMAGE}, {"unit": PrivacyUnit.PATIENT}], ("probe", "scratch", "patient")),
    ],
    ids=["first options", "recipe", "unit", "start", "scratch comes first"],
)
def test_where_nobody_has_chosen_the_sidebar_has_what_was_trained(empty, cohort, finish, open_page, trained, begins):
    for changed in trained:
        spec = asked_for(empty, cohort, **changed)
        empty.ledger.ask(cohort, [spec])
        finish(spec)
    app = open_page("overview")
    recipe, start, unit = begins
    assert not app.exception and (chosen(app)["recipe"], chosen(app)["unit"]) == (recipe, unit)
    assert chosen(app).get("start") == start
    assert not any("No model is finished yet" in info.value for info in app.info)
    assert chosen(open_page("overview", recipe="finetune"))["recipe"] == "finetune"  # an address goes before


@pytest.mark.parametrize("page", ["overview", "meeting", "privacy_utility", "fairness"])
def test_a_page_without_models_of_the_chosen_start_names_the_starts_that_have_some(empty, cohort, finish, open_page, page):
    spec = asked_for(empty, cohort, start=ELSEWHERE)
    empty.ledger.ask(cohort, [spec])
    finish(spec)
    (said,) = [info.value for info in open_page(page, recipe="probe", start="scratch").info]
    assert "No model that begins from scratch is finished yet. Models at public start elsewhere are" in said


def test_a_start_whose_models_cannot_be_read_is_not_said_to_have_some(cohort, open_page, monkeypatch):
    monkeypatch.setattr("widgets.none_finished.trained_kinds", lambda *_: [("probe", None, "patient")])
    said = [info.value for info in open_page("privacy_utility").info]
    assert any(text.startswith("No model is finished yet.") for text in said) and not any("choose them under" in text for text in said)


def test_choices_survive_a_way_over_other_pages(cohort: Cohort, open_page: OpenPage):
    app = open_page("cases", cohort=cohort.name)
    app.selectbox(key="choice-finding").set_value("cardiomegaly").run()
    app.query_params = {}
    app.switch_page("train.py").run()
    assert chosen(app)["finding"] == "cardiomegaly"


def test_a_widget_that_was_replaced_while_its_message_was_under_way_still_counts():
    """A slow browser reports it after the page has drawn another in its place."""

    def page() -> None:
        import streamlit as st

        from widgets.address.choice import _moved, choice
        from widgets.address.session import stated

        choice("finding", "Finding", ["mass", "effusion"])
        _moved("finding", "choice-finding-gone")
        st.session_state["choice-finding-old"] = "effusion"
        _moved("finding", "choice-finding-old")
        st.write(stated("finding"))

    app = AppTest.from_function(page).run()
    assert not app.exception and app.markdown[0].value == "effusion"
    assert app.run().selectbox[0].value == "effusion"


def test_a_replaced_widget_that_nobody_moved_chooses_nothing():
    """Until a page is drawn to its end, the browser reports what stood there before, with every part that refreshes itself."""

    def page() -> None:
        import streamlit as st

        from widgets.address.choice import _moved, choice
        from widgets.address.session import gesture, stated

        opened = st.session_state.setdefault("opened", False)
        choice("review", "Review", ["all", "first", *(["second"] if opened else [])])
        if not opened:
            st.session_state["opened"] = True
            gesture("review", "second")
            st.rerun()
        st.session_state["choice-review"] = "all"
        _moved("review", "choice-review")
        st.write(stated("review"))
        st.session_state["choice-review"] = "first"
        _moved("review", "choice-review")
        st.write(stated("review"))
        gesture("review", "second")
        _moved("review", "choice-review")
        st.write(stated("review"))

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert [text.value for text in app.markdown] == ["second", "first", "second"], "what a person moved it to counts, and once"
