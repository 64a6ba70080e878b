"""The fairness page: its sentences and figures, the analysis plan, and what it shows where something is missing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete
from streamlit.testing.v1 import AppTest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.foreign_text import plain
from dpmed_core.imaging.modality import Modality
from dpmed_core.privacy.ledger.analysis_plans import plan_body
from dpmed_core.privacy.ledger.book import PLAN
from dpmed_core.privacy.ledger.chain import ledger_entries
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.following import figures, said

FIGURES = 2
"""The forest plot, and the open one of the others: parity at first."""


def texts(app) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join([*(str(element.value) for kind in kinds for element in getattr(app, kind)), said(app)])


def figure_text(figure) -> str:
    layout = figure["layout"]
    return f"{layout['title']['text']} {layout['title']['subtitle']['text']} {layout.get('annotations', [])}".replace("<br>", " ")


@pytest.fixture
def cohort(empty):
    """400 patients of two images each, so small that nothing must be drawn; few are older than 80."""
    rng = np.random.default_rng(0)
    n_patients, patient = 400, np.repeat(np.arange(400), 2)
    age = np.where(rng.random(n_patients) < 0.02, 85, rng.integers(35, 79, n_patients))
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(len(patient))],
            "patient_id": [f"{p:016x}" for p in patient],
            "age": age[patient].astype(float),
            "sex": rng.choice(["female", "male"], n_patients)[patient],
            "split": None,
            **{name: (rng.random(len(patient)) < 0.4).astype(float) for name in ("cardiomegaly", "effusion")},
            "copd": rng.choice([0.0, 1.0], n_patients)[patient],
        }
    )
    return empty.cohorts.write(
        "groups",
        modality=Modality.RADIOGRAPH,
        synthetic=True,
        findings=("cardiomegaly", "effusion"),
        comorbidities=("copd",),
        cases=cases,
        images=rng.integers(0, 256, (len(cases), 2, 2), dtype=np.uint8),
        report=ImportReport(len(cases), len(cases), n_patients, 0, 0),
    )


@pytest.fixture
def trained(empty, cohort, finish):
    """Two private models at each of two budgets, and two references."""
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0, 8.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    empty.ledger.ask(cohort, specs)
    for spec in specs:
        finish(spec)
    return specs


@pytest.fixture
def plans(empty, cohort):
    """What was planned, read anew at each call."""
    return lambda: empty.ledger.plan_record(cohort)


def test_finished_runs_become_a_sentence_a_verdict_and_figures_of_one_budget(trained, open_page):
    app = open_page("fairness", attribute="sex", epsilon="8", finding="cardiomegaly")
    assert not app.exception and not app.error
    shown = texts(app)
    assert "At ε = 8, AUROC for cardiomegaly is" in shown
    assert "By sex, the loss is" in shown and "largest" not in shown.split("By sex")[1].split("ε =")[0]
    assert "2 groups compared with the others by sex" in shown
    assert "analytic-gaussian accountant" in shown and "for each patient" in shown
    drawn = figures(app)
    assert len(drawn) == FIGURES
    assert sum("ε = 8 at δ" in figure_text(figure) for figure in drawn) == FIGURES
    labels = " ".join(drawn[0]["layout"]["yaxis"]["ticktext"])
    for word in ("All patients", "Female", "Male", "images", "positive", "patients"):
        assert word in labels


def test_tables_are_in_a_clinicians_words_once_they_are_opened(trained, open_page):
    app = open_page("fairness", attribute="sex", epsilon="8", finding="cardiomegaly")
    assert not app.dataframe
    app.session_state["verdicts-open"] = app.session_state["groups-open"] = True
    app.run()
    assert not app.exception
    verdicts, groups = (frame.value for frame in app.dataframe)
    assert set(groups["Group"]) == {"All patients", "Female", "Male"} and set(groups["Privacy"]) == {"without", "ε = 8"}
    assert set(verdicts["By"]) == {"Sex", "Age", "COPD"} and "With COPD" in set(verdicts["Group"])
    assert not any("_" in name for frame in (verdicts, groups) for name in frame.columns)


@pytest.mark.parametrize("title", ["Parity differences", "Gap between subgroups", "Size against loss"])
def test_each_other_figure_has_a_tab(trained, open_page, title):
    app = open_page("fairness", attribute="sex", epsilon="8", finding="cardiomegaly")
    assert [tab.label for tab in app.tabs] == ["Parity differences", "Gap between subgroups", "Size against loss"]
    app.session_state["figure-tab"] = title
    app.run()
    assert not app.exception
    drawn = figures(app)
    assert len(drawn) == FIGURES and title.split()[0].lower() in drawn[1]["layout"]["title"]["text"]


def test_another_budget_moves_everything(trained, open_page):
    app = open_page("fairness", attribute="sex", epsilon="8")
    app.session_state["choice-epsilon"] = "1"  # as the axis's gesture sets it
    app.run()
    assert not app.exception
    assert "At ε = 1, AUROC for the average finding" in texts(app)
    assert sum("ε = 1 at δ" in figure_text(figure) for figure in figures(app)) == FIGURES
    assert app.query_params["epsilon"] in ("1", ["1"])


def test_looking_writes_nothing_and_the_plan_of_the_first_runs_is_stated(trained, cohort, plans, open_page):
    before = plans()
    shown = texts(open_page("fairness", attribute="sex"))
    assert "before these verdicts were first shown" in shown and "comparisons at once" in shown and "Exploratory" not in shown
    assert "Exploratory" not in texts(open_page("fairness", attribute="age"))
    assert plans() == before and len(before.written) == 1
    assert set(before.plan.attributes) == {"sex", "age", *cohort.comorbidities} and set(before.plan.findings) == set(cohort.findings)


def test_what_the_plan_does_not_name_is_called_exploratory_on_the_page_and_in_its_figures(trained, open_page):
    app = open_page("fairness", attribute="sex*age", epsilon="8")
    assert "Exploratory: the analysis plan does not name groups by sex and age." in texts(app)
    assert "Exploratory: the analysis plan does not name groups by sex and age." in figure_text(figures(app)[0])
    assert "Exploratory" not in figure_text(figures(open_page("fairness", attribute="sex", epsilon="8"))[0])


def with_open_plan(app: AppTest) -> AppTest:
    app.session_state["plan-open"] = True
    return app.run()


def test_a_plan_can_be_written_before_the_first_run_and_a_change_needs_a_reason(empty, cohort, finish, plans, open_page):
    app = open_page("fairness", attribute="sex")
    assert not app.multiselect, "the form is made when somebody opens it"
    app = with_open_plan(app)
    app.multiselect[0].set_value(["sex"])
    app.number_input[0].set_value(0.05)
    next(button for button in app.button if button.label == "Write the plan").click().run()
    assert not app.exception
    assert (plans().plan.attributes, plans().plan.margin) == (("sex",), 0.05)
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=2, delta=None, unit=PrivacyUnit.PATIENT)
    empty.ledger.ask(cohort, specs)
    for spec in specs:
        finish(spec)
    app = open_page("fairness", attribute="age")
    assert "Age is not in the analysis plan" in texts(app) and "Margin" not in texts(app)
    assert "Margin: 0.05" in texts(open_page("fairness", attribute="sex"))
    app = with_open_plan(app)
    app.multiselect[0].set_value(["age"])
    change = next(button for button in app.button if button.label == "Change the plan")
    assert "Say why" in " ".join(error.value for error in change.click().run().error)
    app.text_input[-1].set_value("the clinic asked")
    next(button for button in app.button if button.label == "Change the plan").click().run()
    assert plans().plan.attributes == ("age",) and plans().written[-1].reason == "the clinic asked"


def test_the_reason_of_a_change_is_shown_as_text_and_never_as_an_image_or_a_link(trained, empty, cohort, plans, open_page):
    typed = "![p](http://host/x.png) <a href='http://host'>x</a>"
    empty.ledger.append(PLAN, lambda book: plan_body(cohort, plans().plan, after_results=True, reason=typed))
    app = open_page("fairness", attribute="sex", epsilon="8")
    assert not app.exception
    shown = [caption.value for caption in app.caption if "host/x.png" in caption.value]
    assert shown and all("!\\[p\\](" in text and "![p](" not in text for text in shown)
    assert "&lt;a href=" in figure_text(figures(app)[0]) and "<a href=" not in figure_text(figures(app)[0])


def test_one_training_run_of_each_is_not_enough_evidence(asked, finish, open_page):
    for spec in asked:
        finish(spec)
    shown = texts(open_page("fairness", attribute="sex", finding="cardiomegaly"))
    assert "2 of 2 could not be decided (one training run" in shown
    headline = "At ε = 1, there is not enough evidence by sex to tell whether privacy costs some patients more than others."
    assert headline in shown and shown.index(headline) < shown.index("At ε = 1, AUROC for"), "the verdict comes first"


def test_groups_that_are_too_small_are_shown_with_the_reason(trained, open_page):
    app = open_page("fairness", attribute="sex*age", epsilon="1", finding="cardiomegaly")
    assert not app.exception
    assert "not estimable" in figure_text(figures(app)[0])
    assert "fewer than" in figure_text(figures(app)[0]) or "only one class" in figure_text(figures(app)[0])
    assert "Female, 80+ years" in " ".join(figures(app)[0]["layout"]["yaxis"]["ticktext"])


def test_the_page_asks_for_a_reference_where_private_models_have_none(asked, finish, open_page):
    finish(next(spec for spec in asked if spec.privacy is not None))
    app = open_page("fairness", attribute="sex")
    assert not app.exception
    assert "no model without privacy to compare with" in texts(app)
    assert "At ε = 1, there is no verdict" in texts(app) and "is not in the analysis plan" not in texts(app)
    assert len(figures(app)) == FIGURES


def test_the_page_asks_for_a_private_model_where_only_the_reference_is_trained(asked, finish, open_page):
    finish(next(spec for spec in asked if spec.privacy is None))
    app = open_page("fairness", attribute="sex")
    assert not app.exception
    assert "No private model with this recipe and unit is finished yet" in texts(app)


@pytest.mark.parametrize(("name", "value"), [("attribute", "shoe_size"), ("epsilon", "7"), ("attribute", "age:65/40")])
def test_a_choice_that_does_not_exist_is_named_and_not_replaced(trained, open_page, name, value):
    app = open_page("fairness", **{name: value})
    assert not app.exception
    assert plain(value.removeprefix("age:")) in app.error[0].value


def test_cuts_of_age_can_be_given_in_the_address(trained, open_page):
    app = open_page("fairness", attribute="age:50/70", epsilon="1")
    assert not app.exception and not app.error
    assert "Under 50 years" in " ".join(figures(app)[0]["layout"]["yaxis"]["ticktext"])


def test_a_plan_that_was_removed_from_the_ledger_is_reported_on_the_page_and_in_its_figures(trained, empty, open_page):
    with empty.ledger.chain.database.transaction() as connection:
        connection.execute(delete(ledger_entries).where(ledger_entries.c.kind == PLAN))
    app = open_page("fairness", attribute="sex", epsilon="8")
    assert not app.exception
    assert "was changed or replaced by an older copy" in texts(app) and "before these verdicts" not in texts(app)
    assert "Exploratory: the ledger" in figure_text(figures(app)[0])


def test_failed_runs_leave_the_finished_ones_on_the_page(empty, trained, open_page):
    run_id = empty.runs.run_id(trained[0])
    empty.runs.set_progress(run_id, replace(Progress(RunState.FAILED), attempt=1, message="The disk is full: free some space."))
    app = open_page("fairness", attribute="sex", epsilon="1")
    assert not app.exception
    assert len(figures(app)) == FIGURES
