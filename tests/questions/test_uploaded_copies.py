"""The uploaded copy of a stored case gets the scores that its runs stored: a demo film as DICOM, and a real film as PNG."""

import io

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.demo import add_demo_radiograph, write_dicom
from dpmed_core.cohort.importer import import_manifest
from dpmed_core.cohort.phantoms.film import render_film
from dpmed_core.cohort.phantoms.population import draw_population
from dpmed_core.cohort.schema import Modality
from dpmed_core.installation import Installation
from dpmed_core.questions.kinds import OwnCase
from dpmed_core.runs.plan import plan_runs
from dpmed_core.runs.task import work_on
from dpmed_core.training.spec import PrivacyUnit
from dpmed_core.uploads.own_case import read_own_case

N_FILMS = 40


def trained(installation: Installation, name: str) -> list[str]:
    """A private probe and its twin."""
    cohort = installation.cohorts.load(name)
    specs = plan_runs(cohort, key=installation.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    names = [installation.runs.ask(spec, cohort_name=name).run_id for spec in specs]
    for run_id in names:
        work_on(installation.settings, run_id)
    return names


def assert_scores_are_the_stored_ones(questions, answered, name: str, runs: list[str], files: list[bytes]) -> None:
    """Each of `files` is a held-out case of the cohort or a training case; the held-out ones are compared."""
    installation, compared = questions.installation, 0
    cohort = installation.cohorts.load(name)
    models = tuple((run_id, installation.runs.weights_digest(run_id)) for run_id in runs)
    for content in files:
        pixels = read_own_case([io.BytesIO(content)], installation.settings, modality=Modality.RADIOGRAPH).pixels
        [row] = np.flatnonzero((np.asarray(cohort.images) == pixels).all(axis=(1, 2)))
        stored = [installation.runs.scores(run_id) for run_id in runs]
        own = [scores[scores["case_id"] == cohort.cases["case_id"].iloc[row]]["score"].to_numpy() for scores in stored]
        if len(own[0]) == 0:
            continue  # a training case: it has no stored scores
        question = questions.ask(OwnCase(name, models), pixels=pixels)
        answered(question)
        assert questions.fetch(question)["scores"] == pytest.approx(np.stack(own), abs=1e-6)
        compared += 1
        if compared == 3:
            return
    raise AssertionError("too few held-out films among the files")


def test_a_demo_film_uploaded_as_dicom(questions, answered, tmp_path):
    installation = questions.installation
    add_demo_radiograph(installation.cohorts, name="demo", n_cases=N_FILMS, workers=1)
    population, files = draw_population(N_FILMS, seed=0), []
    for index in range(N_FILMS):
        film, path = population.iloc[index], tmp_path / f"{index}.dcm"
        pixels = render_film(film, index, size=128, seed=0, variant="demo")
        write_dicom(path, pixels, age=int(film["age"]), sex=str(film["sex"]), portable=False, inverted=index % 2 == 0)
        files.append(path.read_bytes())
    assert_scores_are_the_stored_ones(questions, answered, "demo", trained(installation, "demo"), files)


@pytest.mark.real
def test_a_real_film_uploaded_as_png(questions, answered, real_cohorts, tmp_path):
    installation, folder = questions.installation, real_cohorts / "nih1000"
    table = pd.read_csv(folder / "manifest.csv", dtype=str).iloc[:120]
    table.to_csv(tmp_path / "some.csv", index=False)
    import_manifest(installation.cohorts, "nih", manifest=tmp_path / "some.csv", images_dir=folder, findings=("cardiomegaly", "effusion"))
    files = [(folder / image).read_bytes() for image in table["image"].iloc[::4]]
    assert_scores_are_the_stored_ones(questions, answered, "nih", trained(installation, "nih"), files)
