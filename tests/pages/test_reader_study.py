"""The other views of the page Cases: explanations, reader study, uploaded case; nothing about a case in addresses or logs."""

import logging
import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.cohort.demo.radiograph import write_dicom
from dpmed_core.cohort.split import assign_parts
from dpmed_core.inference.requests import Explanation, UploadedCase
from dpmed_core.inference.store import InferenceRequests
from dpmed_core.reader_study.case_selection import cases_to_read
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.encoders.card import COMPONENTS, read_card
from dpmed_core.training.spec import PrivacyUnit
from tests.pages.case_list import has_tables
from tests.pages.html_tables import case_table

PLANTED = "PLANTEDNAME"


def texts(app) -> str:
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


@pytest.fixture
def trained(empty, cohort, finish, monkeypatch):
    """A budget and the reference; no engine is ever started."""
    monkeypatch.setattr("dpmed_core.engine.inference_client.ensure_engine", lambda settings: None)
    specs = plan_runs(cohort, key=empty.key, recipe="probe", epsilons=[8.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    for luck, spec in enumerate(specs):
        empty.runs.ask(spec, cohort_name=cohort.name)
        finish(spec, luck)
    return {spec.privacy is not None: empty.runs.run_id(spec) for spec in specs}


@pytest.fixture
def features(empty, cohort):
    """Public features of the cohort, made up and put where they are kept."""
    folder = empty.cohorts.features_dir(cohort.name)
    folder.mkdir()
    made_up = np.random.default_rng(0).normal(size=(len(cohort.cases), sum(COMPONENTS.values()))).astype(np.float32)
    np.save(folder / f"{read_card(empty.settings.encoders_dir, cohort.modality).version}.npy", made_up)
    return made_up


def test_an_explanation_is_requested_awaited_and_drawn_with_its_sanity_check(empty, trained, cohort, features, open_page):
    app = open_page("cases", finding="cardiomegaly")
    requests = InferenceRequests(empty)
    assert requests.open_names() == []
    press(app, "Explain: Cardiomegaly")
    [name] = requests.open_names()
    request = requests.request(name)
    assert isinstance(request, Explanation) and [run for run, _ in request.models] == [trained[True], trained[False]]
    maps = np.random.default_rng(1).normal(size=(3, 64, 64)).astype(np.float32)
    requests.store_answer(name, request, {"maps": maps, "scores": np.array([0.31, 0.72]), "with_random": np.array([0.9, 0.1])})
    app.run()
    assert not app.exception
    said = texts(app)
    assert "reflects the image more than" in said and "depends on what the model has learnt" in said and "maps can mislead" in said
    assert re.search(r"\*\*ε = 8\.\*\* An untrained model gives a similar map", said)
    assert app.query_params["case"] != request.case_id  # the address holds a key of its own


def test_similar_cases_are_other_test_cases(trained, cohort, features, open_page):
    app = open_page("cases", finding="cardiomegaly")
    assert sum(button.label == "Open" for button in app.button) == 5 and "Distance" in texts(app)
    before = app.query_params["case"]
    press(app, "Open")
    assert app.query_params["case"] != before


def answer(app, present, sure, *, place=0):
    said, how_sure = app.radio[0], app.radio[1]
    said.set_value("Present" if present else "Absent")
    how_sure.set_value(sure)
    return press(app, f"Record answer {place + 1} of 10")


def begin(open_page, finding="cardiomegaly", **changes):
    app = open_page("cases", finding=finding, mode="reader-study")
    app.text_input[0].set_value("Blue")
    next(box for box in app.selectbox if box.label == "Cases").set_value(10)
    for label, value in changes.items():
        next(box for box in app.checkbox if box.label.startswith(label)).set_value(value)
    return press(app, "Start or continue")


@pytest.fixture
def even(empty, cohort):
    """A finding that five or more of ten test patients have, and five or more do not."""

    def n_present(finding):
        rows = rows_of(empty, cohort, finding, "")
        return cohort.cases[finding].iloc[rows].sum()

    return next(finding for finding in cohort.findings if n_present(finding) == 5)


def rows_of(empty, cohort, finding, reading_id):
    split = assign_parts(cohort, seed=0, key=empty.key)
    return cases_to_read(cohort, split, finding=finding, n_cases=10, balanced=True, reading_id=reading_id, key=empty.key)


def test_nothing_is_shown_before_the_answers_and_the_end_compares_the_cases_that_were_read(empty, trained, cohort, even, open_page):
    app = begin(open_page, even)
    reading = empty.reader_study.of(cohort.fingerprint)[0]
    said = []
    for place in range(10):
        assert f"{place} of 10 cases answered" in texts(app)
        # What was spent in all stands in the sidebar, and tells nothing of a case.
        shown = "\n".join(line for line in texts(app).split("\n") if "Spent on these patients" not in line)
        assert not re.search(r"\d\.\d\d|ε|Label:", shown) and not has_tables(app)
        assert set(app.query_params) <= {"cohort", "finding", "recipe", "unit", "mode", "reading", "entry", "start"}
        said.append((place % 2 == 0, 1 + place % 4))
        answer(app, *said[-1], place=place)
        if place == 4:  # a reload: everything follows from the address
            app = open_page("cases", **{name: value[0] if isinstance(value, list) else value for name, value in app.query_params.items()})
    assert not app.exception
    rows = rows_of(empty, cohort, even, reading.reading_id)
    labels = cohort.cases[even].iloc[rows].to_numpy()
    scores = empty.runs.scores(trained[True]).query("finding == @even").set_index("case_id")["score"]
    private = scores.loc[cohort.cases["case_id"].iloc[rows]].to_numpy()
    own = [confidence if present else -confidence for present, confidence in said]
    shown = app.dataframe[0].value.set_index("Who")["AUROC"]
    assert shown["Reader"].startswith(f"{roc_auc_score(labels, own):.2f}")
    assert shown["Private"].startswith(f"{roc_auc_score(labels, private):.2f}")
    assert len(app.dataframe[1].value) == 3 and "AUROC for " in texts(app) and ": you " in texts(app)


def test_an_answer_needs_both_parts_and_the_label_is_shown_where_the_reader_chose_it(empty, trained, cohort, open_page):
    app = begin(open_page, Show=True)
    press(app, "Record answer 1 of 10")
    assert "Give both" in texts(app) and len(empty.reader_study.answers(empty.reader_study.of(cohort.fingerprint)[0])) == 0
    answer(app, True, 2)
    assert "Your answer: **present** (confidence: low). Label: **" in texts(app) and "Score with privacy: 0." in texts(app)
    press(app, "Next")
    assert "1 of 10 cases answered" in texts(app) and "Label:" not in texts(app)


@pytest.mark.parametrize("mode", ["worklist", "upload", "reader-study"])
def test_an_open_reading_keeps_labels_and_scores_closed_until_it_is_given_up(mode, empty, trained, cohort, open_page):
    app = begin(open_page)
    answer(app, True, 2)
    reading = empty.reader_study.of(cohort.fingerprint)[0]
    app.query_params["mode"] = mode  # as by the address, with the reading in it and without
    app.run()
    assert not app.get("button_group") and "1 of 10 cases answered" in texts(app) and "Truth" not in texts(app)
    app.query_params.pop("reading")
    app.run()
    assert not app.get("button_group") and "1 of 10 cases answered" in texts(app) and "stay closed until this reading ends" in texts(app)
    press(app, "Give up for good")
    assert not app.exception and not empty.reader_study.is_open(reading) and empty.reader_study.was_given_up(reading)
    assert app.get("button_group") and "Record answer" not in [button.label for button in app.button]
    again = open_page("cases", finding="cardiomegaly", mode="reader-study", reading=reading.reading_id)
    assert "was given up" in texts(again) and "1 given up" in texts(again)


def test_a_trial_has_five_cases(empty, trained, cohort, open_page):
    app = open_page("cases", finding="cardiomegaly", mode="reader-study")
    app.text_input[0].set_value("Blue")
    press(app, "Start or continue")
    assert empty.reader_study.of(cohort.fingerprint)[0].n_cases == 5 and "0 of 5 cases answered" in texts(app)


def test_a_reading_that_does_not_exist_is_reported(trained, cohort, open_page):
    assert "does not exist for this cohort" in texts(open_page("cases", finding="cardiomegaly", mode="reader-study", reading="0" * 16))


@pytest.fixture
def image(tmp_path):
    """An image whose header and file name would identify somebody."""
    import pydicom

    path = tmp_path / f"{PLANTED}-19500101.dcm"
    write_dicom(path, np.random.default_rng(0).random((128, 128), dtype=np.float32), age=60, sex="F", portable=False, inverted=False)
    dataset = pydicom.dcmread(path)
    dataset.PatientName, dataset.PatientID, dataset.StudyDate = f"{PLANTED}^JANE", f"{PLANTED}7", "19991231"
    dataset.save_as(path)
    return path


def test_an_uploaded_case_is_scored_compared_and_removed(empty, trained, cohort, features, open_page, image, caplog):
    caplog.set_level(logging.DEBUG)
    app = open_page("cases", finding="cardiomegaly", epsilon="8", mode="upload")
    app.file_uploader[0].upload(image.name, image.read_bytes(), "application/dicom").run()
    requests = InferenceRequests(empty)
    [name] = requests.open_names()
    request = requests.request(name)
    assert isinstance(request, UploadedCase) and {run for run, _ in request.models} == set(trained.values())
    scores = np.linspace(0.1, 0.9, 2 * len(cohort.findings)).reshape(2, -1)
    requests.store_answer(name, request, {"scores": scores, "features": features[3]})
    app.run()
    assert not app.exception
    which = [run for run, _ in request.models].index(trained[True])
    assert f"{scores[which, 0]:.3f}" in case_table(app).loc["Cardiomegaly", "Private score"]
    assert ("resembles the cohort" in texts(app) or "out of distribution" in texts(app)) and "Training cases are left out" in texts(app)
    assert requests.open_names() == [] and list(requests.root.iterdir()) == [] and list(empty.settings.uploaded_cases_dir.iterdir()) == []
    kept = [path for path in empty.settings.data_dir.rglob("*") if path.is_file()]
    assert not any(PLANTED.encode() in path.read_bytes() or PLANTED in path.name for path in kept)
    assert PLANTED not in caplog.text and PLANTED not in str(dict(app.query_params)) and PLANTED not in texts(app)
    press(app, "Remove this case")
    assert "uploaded-case" not in app.session_state and len(app.file_uploader) == 1


@pytest.mark.parametrize("content", [b"%PDF-1.7 no image", b"\x00\x00\x00\x20ftypisom" + bytes(500)], ids=["text", "video"])
def test_a_file_that_is_not_an_image_is_refused_in_one_line(trained, cohort, open_page, content):
    app = open_page("cases", finding="cardiomegaly", epsilon="8", mode="upload")
    app.file_uploader[0].upload("PLANTEDNAME.mp4", content, "video/mp4").run()
    assert not app.exception and len(app.error) == 1
    assert app.error[0].value.startswith("The file ") and PLANTED not in app.error[0].value
    assert len(app.file_uploader) == 1
