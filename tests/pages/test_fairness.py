"""The fairness page: its sentences and figures, the locked analysis plan, and what it shows where something is missing."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.evaluation.analysis_plan import AnalysisPlans
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.status import Progress, RunState
from dpmed_core.training.spec import PrivacyUnit

FIGURES = 2
"""The forest plot, and the open one of the others: parity at first."""


def texts(app) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def figures(app) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


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
    for spec in specs:
        empty.runs.ask(spec, cohort_name=cohort.name)
        finish(spec)
    return specs


@pytest.fixture
def plans(empty):
    return AnalysisPlans(empty.settings.analysis_plans_dir, empty.key)


def test_finished_runs_become_a_sentence_a_verdict_and_figures_of_one_budget(trained, open_page):
    app = open_page("fairness", attribute="sex", epsilon="8", finding="cardiomegaly")
    assert not app.exception and not app.error
    shown = texts(app)
    assert "At ε = 8, AUROC for cardiomegaly is" in shown
    assert "By sex, the loss through privacy is" in shown and "largest" not in shown.split("By sex")[1].split("ε =")[0]
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


def test_the_slider_moves_everything(trained, open_page):
    app = open_page("fairness", attribute="sex", epsilon="8")
    app.select_slider(key="choice-epsilon").set_value("1").run()
    assert not app.exception
    assert "At ε = 1, AUROC for the average finding" in texts(app)
    assert sum("ε = 1 at δ" in figure_text(figure) for figure in figures(app)) == FIGURES
    assert app.query_params["epsilon"] in ("1", ["1"])


def test_a_default_plan_is_locked_at_the_first_look_and_kept(trained, cohort, plans, open_page):
    assert plans.first(cohort) is None
    assert "were locked on" in texts(open_page("fairness", attribute="sex"))
    first = plans.first(cohort)
    assert set(first.attributes) == {"sex", "age", *cohort.comorbidities} and set(first.findings) == set(cohort.findings)
    assert "were not planned" not in texts(open_page("fairness", attribute="age"))
    assert plans.first(cohort) == first


def test_an_analysis_plan_can_be_chosen_before_there_are_results_and_a_later_one_is_marked(asked, finish, cohort, plans, open_page):
    app = open_page("fairness", attribute="sex")
    app.multiselect[0].set_value(["sex"])
    app.number_input[0].set_value(0.05)
    next(button for button in app.button if button.label == "Lock this choice").click().run()
    assert not app.exception
    assert (plans.first(cohort).attributes, plans.first(cohort).margin) == (("sex",), 0.05)
    for spec in asked:
        finish(spec)
    app = open_page("fairness", attribute="age")
    assert "Age is not in the analysis plan" in texts(app) and "Margin: 0.05" in texts(app)
    app.multiselect[0].set_value(["age"])
    next(button for button in app.button if button.label == "Look under this choice").click().run()
    assert "These verdicts were not planned" in texts(app)


def test_one_training_run_of_each_is_not_enough_evidence(asked, finish, open_page):
    for spec in asked:
        finish(spec)
    shown = texts(open_page("fairness", attribute="sex", finding="cardiomegaly"))
    assert "evidence is not enough" in shown and "one training run" in shown


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
    assert value.removeprefix("age:") in app.error[0].value


def test_cuts_of_age_can_be_given_in_the_address(trained, open_page):
    app = open_page("fairness", attribute="age:50/70", epsilon="1")
    assert not app.exception and not app.error
    assert "Under 50 years" in " ".join(figures(app)[0]["layout"]["yaxis"]["ticktext"])


def test_a_changed_record_of_plans_is_reported_on_the_page(trained, cohort, plans, open_page):
    open_page("fairness", attribute="sex")
    path = plans.root / f"{cohort.fingerprint}.jsonl"
    path.write_text(path.read_text().replace("0.02", "0.05"))
    app = open_page("fairness", attribute="sex")
    assert not app.exception
    assert "was changed" in app.error[0].value


def test_failed_runs_leave_the_finished_ones_on_the_page(empty, trained, open_page):
    run_id = empty.runs.run_id(trained[0])
    empty.runs.set_progress(run_id, replace(Progress(RunState.FAILED), attempt=1, message="The disk is full: free some space."))
    app = open_page("fairness", attribute="sex", epsilon="1")
    assert not app.exception
    assert len(figures(app)) == FIGURES
