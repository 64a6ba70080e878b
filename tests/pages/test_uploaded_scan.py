"""An uploaded CT scan and similar scans on the page Cases, with demo scans, trained probes and the public encoder for CT."""

import io
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.report import ImportReport
from dpmed_core.cohort.schema import Part
from dpmed_core.engine.inference_task import answer
from dpmed_core.engine.training_task import work_on
from dpmed_core.explanations.similar_cases import FEWEST_CASES, ReferenceCases
from dpmed_core.imaging.ct.writing import SeriesLayout, write_series
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.volume_grid import SHAPE
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import KEY_FILE
from dpmed_core.phantoms.abdomen.population import COMORBIDITIES, FINDINGS, PDAC, draw_scans
from dpmed_core.phantoms.abdomen.volume import render_volume
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.spec import PrivacyUnit
from tests.image_files import render_volumes
from tests.pages.html_tables import case_table

from .test_reader_study import press, texts

pytestmark = pytest.mark.slow
N_SCANS, N_TRAIN, N_VALIDATION = 52, 8, 4
UPLOADED = N_SCANS - 3
"""A test scan whose files are uploaded."""


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return draw_scans(N_SCANS, seed=0)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory, fixed_key, people):
    """A data folder with demo scans, their public features, and a budget and the reference of recipe `probe`."""
    folder = tmp_path_factory.mktemp("scanned")
    (folder / KEY_FILE).write_bytes(fixed_key)
    installation = Installation.open(Settings(data_dir=folder))
    parts = np.select([people["patient"] < N_TRAIN, people["patient"] < N_TRAIN + N_VALIDATION], [Part.TRAIN, Part.VALIDATION], Part.TEST)
    cases = pd.DataFrame(
        {
            "case_id": [f"{i:016x}" for i in range(N_SCANS)],
            "patient_id": [f"{patient:016x}" for patient in people["patient"]],
            "age": people["age"].astype(float),
            "sex": np.where(people["sex"] == "F", "female", "male"),
            "split": parts,
            **{name: people[name].astype(float) for name in (*FINDINGS, *COMORBIDITIES)},
        }
    )
    assert (parts != Part.TRAIN).sum() > FEWEST_CASES
    cohort = installation.cohorts.write(
        "demo-ct",
        modality=Modality.CT,
        synthetic=True,
        findings=FINDINGS,
        comorbidities=COMORBIDITIES,
        cases=cases,
        images=render_volumes(people, seed=0),
        report=ImportReport(N_SCANS, N_SCANS, people["patient"].nunique(), 0, 0),
    )
    for spec in plan_runs(cohort, key=fixed_key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT):
        work_on(installation.settings, installation.runs.ask(spec, cohort_name=cohort.name).run_id)
    return folder


@pytest.fixture
def installation(scanned, empty, monkeypatch):
    """The same, as the pages find it; no engine is ever started."""
    monkeypatch.setattr("dpmed_core.engine.inference_client.ensure_engine", lambda settings: None)
    shutil.copytree(scanned, empty.settings.data_dir, dirs_exist_ok=True)
    return empty


def series_of(tmp_path, volume) -> list[tuple[str, bytes, str]]:
    """The files of a scan as a scanner would write them, with shuffled names and rows that run the other way."""
    layout = SeriesLayout(rows_reversed=True, order=5)
    paths = write_series(tmp_path / "series", np.asarray(volume, dtype=np.int16), age=61, sex="F", layout=layout)
    return [(path.name, path.read_bytes(), "application/dicom") for path in sorted(paths)]


def packed(files) -> list[tuple[str, bytes, str]]:
    """The same as one ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, _ in files:
            archive.writestr(f"STUDY/SERIES/{name}", content)
    return [("series.zip", buffer.getvalue(), "application/zip")]


def answered(installation, open_page, files):
    """The page after `files` were uploaded and a worker answered, and the scores by run."""
    app = open_page("cases", finding=PDAC, epsilon="8", mode="upload")
    assert not app.exception and "one ZIP archive" in app.file_uploader[0].label
    app.file_uploader[0].set_value(files).run()
    requests = InferenceRequests(installation)
    [name] = requests.open_names()
    runs = [run for run, _ in requests.request(name).models]
    answer(installation.settings, name)
    app.run()
    assert not app.exception and not app.error
    return app, dict(zip(runs, app.session_state["uploaded-case"].scores[:, 0], strict=True))


@pytest.mark.parametrize("as_sent", [packed, list], ids=["archive", "files"])
def test_the_uploaded_copy_of_a_stored_scan_gets_its_scores_and_resembles_the_cohort(installation, open_page, people, tmp_path, as_sent):
    files = series_of(tmp_path, render_volume(people.iloc[UPLOADED], UPLOADED, seed=0))
    app, own = answered(installation, open_page, as_sent(files))
    for run_id, score in own.items():
        stored = installation.runs.scores(run_id).set_index("case_id")["score"]
        assert score == pytest.approx(stored[f"{UPLOADED:016x}"], abs=1e-6)
    private = next(run_id for run_id in own if installation.runs.result(run_id).guarantee is not None)
    assert len(own) == 2 and f"{own[private]:.3f}" in case_table(app).iloc[0]["Private score"]
    said = texts(app)
    assert "This image resembles the cohort's images" in said and "differs from" not in said
    left = [
        path for folder in (InferenceRequests(installation).root, installation.settings.uploaded_cases_dir) for path in folder.iterdir()
    ]
    assert left == []


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(-200, 240, SHAPE)


def image_in_every_slice() -> np.ndarray:
    image = render_radiograph(draw_population(1, seed=0).iloc[0], 0, size=SHAPE[1], seed=0, variant="demo")
    return np.broadcast_to(image * 1400 - 1000, SHAPE)


@pytest.mark.parametrize("volume", [noise, image_in_every_slice])
def test_what_is_not_an_abdomen_is_out_of_distribution(installation, open_page, tmp_path, volume):
    app, _ = answered(installation, open_page, packed(series_of(tmp_path, volume())))
    assert "This image differs from the cohort's images" in texts(app)


def test_the_most_similar_scan_is_the_scan_itself_and_the_page_shows_others(installation, open_page, people):
    cohort = installation.cohorts.load("demo-ct")
    folders = {"features_dir": installation.cohorts.features_dir(cohort.name), "encoders_dir": installation.settings.encoders_dir}
    features = public_features(cohort, **folders)
    found = ReferenceCases.of(features, list(cohort.cases["patient_id"])).nearest(features[UPLOADED], n=2)
    assert found[0] == (UPLOADED, pytest.approx(0, abs=1e-6)) and found[1][1] > 0.01
    app = open_page("cases", finding=PDAC)
    assert not app.exception and sum(button.label == "Open" for button in app.button) == 5
    before = app.query_params["case"]
    press(app, "Open")
    assert app.query_params["case"] != before and not app.exception
