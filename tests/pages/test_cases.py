"""The page Cases: the list, the selected case and its sentences, and what is shown where something is missing."""

import re

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.case_links import case_links
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.evaluation.scores.scored_runs import finished_runs, run_facts
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import load_settings
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.case_list import listed, sent
from tests.pages.following import figures
from tests.pages.html_tables import case_table
from widgets.cases import case_rows
from widgets.cases.choice import CaseList


def texts(app) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def select(app, label):
    return next(box for box in app.selectbox if box.label == label)


@pytest.fixture
def trained(empty, cohort, finish):
    """Two budgets and the reference, two runs of each, with different scores."""
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    for luck, spec in enumerate(specs):
        empty.runs.ask(spec, cohort_name=cohort.name)
        finish(spec, luck)
    return specs


@pytest.fixture
def test_rows(empty, cohort):
    return assign_parts(cohort, seed=0, key=empty.key).rows(Part.TEST)


def test_a_case_is_shown_with_the_scores_of_the_store(empty, cohort, trained, open_page, test_rows):
    link = case_links(cohort, empty.key).links[test_rows[3]]
    app = open_page("cases", finding="cardiomegaly", epsilon="8", case=link)
    assert not app.exception
    stored = [empty.runs.scores(s.run_id).assign(**run_facts(empty.runs, s)) for s in finished_runs(empty.runs, cohort)]
    scored = pd.concat(stored)
    own = scored[(scored["case_id"] == cohort.cases["case_id"].iloc[test_rows[3]]) & (scored["finding"] == "cardiomegaly")]
    shown = case_table(app).loc["Cardiomegaly"]
    private, reference = own[own["epsilon"] == 8]["score"], own[own["epsilon"].isna()]["score"]
    assert f"{private.mean():.3f}" in shown["Private score"] and f"{reference.mean():.3f}" in shown["Non-private score"]
    assert "ε = 8 at δ = 1e-05 for each patient (analytic-gaussian accountant" in texts(app)
    assert "At ε = 8," in texts(app) and "would" in texts(app)
    figure = figures(app)[0]
    assert "δ = 1e-05 for each patient (analytic-gaussian accountant)" in figure["layout"]["title"]["subtitle"]["text"].replace("<br>", " ")


def test_steps_follow_the_list_and_are_in_the_address(trained, cohort, open_page):
    app = open_page("cases", finding="cardiomegaly", sort="change")
    first = app.query_params["case"]
    order = listed(app)
    assert order["Change"].abs().is_monotonic_decreasing and order["Change"].abs().iloc[0] > 0
    next(button for button in app.button if button.label == "Next").click().run()
    assert app.query_params["case"] != first and "Case 2 of" in texts(app)
    next(button for button in app.button if button.label == "Previous").click().run()
    assert app.query_params["case"] == first


def test_the_page_opens_on_an_answer_that_privacy_changed(trained, cohort, open_page):
    for finding in cohort.findings:
        app = open_page("cases", finding=finding)
        order = listed(app)
        answers = order[["Private answer", "Non-private answer"]]
        changed = answers.isin(["Positive", "Negative"]).all(axis=1) & (answers.nunique(axis=1) > 1)
        if changed.iloc[0]:
            break
        # An answer that is changed at one threshold for all alone may stand before those that are changed at each model's own.
        assert not changed.any() or "At one threshold for all (" in texts(app), finding
    assert changed.iloc[0] and "## Privacy would have changed this answer: " in texts(app)
    assert re.search(r"All \d+ cases; changed answers first, harmful ones on top", texts(app))


def test_a_filter_says_how_many_cases_it_leaves_and_leaves_them(trained, cohort, open_page, test_rows):
    app = open_page("cases", finding="cardiomegaly")
    n_present = int((cohort.cases["cardiomegaly"].iloc[test_rows] == 1).sum())
    assert f"Present ({n_present})" in select(app, "Label").options
    app = open_page("cases", finding="cardiomegaly", truth="present")
    assert set(listed(app)["Label"]) == {"Present"} and len(listed(app)) == n_present


def test_a_linked_case_stays_selected_until_the_filters_change(empty, trained, cohort, open_page, test_rows):
    links = case_links(cohort, empty.key).links
    absent = next(row for row in test_rows if cohort.cases["cardiomegaly"].iloc[row] == 0)
    app = open_page("cases", finding="cardiomegaly", truth="present", case=links[absent])
    assert app.query_params["case"] == links[absent] and "The filters leave this case out" in texts(app)
    select(app, "Label").select("every").run()
    select(app, "Label").select("present").run()
    assert "Case 1 of" in texts(app) and app.query_params["case"] != links[absent]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"case": "0123456789abcdef"}, "cannot be shown here"),
        ({"truth": "perhaps"}, "“perhaps” does not exist here"),
        ({"sort": "luck"}, "“luck” does not exist here"),
        ({"by": "shoe-size"}, "“shoe-size” does not exist here"),
        ({"part": "train"}, "“train” does not exist here"),
        ({"epsilon": "3"}, "“3” does not exist here"),
    ],
)
def test_values_that_do_not_exist_are_reported(address, said, trained, open_page):
    app = open_page("cases", finding="cardiomegaly", **address)
    assert not app.exception
    assert said in texts(app)


def test_training_cases_are_shown_with_a_warning_and_only_where_the_installation_allows_it(empty, trained, cohort, open_page, monkeypatch):
    split = assign_parts(cohort, seed=0, key=empty.key)
    links = np.array(case_links(cohort, empty.key).links)
    training = links[split.rows(Part.TRAIN)[0]]
    assert "cannot be shown here" in texts(open_page("cases", finding="cardiomegaly", case=training))
    monkeypatch.setenv("DPMED_SHOW_TRAINING_CASES", "true")
    load_settings.cache_clear()
    import streamlit as st

    st.cache_resource.clear()
    app = open_page("cases", finding="cardiomegaly", part="train", case=training)
    assert "guarantee does not cover this view" in texts(app) and app.query_params["case"] == training
    assert "No model has scored this case" in texts(app)
    app = open_page("cases", finding="cardiomegaly", part="validation")
    assert "guarantee does not cover this view" in texts(app) and "At ε = 1," in texts(app)
    assert "guarantee does not cover" not in texts(open_page("cases", finding="cardiomegaly", part="test"))


def test_without_references_or_private_models_the_page_says_what_is_missing(empty, cohort, finish, open_page):
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    reference, private = specs
    for spec in specs:
        empty.runs.ask(spec, cohort_name=cohort.name)
    finish(private)
    app = open_page("cases", finding="cardiomegaly")
    assert not app.exception and "No model without privacy has been trained for comparison" in texts(app)
    assert set(listed(app)["Non-private answer"]) == {"No answer"}
    empty.runs.withdraw(empty.runs.run_id(private))
    finish(reference)
    app = open_page("cases", finding="cardiomegaly")
    assert not app.exception and "No private model with this recipe" in texts(app) and "Without privacy, the one model" in texts(app)


def test_over_all_findings_each_case_shows_the_finding_that_changed_most(trained, open_page):
    app = open_page("cases", finding="macro")
    assert not app.exception
    assert listed(app)["Finding"].nunique() > 1


def test_nothing_identifying_is_in_the_address(trained, cohort, open_page):
    app = open_page("cases", finding="cardiomegaly")
    values = " ".join(str(value) for value in app.query_params.values())
    assert not any(str(value) in values for value in [*cohort.cases["case_id"], *cohort.cases["patient_id"]])


def test_the_list_says_what_the_scores_say_and_takes_no_case_that_it_does_not_have(trained, cohort, open_page, monkeypatch):
    app = open_page("cases", finding="cardiomegaly", epsilon="8")
    table, data = listed(app), sent(app)
    assert (
        data["current"] == app.query_params["case"]
        and len(set(table.index)) == len(table)
        and list(table["No."]) == [*range(1, len(table) + 1)]
    )
    assert ((table["Private score"] - table["Non-private score"] - table["Change"]).abs() <= 0.0015).all()
    picked = []
    monkeypatch.setattr(case_rows, "gesture", lambda name, link: picked.append((name, link)))
    cases = CaseList(pd.DataFrame(), ["a"], {"a": "mass", "b": "mass"})
    for reported in ("a", "b", "c", None, 3, ["a"]):
        monkeypatch.setattr(case_rows, "reported", lambda key, name, reported=reported: reported)
        case_rows._pick(cases)
    assert picked == [("case", "a"), ("case", "b")]


def test_numbers_of_the_list_are_text_and_empty_where_there_is_none():
    assert case_rows._numbers(pd.Series([-0.1234, 0.5, np.nan])) == ["−0.123", "0.500", ""]
