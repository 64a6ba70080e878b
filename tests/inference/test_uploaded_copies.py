"""The uploaded copy of a stored case gets the scores that its runs stored: a demo radiograph as DICOM, and a real radiograph as PNG."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.demo.radiograph import add_demo_radiograph, write_dicom
from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.engine.training_task import work_on
from dpmed_core.imaging.image import read_image
from dpmed_core.imaging.modality import Modality
from dpmed_core.inference.requests import UploadedCase
from dpmed_core.installation import Installation
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from dpmed_core.uploads.single_case import read_uploaded_case

N_IMAGES = 40


def trained(installation: Installation, name: str) -> list[str]:
    """A private probe and its non-private reference."""
    cohort = installation.cohorts.load(name)
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    names = [installation.runs.ask(spec, cohort_name=name).run_id for spec in specs]
    for run_id in names:
        work_on(installation.settings, run_id)
    return names


def assert_scores_are_the_stored_ones(requests, answered, name: str, runs: list[str], files: Iterable[Path]) -> None:
    """Each of `files` is a held-out case of the cohort or a training case; the held-out ones are compared."""
    installation, compared = requests.installation, 0
    cohort = installation.cohorts.load(name)
    models = tuple((run_id, installation.runs.weights_digest(run_id)) for run_id in runs)
    for file in files:
        [row] = np.flatnonzero((np.asarray(cohort.images) == read_image(file, side=cohort.images.shape[-1]).pixels).all(axis=(1, 2)))
        stored = [installation.runs.scores(run_id) for run_id in runs]
        expected = [scores[scores["case_id"] == cohort.cases["case_id"].iloc[row]]["score"].to_numpy() for scores in stored]
        if len(expected[0]) == 0:
            continue  # a training case: it has no stored scores
        pixels = read_uploaded_case(
            [io.BytesIO(file.read_bytes())], installation.settings, modality=Modality.RADIOGRAPH, side=cohort.images.shape[-1]
        ).pixels
        assert np.array_equal(pixels, cohort.images[row])
        request = requests.ask(UploadedCase(name, models), pixels=pixels)
        answered(request)
        assert requests.fetch(request)["scores"] == pytest.approx(np.stack(expected), abs=1e-6)
        compared += 1
        if compared == 3:
            return
    raise AssertionError("too few held-out radiographs among the files")


def demo_files(folder: Path) -> Iterator[Path]:
    """The images of the demo as DICOM files, each drawn when it is asked for."""
    population = draw_population(N_IMAGES, seed=0)
    for index in range(N_IMAGES):
        radiograph, path = population.iloc[index], folder / f"{index}.dcm"
        pixels = render_radiograph(radiograph, index, size=128, seed=0, variant="demo")
        write_dicom(path, pixels, age=int(radiograph["age"]), sex=str(radiograph["sex"]), portable=False, inverted=index % 2 == 0)
        yield path


@pytest.mark.slow
def test_a_demo_image_uploaded_as_dicom(requests, answered, tmp_path):
    installation = requests.installation
    add_demo_radiograph(installation.cohorts, name="demo", n_cases=N_IMAGES, workers=1)
    assert_scores_are_the_stored_ones(requests, answered, "demo", trained(installation, "demo"), demo_files(tmp_path))


@pytest.mark.real
@pytest.mark.parametrize("side", [128, 256])
def test_a_real_image_uploaded_as_png(requests, answered, real_cohorts, tmp_path, side):
    installation, folder = requests.installation, real_cohorts / "nih1000"
    table = pd.read_csv(folder / "manifest.csv", dtype=str).iloc[:120]
    table.to_csv(tmp_path / "some.csv", index=False)
    table_of = {"manifest": tmp_path / "some.csv", "images_dir": folder, "findings": ("cardiomegaly", "effusion")}
    import_manifest(installation.cohorts, "nih", **table_of, pixels=side)
    files = [folder / image for image in table["image"].iloc[::4]]
    assert_scores_are_the_stored_ones(requests, answered, "nih", trained(installation, "nih"), files)
