"""Pages of a CT cohort: they speak of scans and slices, spell the finding out, and offer what is published for it."""

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE

from .html_tables import html_numbers, html_tables
from .test_pages import PAGES, texts

N_SCANS = 40


@pytest.fixture
def ct(empty):
    """Forty synthetic scans of noise, of twenty patients."""
    rng = np.random.default_rng(0)
    cases = pd.DataFrame(
        {
            "case_id": [f"c{i:02d}" for i in range(N_SCANS)],
            "patient_id": [f"p{i // 2:02d}" for i in range(N_SCANS)],
            "age": 60.0,
            "sex": ["female", "male"] * (N_SCANS // 2),
            "split": None,
            "pdac": rng.integers(0, 2, N_SCANS).astype(float),
            "diabetes": rng.integers(0, 2, N_SCANS).astype(float),
        }
    )
    return empty.cohorts.write(
        "ct",
        modality=Modality.CT,
        synthetic=True,
        findings=("pdac",),
        comorbidities=("diabetes",),
        cases=cases.astype({"split": object}),
        images=rng.integers(-200, 200, (N_SCANS, *SHAPE), dtype=np.int16),
        report=ImportReport(N_SCANS, N_SCANS, N_SCANS // 2, 0, 0),
    )


@pytest.mark.parametrize("page", PAGES)
def test_no_page_fails_or_speaks_of_radiographs(page, ct, open_page):
    app = open_page(page)
    assert not app.exception
    said = texts(app)
    assert "They favour recipes *probe* and *finetune3d*, whose public encoder was trained on their kind" in said
    chosen = {box.label: box for box in app.sidebar.selectbox}
    assert chosen["Finding"].value == "pdac" and chosen["Finding"].options[0] == "PDAC"
    assert chosen["Unit of privacy"].options == ["Patient (all scans together)", "Image (each scan alone)"]
    assert page in ("overview",) or "radiograph" not in said


def test_the_overview_counts_scans_spells_the_finding_out_and_says_what_it_shows(ct, open_page):
    app = open_page("overview")
    assert html_numbers(app)["All"] == ("20 patients", "40 scans")
    assert "shown is the middle slice in the soft-tissue window (level 40 HU, width 400 HU)" in texts(app)
    findings, patients = html_tables(app)
    assert "Pancreatic ductal adenocarcinoma (PDAC)" in list(findings["Finding"])
    assert list(patients.columns)[2:] == ["Scans", "Patients", "Test scans", "Test patients"]
