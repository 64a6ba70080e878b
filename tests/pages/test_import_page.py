"""The import page in every state that a reader can meet it in; steps run in the test's own process."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dpmed_core.cohort.report import Check, Severity
from dpmed_core.imaging.ct.writing import write_series
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.settings import load_settings
from dpmed_core.uploads import steps as work
from dpmed_core.uploads.jobs import JobPlan, Jobs, JobState, Stage
from dpmed_core.uploads.steps import work_on
from tests.damage import unsealed, without_digests

from .test_pages import texts

N_IMAGES = 30


@pytest.fixture
def server(tmp_path):
    """A folder on the server with thirty pictures and their table; one row is wrong, two pictures are the same."""
    root = tmp_path / "server"
    root.mkdir()
    lines = ["image,patient_id,age,sex,mass,copd"]
    for i in range(N_IMAGES):
        pixels = np.random.default_rng(i % 29).integers(0, 256, (30, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        lines.append(f"{'none' if i == 4 else i}.png,p{i},{40 + i},{'FM'[i % 2]},{i % 2},{i // 2 % 2}")
    (root / "images.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def jobs(empty, server, monkeypatch):
    """The jobs of an installation that offers the server folder."""
    monkeypatch.setenv("DPMED_IMPORT_DIR", str(server))
    load_settings.cache_clear()
    monkeypatch.setattr(work.os, "nice", lambda value: None)

    def start(self, job, stage):
        job.set_state(JobState(stage))
        work_on(job, self.settings)

    monkeypatch.setattr(Jobs, "start", start)
    return Jobs(load_settings())


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def test_an_empty_installation_offers_an_upload_and_says_how_to_offer_a_folder(empty, open_page):
    app = open_page("import_cohort")
    assert not app.exception
    assert "Upload a ZIP archive" in texts(app) and "DPMED_IMPORT_DIR" in texts(app)


def test_folders_of_slices_are_taken_for_ct_and_shown_by_their_middle_slice(empty, jobs, server, open_page):
    lines = ["scan,patient_id,pdac"]
    for i in range(3):
        volume = np.random.default_rng(i).integers(-900, 900, (12, 16, 16), dtype=np.int16)
        write_series(server / "scans" / f"s{i}", volume, age=60, sex="F")
        lines.append(f"s{i},p{i},{i % 2}")
    (server / "images.csv").write_text("\n".join(lines))
    app = press(open_page("import_cohort"), "Use this folder")
    assert app.radio[0].value is Modality.CT
    app = press(app, "Preview")
    assert not app.exception
    assert "Preview: 3 scans as they will be stored" in texts(app) and "middle slice in the soft-tissue window" in texts(app)
    app.text_input[0].set_value("ward-ct")
    app = press(app, "Import")
    assert not app.exception
    assert empty.cohorts.load("ward-ct").images.shape == (3, *SHAPE)


def test_from_a_folder_to_a_cohort_and_its_report(empty, jobs, open_page):
    app = open_page("import_cohort")
    app = press(app, "Use this folder")
    assert not app.exception
    assert "What do the table's columns mean?" in texts(app)
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Image file or folder"], chosen["Patient"], chosen["Age"], chosen["Sex"]) == ("image", "patient_id", "age", "sex")
    assert [(box.label, box.value) for box in app.multiselect] == [
        ("Findings to predict", ["mass"]),
        ("Co-morbidities to compare by", ["copd"]),
    ]
    app = press(app, "Preview")
    assert not app.exception
    assert app.metric[0].value == "29 of 30 rows"
    assert [expander.label for expander in app.expander] == ["1 row will be left out"]
    assert "Preview: 24 images as they will be stored" in texts(app)
    app.text_input[0].set_value("ward-images")
    app = press(app, "Import")
    assert not app.exception
    assert empty.cohorts.names() == ["ward-images"]
    assert "is imported: 29 images of 29 patients" in app.success[0].value
    assert "identical, pixel by pixel, to an image of another patient" in " ".join(app.dataframe[0].value["sentence"])
    app = press(app, "Import another")
    assert "Upload a ZIP archive" in texts(app) and jobs.all() == []


def test_the_side_of_stored_radiographs_is_chosen_and_shown_before_the_import(empty, jobs, open_page):
    app = press(open_page("import_cohort"), "Use this folder")
    side = next(box for box in app.selectbox if box.label == "Radiographs are stored with")
    assert side.value is None and side.options == ["As the files suggest", "128 x 128 pixels", "256 x 256 pixels"]
    side.set_value(256)
    app = press(app, "Preview")
    assert not app.exception and "Stored with 256 x 256 pixels." in texts(app)
    app = press(app, "Correct the columns")
    assert next(box for box in app.selectbox if box.label == "Radiographs are stored with").value == 256, "what was chosen stands"
    app = press(app, "Preview")
    app.text_input[0].set_value("ward-images")
    app = press(app, "Import")
    assert not app.exception and empty.cohorts.load("ward-images").images.shape == (29, 256, 256)


def test_a_name_that_is_taken_is_said_before_anything_is_read(cohort, jobs, open_page):
    app = press(press(open_page("import_cohort"), "Use this folder"), "Preview")
    app.text_input[0].set_value("demo-radiograph")
    app = press(app, "Import")
    assert "already" in app.error[0].value
    assert jobs.all()[0].state().stage is Stage.PREVIEWED


def job_at(jobs, state, plan=None):
    job = jobs.begin_folder(".")
    job.set_plan(plan or JobPlan(".", "images.csv", None, "ward-images"))
    job.set_state(state)
    return job


def test_an_import_under_way_shows_how_far_it_is_and_can_be_cancelled(jobs, open_page):
    job = job_at(jobs, JobState(Stage.IMPORTING, 1200, 4000, 95.0))
    app = open_page("import_cohort", job=job.job_id)
    assert not app.exception
    assert "You may close this page" in texts(app)
    press(app, "Cancel")
    assert job.is_cancelled()


def test_earlier_imports_are_listed(jobs, open_page):
    job_at(jobs, JobState(Stage.IMPORTING, 1, 4))
    app = open_page("import_cohort")
    assert "ward-images: reading all images" in texts(app)
    assert "You may close this page" in texts(press(app, "Show"))


def test_a_failed_import_says_why_and_lets_the_columns_be_corrected(jobs, open_page):
    job = job_at(jobs, JobState(Stage.FAILED, message="None of the 30 rows can be used: correct the table."))
    app = open_page("import_cohort", job=job.job_id)
    assert "None of the 30 rows" in app.error[0].value
    assert "What do the table's columns mean?" in texts(press(app, "Correct the columns"))


def test_an_import_that_the_server_stopped_can_be_continued(jobs, open_page):
    job = job_at(jobs, JobState(Stage.IMPORTING, 1, 4))
    state = unsealed(job.folder / "state.json")
    (job.folder / "state.json").write_text(json.dumps({**state, "changed_at": state["changed_at"] - 60}))
    app = open_page("import_cohort", job=job.job_id)
    assert "images already read are kept" in app.error[0].value
    assert "Continue" in [button.label for button in app.button]


def test_a_missing_import_is_reported_and_the_page_starts_over(empty, open_page):
    app = open_page("import_cohort", job="0123456789abcdef")
    assert "older than one day" in app.warning[0].value and "Upload a ZIP archive" in texts(app)
    assert not open_page("import_cohort", job="../../etc").exception


def test_a_cohort_that_cannot_be_trained_says_so_where_it_is_looked_at_and_planned(empty, cohort, open_page):
    folder = empty.cohorts.folder(cohort.name)
    check = Check("no_test_images", Severity.BLOCKING, 0, "The split leaves no test images.")
    report = replace(empty.cohorts.report(cohort.name), checks=(check,))
    without_digests(folder)
    (folder / "report.json").write_text(json.dumps(report.to_fields()))
    assert "The split leaves no test images" in open_page("overview").error[0].value
    assert "cannot be trained on: The split leaves no test images" in open_page("train").error[0].value


def test_a_folder_is_found_by_opening_one_below_the_other(empty, jobs, server, open_page):
    (server / "ward" / "old").mkdir(parents=True)
    app = open_page("import_cohort")
    opener = next(box for box in app.selectbox if box.label == "Open a folder")
    app = opener.set_value("ward").run()
    assert "/ ward" in texts(app) and "1 folder, 0 files and 0 tables here" in texts(app)
    app = press(app, "Up")
    assert "1 folder, 30 files and 1 table: images.csv here" in texts(app)


def test_the_preview_says_what_is_read_and_asks_who_is_one_patient(empty, jobs, server, open_page):
    table = (server / "images.csv").read_text().replace(",p8,", ",P08,").replace(",p9,", ",p 8,").replace(",1,0\n", ",-1,0\n", 1)
    (server / "images.csv").write_text(table)
    Image.fromarray(np.random.default_rng(0).integers(0, 4096, (30, 20), dtype=np.uint16)).save(server / "0.png")
    app = press(open_page("import_cohort"), "Use this folder")
    uncertain = next(box for box in app.selectbox if box.label.startswith("Uncertain labels (-1) of mass"))
    app = press(uncertain.set_value(uncertain.options[3]) and app, "Preview")
    assert not app.exception
    assert "What will be read" in texts(app)
    tables = [frame.value for frame in app.dataframe]
    kinds = next(table for table in tables if "Kind of file" in table)
    assert dict(zip(kinds["Kind of file"], kinds["Files"], strict=True)) == {"PNG, 8 bits, grey": 28, "PNG, 16 bits, grey": 1}
    readings = next(table for table in tables if "Bits of a value" in table)
    assert "12 of 16 bits" in set(readings["Bits of a value"]) and len(readings) == 24
    app.text_input[0].set_value("ward-images")
    app = press(app, "Import")
    assert "whether patients whose identifiers differ only in writing are one patient" in app.error[0].value
    who = next(radio for radio in app.radio if "differs only in writing" in radio.label)
    app = press(who.set_value(who.options[1]) and app, "Import")
    assert "is imported: 29 images of 28 patients" in app.success[0].value


def test_the_sidebar_follows_to_the_imported_cohort(cohort, jobs, open_page):
    app = press(press(open_page("import_cohort"), "Use this folder"), "Preview")
    assert app.sidebar.selectbox[0].value == "demo-radiograph"
    app.text_input[0].set_value("ward-images")
    app = press(app, "Import")
    assert not app.exception
    assert app.sidebar.selectbox[0].value == "ward-images" and "ward-images" in app.query_params["cohort"]
