"""The page *Privacy*: what a budget means, how exposed patients are, whom it is shown to, and what may leave the house."""

from dataclasses import replace

import numpy as np
import pytest

from dpmed_core import protection
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.split import assign_parts
from dpmed_core.inference.requests import ShadowTrainings, from_json, to_json
from dpmed_core.inference.status import Stage
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.privacy.audit.findings import Audit
from dpmed_core.privacy.audit.stored_audit import store_audit
from dpmed_core.privacy.exposure.measurement import FILE
from dpmed_core.privacy.ledger.book import RELEASED
from dpmed_core.privacy.returning.returning_rows import ReturningRow
from dpmed_core.protection import EXPOSURE, arms_of, measure_exposure, stored_exposure
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.following import helps
from widgets.protection import returning


@pytest.fixture
def features(cohort, monkeypatch):
    """Features of no meaning, which no encoder has to compute."""
    drawn = np.random.default_rng(0).standard_normal((len(cohort.cases), 352)).astype(np.float32)
    monkeypatch.setattr(protection, "public_features", lambda *_, **__: drawn)


@pytest.fixture
def trained(asked, finish):
    for spec in asked:
        finish(spec)
    return next(spec for spec in asked if spec.privacy)


@pytest.fixture
def measured(empty, cohort, trained, features):
    arms = arms_of(empty, cohort, recipe="probe", epsilons=[1.0], delta=trained.privacy.delta)
    return measure_exposure(empty, cohort, arms, n_trainings=40)


def said(app):
    tiles = [f"{metric.label}: {metric.value}" for metric in app.metric]
    return " ".join([*tiles, *(element.value for kind in (app.markdown, app.caption, app.error) for element in kind), helps(app)])


def test_a_budget_has_a_meaning_before_anything_is_trained(cohort, open_page):
    app = open_page("privacy")
    assert not app.exception
    assert "What ε = 1 means" in said(app) and "55.4 of 100" in said(app)
    app.number_input(key="meaning-epsilon").set_value(8.0)
    app.number_input(key="meaning-delta").set_value(1e-5)
    app.run()
    assert "79.8 of 100" in said(app)


def test_a_trained_budget_says_what_it_means_and_what_is_not_measured(trained, open_page):
    app = open_page("privacy")
    assert not app.exception
    assert "55.4 of 100" in said(app) and "Not measured yet." in said(app)
    assert "Unit of privacy: a patient with all images." in said(app)
    assert any(button.label == "Measure exposure" for button in app.button)
    assert "800 short trainings" in said(app) and "use without privacy inside your institution" in said(app)


def test_what_was_measured_is_shown_with_bound_and_limits(cohort, measured, trained, open_page):
    app = open_page("privacy")
    assert not app.exception
    row = measured.row("patient", 1.0, trained.privacy.delta)
    bound = np.ceil(1000 * row.bound) / 10  # a bound is rounded up, never down
    assert f"patient: {100 * row.worst_auc:.0f} of 100" in said(app) and f"Proven: at most {bound:g}; no interval lies above." in said(app)
    without = measured.row("patient", None, None)
    assert f"Without privacy **{100 * without.worst_auc:.0f}**" in said(
        app
    ) and f"Without privacy it is 90 or more for {round(100 * without.share_nearly_certain)} % of patients" in said(app)
    assert "Only aggregates leave it, by a recorded release." in said(app)
    assert not any(button.label == "Measure exposure" for button in app.button)
    assert not any(patient in said(app) for patient in cohort.cases["patient_id"])  # only in a list that somebody opens


def test_another_budget_is_not_taken_for_measured(empty, cohort, measured, finish, open_page):
    more = plan_runs(
        cohort, key=empty.key, recipe="probe", epsilons=[3.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT, non_private=False
    )
    empty.ledger.ask(cohort, more)
    finish(more[0])
    app = open_page("privacy", epsilon="3")
    assert not app.exception
    assert "Not measured at ε = 3 yet." in said(app)
    assert any(button.label == "Measure exposure" for button in app.button)


def test_the_unit_image_warns_of_the_patient_with_most_images(empty, cohort, finish, open_page):
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.IMAGE)
    empty.ledger.ask(cohort, specs)
    for spec in specs:
        finish(spec)
    app = open_page("privacy", unit="image")
    assert not app.exception
    most = int(cohort.cases.groupby("patient_id").size().max())
    assert "**Only single images are protected:** of guesses at one image, at most 55.4." in said(app)
    assert f"guesses at whether the patient with {most} images took part" in said(app) and "means: 55.4 of 100" not in said(app)


def test_the_most_exposed_patients_are_named_to_the_house_when_their_list_is_opened(empty, cohort, measured, trained, open_page):
    app = open_page("privacy")
    app.session_state["most-exposed-open"] = True
    app.run()
    assert not app.exception
    (table,) = [frame.value for frame in app.dataframe if "Patient (keyed)" in frame.value.columns]
    rows = assign_parts(cohort, seed=0, key=empty.key).rows(Part.TRAIN)
    patients = sorted(set(cohort.cases["patient_id"].iloc[rows].astype(str)))
    at = measured.at("patient", 1.0, trained.privacy.delta)
    assert table["Patient (keyed)"].iloc[0] == patients[int(measured.aucs[at].argmax())]
    assert list(table["Images"]) == [int((cohort.cases["patient_id"].iloc[rows] == p).sum()) for p in table["Patient (keyed)"]]


def test_aggregates_leave_the_house_on_a_name_and_a_reason(empty, measured, open_page):
    app = open_page("privacy")
    app.session_state["release-aggregates-open"] = True
    app.run()
    record = next(button for button in app.button if button.label.startswith("Record the release"))
    assert record.disabled
    app.text_input(key="aggregates-name").input("Officer")
    app.text_input(key="aggregates-reason").input("ethics board")
    app.checkbox(key="aggregates-without").check()
    app.run()
    next(button for button in app.button if button.label.startswith("Record the release")).click()
    app.run()
    assert not app.exception and "Recorded in the ledger." in app.success[0].value
    entry = empty.ledger.chain.head()
    assert entry.kind == RELEASED and entry.body["what"] == ["exposure"] and entry.body["reason"] == "ethics board"
    assert entry.body["epsilon"] is None or entry.body["shows_non_private"]


def test_real_patients_need_the_setting(empty, cohort, measured, trained, open_page, monkeypatch):
    load = type(empty.cohorts).load
    monkeypatch.setattr(type(empty.cohorts), "load", lambda self, name: replace(load(self, name), synthetic=False))
    app = open_page("privacy")
    assert not app.exception
    assert r"DPMED\_SHOW\_EXPOSURE=1" in said(app) and "55.4 of 100" in said(app)
    assert (
        "an attack tells" not in said(app)
        and "attacks right" not in said(app)
        and not any(button.label == "Measure exposure" for button in app.button)
    )


def test_a_damaged_measurement_is_named_and_can_be_made_again(empty, cohort, measured, open_page):
    (empty.cohorts.protection_dir(cohort.name) / FILE).write_text("{}")
    app = open_page("privacy")
    assert not app.exception
    assert "cannot be read" in said(app) and any(button.label == "Measure exposure" for button in app.button)


def test_a_worker_measures_for_a_request_with_progress_and_can_be_cancelled(empty, cohort, trained, features, monkeypatch):
    from dpmed_core.engine import inference_task

    requests, request = InferenceRequests(empty), ShadowTrainings(cohort.name, EXPOSURE, (1.0,), trained.privacy.delta)
    assert from_json(to_json(request)) == request
    monkeypatch.setattr(inference_task, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(inference_task, "FEWEST_TRAININGS", 40)
    report, cancelled = inference_task._report, []

    def report_once(requests, name, done, total):
        if not cancelled:
            cancelled.append((done, total))
            requests.cancel(name)
        report(requests, name, done, total)

    monkeypatch.setattr(inference_task, "_report", report_once)
    name = requests.ask(request)
    inference_task.answer(empty.settings, name)
    assert requests.state(name).stage is Stage.CANCELLED and cancelled == [(1, 160)] and stored_exposure(empty, cohort) is None
    name = requests.ask(request)
    inference_task.answer(empty.settings, name)
    assert int(requests.fetch(name)["n_rows"]) == 4 and len(stored_exposure(empty, cohort).rows) == 4


def test_returning_patients_need_an_order_of_studies(empty, trained, open_page, monkeypatch):
    load = type(empty.cohorts).load

    def without_order(self, name):
        found = load(self, name)
        return replace(found, cases=found.cases.drop(columns="study_order"))

    monkeypatch.setattr(type(empty.cohorts), "load", without_order)
    app = open_page("privacy")
    assert not app.exception and "does not say in which order" in said(app)
    assert not any(button.label == "Measure returning patients" for button in app.button)


def test_returning_patients_are_shown_beside_training_without_privacy(trained, open_page, monkeypatch):
    without = ReturningRow(None, None, None, "patient", 90, 40, 80, 200, 50, 0.56, 1, 0.06)
    private = ReturningRow(1.0, trained.privacy.delta, "analytic-gaussian", "patient", 90, 40, 80, 200, 0, 0.05, 0, 0.05)
    monkeypatch.setattr(returning, "stored_returning", lambda *_: (without, private))
    app = open_page("privacy")
    assert not app.exception
    assert "Returning patients: 0 of 80" in said(app) and "0 in a control. Without privacy **50**, by up to 56 points" in said(app)
    assert "0 of 80 later images shift (0 by chance), the largest by .05" in said(app).replace("\\", "")
    monkeypatch.setattr(returning, "stored_returning", lambda *_: (without,))
    app = open_page("privacy")
    assert "Not measured at ε = 1 yet." in said(app)
    assert any(button.label == "Measure returning patients" for button in app.button)


def test_an_audit_is_asked_for_and_its_verdict_shown(empty, trained, open_page):
    app = open_page("privacy")
    assert "An audit trains on made-up patients alone" in said(app) and any(button.label == "Audit the mechanism" for button in app.button)
    run_id = empty.runs.run_id(trained)
    found = Audit(0.27, 0.17, 1.0, 0.98, 0.02, 0.001, (), True, 1000, 9.0)
    store_audit(empty.runs, run_id, found)
    app = open_page("privacy")
    assert not app.exception and not any(button.label == "Audit the mechanism" for button in app.button)
    assert "Consistent with the claim. Its attack proves a μ of at least 0.17; claimed is at most 0.27." in said(app)
    store_audit(empty.runs, run_id, replace(found, failed=("noise",), consistent=False))
    app = open_page("privacy")
    assert "Not consistent with the claim: the noise does not have the size" in app.error[0].value
