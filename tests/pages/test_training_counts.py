"""Exact counts of the training part stay off the pages, unless the cohort is synthetic or the installation shows them."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import streamlit as st

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.cohort.summary import counts_table
from dpmed_core.settings import load_settings
from tests.damage import without_digests

from .html_tables import html_numbers, html_tables
from .test_pages import texts


@pytest.fixture
def of_patients(empty, cohort):
    """The demo cohort, stored as one of patients, with a check that counts training images too."""
    folder = empty.cohorts.root / cohort.name
    without_digests(folder)
    facts = json.loads((folder / "cohort.json").read_text())
    (folder / "cohort.json").write_text(json.dumps(facts | {"synthetic": False}))
    check = Check("rare_finding", Severity.WARNING, 7, "Effusion is present in only 7 images.")
    report = replace(empty.cohorts.report(cohort.name), checks=(check,))
    (folder / "report.json").write_text(json.dumps(report.to_fields()))
    return empty.cohorts.load(cohort.name)


@pytest.fixture
def counts(empty, cohort):
    """Cases, patients and positives by part, of all patients."""
    table = counts_table(cohort, assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=empty.key))
    return table[table["attribute"] == "all"].set_index("part")


def whole_page(app) -> str:
    frames = [table.to_csv() for table in [*html_tables(app), *(frame.value.reset_index() for frame in app.dataframe)]]
    numbers = [" ".join([title, *said]) for title, said in html_numbers(app).items()]
    return "\n".join([texts(app), *frames, *numbers])


def test_the_overview_of_patients_counts_held_out_parts_alone(of_patients, counts, open_page):
    app = open_page("overview")
    assert not app.exception
    numbers = html_numbers(app)
    for part in ("validation", "test"):
        assert numbers[part.capitalize()] == (f"{counts.loc[part, 'n_patients']} patients", f"{counts.loc[part, 'n_cases']} images")
    for part, label in (("all", "All"), ("train", "Train")):
        assert numbers[label] == (f"{counts.loc[part, 'n_patients']} patients", "")
    findings, patients = html_tables(app)
    assert list(findings.columns) == ["Finding", "Validation images", "Test images", "Share of held-out images"]
    held_out = counts.loc[["validation", "test"]].sum()
    shares = [held_out[finding] / held_out["n_cases"] * 100 for finding in of_patients.findings]
    assert list(findings["Share of held-out images"]) == [f"{share:.0f} %" for share in shares]
    assert list(patients.columns)[2:] == ["Validation images", "Validation patients", "Test images", "Test patients"]
    assert (patients[["Validation images", "Test images"]].astype(int).sum(axis=1) > 0).all(), (
        "a subgroup of training patients alone is not named"
    )
    assert "DPMED_SHOW_TRAINING_COUNTS=1" in texts(app)


def test_what_the_import_counted_stays_with_whoever_imports(of_patients, open_page):
    app = open_page("overview")
    shown = whole_page(app)
    assert "only 7 images" not in shown and "cohort show demo-radiograph" in shown
    assert "SOPInstanceUID" in shown and f"({len(of_patients.cases)})" not in shown


def test_the_setting_shows_all_counts(of_patients, counts, open_page, monkeypatch):
    monkeypatch.setenv("DPMED_SHOW_TRAINING_COUNTS", "1")
    load_settings.cache_clear()
    st.cache_resource.clear()
    shows_all(open_page("overview"), counts)


def test_a_synthetic_cohort_shows_all_counts(counts, open_page):
    shows_all(open_page("overview"), counts)


def shows_all(app, counts: pd.DataFrame) -> None:
    assert not app.exception
    parts = [html_numbers(app)[part][1] for part in ("All", "Train", "Validation", "Test")]
    assert parts == [f"{n} images" for n in counts["n_cases"]]
    findings, by_group = html_tables(app)
    assert list(findings.columns)[1:5] == ["All images", "Train images", "Validation images", "Test images"]
    assert "Share of all images" in findings
    assert list(by_group.columns)[2:] == ["Images", "Patients", "Test images", "Test patients"]
    assert "DPMED_SHOW_TRAINING_COUNTS" not in texts(app)


@pytest.mark.parametrize("page", ("train", "privacy_utility", "fairness", "cases"))
def test_no_other_page_counts_training_images(page, of_patients, counts, open_page):
    shown = whole_page(open_page(page))
    for part in ("all", "train"):
        assert f"{counts.loc[part, 'n_cases']} images" not in shown
