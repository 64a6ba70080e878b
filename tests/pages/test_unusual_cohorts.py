"""Cohorts that do not say whose the images are, or what they show."""

from dataclasses import replace

import numpy as np
import pytest

from dpmed_core.cohort.report import ImportReport
from tests.pages.html_tables import html_numbers

from .test_pages import PAGES, texts


@pytest.fixture
def store_as(empty, cohort):
    """Stores the demo cohort's images as another cohort, changed."""

    def store(findings, **changes):
        changed = replace(cohort, findings=findings, **changes)
        kept = [name for name in changed.cases if name in findings or name not in cohort.findings]
        with empty.cohorts.draft() as draft:
            np.save(draft / "images.npy", changed.images)
            empty.cohorts.publish(
                "another",
                draft,
                modality=changed.modality,
                synthetic=False,
                findings=findings,
                comorbidities=changed.comorbidities,
                cases=changed.cases[kept],
                report=ImportReport(len(changed.cases), len(changed.cases), len(changed.cases), 0, 0),
                patients_known=changed.patients_known,
            )
        empty.cohorts.remove(cohort.name)

    return store


@pytest.mark.parametrize("page", [*PAGES, "status"])
def test_where_patients_are_not_known_only_the_unit_image_can_be_chosen(page, store_as, cohort, open_page):
    store_as(cohort.findings, patients_known=False)
    app = open_page(page)
    assert not app.exception
    units = next(box for box in app.sidebar.selectbox if box.label == "Unit of privacy")
    assert units.options == ["Image (each image alone)"]
    if page == "train":
        assert "not known by how much" in texts(app)
    if page == "overview":
        value, beside = html_numbers(app)["All"]
        assert value.endswith("images") and beside == "patients not known"


def test_a_link_to_the_unit_patient_is_named_there(store_as, cohort, open_page):
    store_as(cohort.findings, patients_known=False)
    app = open_page("train", unit="patient")
    assert not app.exception and "does not exist here" in texts(app)


@pytest.mark.parametrize("page", [*PAGES, "status"])
def test_a_cohort_without_findings_can_be_looked_at(page, store_as, open_page):
    store_as(())
    app = open_page(page)
    assert not app.exception
    assert page != "overview" or "no findings" in texts(app)
    assert page != "train" or "has no findings to train on" in texts(app)


def test_the_overview_names_the_identifying_attributes_that_were_met(cohort, open_page):
    app = open_page("overview")
    shown = next(expander for expander in app.expander if expander.label.startswith("De-identification"))
    assert f"SOPInstanceUID ({len(cohort.cases)})" in str(shown.markdown[0].value)
