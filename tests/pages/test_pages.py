"""Every page in every state that a reader can meet it in."""

import re
from dataclasses import replace

import numpy as np
import pytest
from streamlit import get_option

from dpmed_core.cohort.display_names import spelled_out
from dpmed_core.errors import EngineError
from dpmed_core.imaging.modality import Modality
from dpmed_core.runs.status import Progress, RunState
from tests.pages.following import axis, helps, said
from tests.pages.html_tables import copied_texts, html_numbers, html_tables

PAGES = ("overview", "train", "privacy_utility", "fairness", "meeting", "privacy", "cases", "review")


def texts(app) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    shown = (str(element.value) for kind in kinds for element in getattr(app, kind))
    return "\n".join([*shown, *copied_texts(app), said(app), helps(app)])


def runs_in_table(app):
    """The table of training runs on *Privacy and utility*, which is sent once it is opened."""
    assert not app.dataframe
    app.session_state["runs-open"] = True
    return app.run().dataframe[0].value


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_do_next(page, open_page):
    app = open_page(page)
    assert not app.exception
    assert "cohort add" in texts(app) and "add-demo" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_the_making_of_the_demo_is_shown_while_it_lasts(page, empty, open_page):
    (empty.settings.data_dir / "first-start.json").write_text('{"stage": "rendering", "done": 20, "total": 150}')
    app = open_page(page)
    assert not app.exception
    assert "The demo cohort is being made" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_cohort_without_runs_points_to_the_page_that_trains(page, cohort, open_page):
    app = open_page(page)
    assert not app.exception
    assert "Synthetic cohort" in texts(app)
    assert "Train" in texts(app) or "No training run yet" in texts(app)


def test_the_overview_counts_what_is_in_the_cohort(cohort, open_page):
    app = open_page("overview")
    patients = cohort.cases["patient_id"].nunique()
    assert html_numbers(app)["All"][0] == f"{patients:,} patients"
    assert list(html_tables(app)[0]["Finding"]) == [spelled_out(finding) for finding in cohort.findings]


@pytest.mark.parametrize("page", PAGES)
def test_a_running_queue_is_shown(page, empty, asked, open_page):
    run_id = empty.runs.run_id(asked[0])
    empty.runs.set_progress(run_id, replace(Progress(RunState.TRAINING), step=10, total_steps=40, seconds_left=30.0, attempt=1))
    app = open_page(page)
    assert not app.exception
    shown = texts(app)
    expected = {"overview": "1 training", "train": "unit patient", "privacy_utility": "2 models are still to come"}
    expected["fairness"] = expected["privacy_utility"]
    expected["meeting"] = "No model is finished yet"
    expected["privacy"] = expected["review"] = "is finished yet: train one on the page *Train*"
    expected["cases"] = "No finished model"
    assert expected[page] in shown
    if page == "train":
        assert re.search(r"2 models were requested earlier: these begin in about 1[56] seconds", shown), shown


def test_a_finished_pair_becomes_a_sentence_a_guarantee_a_figure_and_a_table(asked, finish, open_page):
    for spec in asked:
        finish(spec)
    app = open_page("privacy_utility")
    assert not app.exception
    shown = texts(app)
    assert "At ε = 1, AUROC for the average finding is" in shown
    assert "analytic-gaussian accountant" in shown and "for each patient" in shown and "δ" in shown
    assert "Without privacy it is" in shown
    assert len(runs_in_table(app)) == 2


def test_finished_runs_are_listed_on_the_page_train(asked, finish, open_page):
    for spec in asked:
        finish(spec)
    app = open_page("train")
    assert not app.exception
    assert "2 finished" in [expander.label for expander in app.expander]
    assert "Show all" not in " ".join(toggle.label for toggle in app.toggle)


def test_of_many_finished_runs_the_newest_are_listed_until_all_are_asked_for(asked, empty, cohort, finish, open_page):
    more = [replace(spec, seed=seed) for seed in (1, 2, 3) for spec in asked]
    empty.ledger.ask(cohort, more)
    for spec in [*asked, *more]:
        finish(spec)
    app = open_page("train")

    def listed() -> list[str]:
        return [text.value.split(", ")[-1] for text in app.markdown if re.search(r", seed \d$", text.value)]

    newest_first = [f"seed {spec.seed}" for spec in reversed([*asked, *more])]
    assert listed() == newest_first[:5]
    toggle = next(toggle for toggle in app.toggle if toggle.label == "Show all 8")
    toggle.set_value(True).run()
    assert listed() == newest_first


@pytest.mark.parametrize(
    ("delta", "said"), [("1e-5, 1e-6", "δ is one number"), ("0.5", "delta 0.5 cannot be used"), ("small", "write δ as")]
)
def test_a_delta_that_cannot_be_used_is_answered_as_a_delta(delta, said, cohort, open_page):
    app = open_page("train")
    next(box for box in app.text_input if box.label == "δ").set_value(delta).run()
    assert not app.exception and said in app.error[0].value and "Plan:" not in texts(app)


def test_an_engine_that_cannot_start_is_reported_where_a_run_is_tried_again(empty, asked, open_page, monkeypatch):
    def refuse(settings):
        raise EngineError("The engine could not be started.")

    run_id = empty.runs.run_id(asked[0])
    empty.runs.set_progress(run_id, replace(Progress(RunState.FAILED), attempt=1, message="The disk is full."))
    app = open_page("train")
    monkeypatch.setattr("dpmed_core.engine.process.ensure_engine", refuse)
    app.button(key=f"retry-{run_id}").click().run()
    assert not app.exception and "could not be started" in app.error[0].value


def test_a_failed_run_says_why_and_can_be_tried_again(empty, asked, open_page):
    run_id = empty.runs.run_id(asked[0])
    empty.runs.set_progress(run_id, replace(Progress(RunState.FAILED), attempt=1, message="The disk is full: free some space."))
    for page in PAGES:
        assert not open_page(page).exception
    app = open_page("train")
    assert "The disk is full" in texts(app)
    app.button(key=f"retry-{run_id}").click().run()
    assert empty.runs.status(run_id).state == RunState.QUEUED


def test_a_queued_run_can_be_cancelled_from_the_page(empty, asked, open_page):
    run_id = empty.runs.run_id(asked[0])
    open_page("train").button(key=f"cancel-{run_id}").click().run()
    assert empty.runs.status(run_id).state == RunState.CANCELLED


def test_a_damaged_run_is_named_and_left_out_and_the_others_stay(empty, asked, finish, open_page):
    for spec in asked:
        finish(spec)
    run_id = empty.runs.run_id(next(spec for spec in asked if spec.privacy is None))
    path = empty.runs.root / run_id / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    app = open_page("privacy_utility")
    assert not app.exception
    assert run_id in texts(app) and "damaged" in texts(app)
    assert len(runs_in_table(app)) == 1


def test_runs_with_an_older_version_of_their_recipe_are_left_out_with_a_note_once_there_are_newer_ones(
    empty, cohort, asked, finish, open_page
):
    older = [replace(spec, recipe_version=spec.recipe_version - 1) for spec in asked]
    for spec in older:
        empty.runs.ask(spec, cohort_name=cohort.name)
        finish(spec)
    assert "left out" not in texts(open_page("privacy_utility"))
    for spec in asked:
        finish(spec, luck=4)
    app = open_page("privacy_utility")
    assert not app.exception
    assert "2 runs with older versions of their recipes are left out" in texts(app)


def test_choices_are_read_from_the_address(asked, finish, open_page):
    for spec in asked:
        finish(spec)
    app = open_page("overview", finding="cardiomegaly", recipe="probe")
    assert app.selectbox(key="choice-finding").value == "cardiomegaly"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_a_synthetic_cohort_favours_the_public_encoder(page, cohort, open_page):
    assert cohort.synthetic
    said = texts(open_page(page))
    assert "favour recipes *probe* and *finetune*, whose public encoder was trained on their kind" in said


def test_a_cohort_that_does_not_exist_is_named_not_replaced(cohort, open_page):
    app = open_page("overview", cohort="elsewhere")
    assert not app.exception
    assert "elsewhere" in app.error[0].value


def test_the_cumulative_privacy_loss_is_shown_before_another_budget_is_trained(open_page, asked, finish):
    for spec in asked:
        finish(spec)
    page = open_page("privacy_utility")
    assert not any("So far:" in m.value for m in page.markdown)
    page.session_state["another-open"] = True
    page.run()
    texts = [m.value for m in page.markdown]
    assert any("So far:" in text for text in texts)
    assert any("With 3 private models of ε = 4:" in text and "δ = 1e-05" in text for text in texts)
    assert not page.exception and any(button.label == "Train 5 models" for button in page.button)


@pytest.mark.parametrize("name", ["privacy_utility", "fairness", "privacy", "cases"])
def test_a_budget_without_a_model_is_offered_on_the_axis_with_what_it_would_add(name, open_page, cohort, asked, finish):
    for spec in asked:
        finish(spec)
    page = open_page(name)
    stops = {stop["budget"]: stop["trained"] for stop in axis(page)["stops"]}
    assert stops["1"] and not stops["0.5"] and axis(page)["chosen"] == "1"
    page.session_state["asked-epsilon"] = (cohort.fingerprint, "0.5")
    page.run()
    shown = texts(page)
    assert not page.exception and "No model is trained at ε = 0.5." in shown.replace("\\", "")
    assert "With 3 private models of ε = 0.5:" in shown and axis(page)["chosen"] == "1"
    page.button(key="asked-close").click().run()
    assert "No model is trained" not in texts(page)
    page.session_state["asked-epsilon"] = ("another cohort", "0.5")
    assert "No model is trained" not in texts(page.run())


def test_only_recipes_that_take_the_cohorts_images_are_offered(empty, cohort, open_page):
    shown = open_page("train", cohort=cohort.name).selectbox(key="choice-recipe")
    assert "Paper (ResNet9)" in shown.options and "Paper in 3D (ResNet9)" not in shown.options
    empty.cohorts.write(
        "scans",
        modality=Modality.CT,
        synthetic=True,
        findings=cohort.findings,
        comorbidities=cohort.comorbidities,
        cases=cohort.cases,
        images=np.asarray(cohort.images),
        report=empty.cohorts.report(cohort.name),
    )
    app = open_page("train", cohort="scans")
    assert not app.exception
    assert {"Paper in 3D (ResNet9)", "Slices with attention (2.5D)"} <= set(app.selectbox(key="choice-recipe").options)
    assert "Paper (ResNet9)" not in app.selectbox(key="choice-recipe").options


def test_errors_per_hundred_and_predictive_values_at_a_prevalence_of_the_address(open_page, asked, finish):
    for spec in asked:
        finish(spec, luck=3 if spec.privacy else 4)
    page = open_page("privacy_utility", finding="cardiomegaly", prevalence="0.01")
    said = [m.value for m in page.markdown]
    assert not page.exception and any(heading.value == "In practice" for heading in page.header)
    (practice,) = [text for text in said if text.startswith("Of 100 ")]
    assert "with privacy and" in practice and "At one threshold for all" in practice
    (predictive,) = [text for text in said if text.startswith("If 1 % of the patients have it")]
    assert "a positive answer is right in" in predictive and "without" in predictive
    assert any("but not the same training" in caption.value for caption in page.caption)


def test_no_value_is_shown_that_no_call_shows(cohort, open_page):
    """Streamlit can print every expression that stands alone in a page, a comment in quotation marks among them."""
    shown = open_page("train").markdown
    assert not any("newest finished runs" in text.value for text in shown)
    assert get_option("runner.magicEnabled") is False


def test_every_page_explains_its_terms_a_click_away(empty, open_page):
    app = open_page("status")
    assert "Privacy budget ε" not in texts(app)
    app.session_state["terms-open"] = True
    app.run()
    assert not app.exception and "**Privacy budget ε**: How much a model may reveal" in texts(app)


@pytest.mark.parametrize("page", ["overview", "privacy_utility", "fairness", "cases"])
def test_a_finding_that_the_cohort_does_not_have_is_named_and_the_page_says_what_to_do(page, cohort, open_page):
    app = open_page(page, finding="gout")
    assert not app.exception and "“gout” does not exist here: choose another." in texts(app)
    assert "Nothing can be shown yet: choose a finding in the sidebar." in [info.value for info in app.info]


@pytest.mark.parametrize("page", ["overview", "privacy_utility", "fairness", "privacy", "cases"])
def test_a_recipe_that_does_not_exist_is_named_and_the_page_says_what_to_do(page, cohort, open_page):
    app = open_page(page, recipe="alchemy")
    assert not app.exception and any("choose a recipe in the sidebar" in info.value for info in app.info)
