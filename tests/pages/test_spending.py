"""What was spent on the patients: on Overview, in the sidebar, in a plan that is refused, and in the release dialogue."""

import io
import zipfile
from dataclasses import asdict

import pytest

from dpmed_core.runs.plan import n_train_units
from dpmed_core.training.recipes.train_probe import plan_probe
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.html_tables import html_numbers


@pytest.fixture
def released(empty, cohort, asked, finish):
    """A private run that was trained, and charged for."""
    spec = next(spec for spec in asked if spec.privacy)
    status = empty.runs.status(empty.runs.run_id(spec))
    units = n_train_units(cohort, key=empty.key, unit=PrivacyUnit.PATIENT)
    guarantee = plan_probe(spec, n_units=units, n_findings=len(cohort.findings)).guarantee
    draw = empty.ledger.begin(status, guarantee, total_steps=guarantee.steps, resumed=0)
    empty.runs.record(status.run_id, "planned", draw=draw, guarantee=asdict(guarantee), total_steps=guarantee.steps)
    empty.runs.record(status.run_id, "finished", steps=guarantee.steps)
    finish(spec)
    empty.ledger.settle(status.run_id)
    return status.run_id


def everything(app):
    return " ".join(element.value for kind in (app.markdown, app.caption) for element in kind)


def press(page, label):
    next(button for button in page.button if button.label.startswith(label)).click()
    page.run()
    assert not page.exception


def test_overview_and_the_sidebar_say_what_was_spent(empty, released, open_page):
    app = open_page("overview")
    assert not app.exception
    assert "Cumulative privacy loss of 1 private training: ε = 1 at δ = 1e-05" in everything(app)
    assert "**Spent on these patients:** ε = 1 at δ = 1e-05 from 1 private training" in everything(app)
    beside = "δ = 1e-05 for each patient; exact composition of Gaussian mechanisms"
    numbers = {"ε of the patient with the most": ("1", beside), "ε of the median patient": ("1", beside), "Cap": ("none", "")}
    assert html_numbers(app) | numbers == html_numbers(app)
    empty.ledger.set_cap(epsilon=0.1, delta=1e-5, name="Officer", reason="a test")
    value, above = html_numbers(open_page("overview"))["Cap"]
    assert (
        value == "ε = 0.1"
        and above.startswith("δ = 1e-05 for each patient; Gaussian differential privacy filter; ")
        and "patients above it" in above
    )


def test_a_plan_past_the_cap_is_refused_with_what_would_fit(empty, cohort, open_page):
    empty.ledger.set_cap(epsilon=2.0, delta=1e-5, name="Officer", reason="a test")
    page = open_page("train")
    press(page, "Train ")
    assert "past the cap of ε = 2" in page.error[0].value and "What fits is one model of ε up to 2" in page.error[0].value
    assert empty.runs.statuses() == []


def test_a_model_is_released_on_a_name_and_a_reason(empty, released, open_page):
    page = open_page("train")
    press(page, "Release")
    assert "charged for 1 private training on its patients" in everything(page)
    record = next(button for button in page.button if button.label == "Record the release")
    assert record.disabled
    page.text_input(key=f"release-name-{released}").input("Officer")
    page.text_input(key=f"release-reason-{released}").input("to the clinic")
    page.text_area(key=f"statement-developer-{released}").input("A hospital")
    page.selectbox(key=f"statement-curator_type-{released}").select("Nonprofit")
    page.run()
    press(page, "Record the release")
    assert "Recorded in the ledger" in page.success[0].value
    with zipfile.ZipFile(io.BytesIO(page.session_state[f"released-{released}"])) as archive:
        assert "A hospital" in archive.read("README.md").decode() and "Nonprofit" in archive.read("deployment_card.yaml").decode()
    assert empty.ledger.chain.head().body["reason"] == "to the clinic"
