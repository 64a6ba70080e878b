"""What the page Train says before runs are asked for, and what pages say of finished runs that protect single images."""

import pytest

from dpmed_core.phrases import epsilon_text
from dpmed_core.privacy.meaning.most_images import most_images
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.accounting.gaussian_dp import gaussian_epsilon, gaussian_mu
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

from .test_pages import texts


def warnings(app) -> str:
    return "\n".join(str(warning.value) for warning in app.warning)


def worth(cohort, epsilon: float) -> str:
    """ε of the patient with most images, by the closed form."""
    return epsilon_text(gaussian_epsilon(most_images(cohort) * gaussian_mu(PrivacyTarget(epsilon, 1e-5)), 1e-5))


def test_one_quiet_line_where_nothing_speaks_against_the_runs(cohort, open_page):
    app = open_page("train")
    assert not app.exception
    assert "Checked before training: unit (a patient with all images)" in texts(app) and "no cap is set" in texts(app)
    assert "Choose the unit patient" not in texts(app)


def test_the_unit_image_is_named_with_what_it_is_worth_and_the_way_out(cohort, open_page):
    app = open_page("train", unit="image")
    assert not app.exception
    said = warnings(app)
    assert f"one patient here has {most_images(cohort)} images" in said
    for epsilon in (0.3, 1, 8):
        assert f"ε = {epsilon:g} is worth ε = {worth(cohort, epsilon)}" in said
    assert "Choose the unit patient" in said and "Checked before training: δ" in texts(app)


def test_a_large_delta_and_a_small_cap_are_named_before_the_button_is_pressed(empty, cohort, open_page):
    empty.ledger.set_cap(epsilon=1.0, delta=1e-5, name="DPO", reason="test")
    app = open_page("train")
    next(box for box in app.text_input if box.label == "δ").set_value("0.09").run()
    assert not app.exception
    said = warnings(app)
    assert "The chosen δ = 0.09 is not below 1 in" in said and "Leave δ at 1e-05" in said
    assert "past the cap of ε = 1" in said and not empty.runs.statuses()


@pytest.mark.parametrize("page", ["privacy_utility", "fairness"])
def test_pages_say_what_finished_runs_for_an_image_are_worth_to_that_patient(page, empty, cohort, finish, open_page):
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.IMAGE)
    empty.ledger.ask(cohort, specs)
    for spec in specs:
        finish(spec)
    app = open_page(page, unit="image", epsilon="1")
    assert not app.exception
    assert f"has {most_images(cohort)} images: to that patient it is worth ε = {worth(cohort, 1.0)} at the same δ" in texts(app)


@pytest.mark.parametrize("page", ["privacy_utility", "fairness"])
def test_pages_leave_it_out_where_the_patient_is_protected(page, asked, finish, open_page):
    for spec in asked:
        finish(spec)
    assert "to that patient it is worth" not in texts(open_page(page))
