"""The reader study: which cases are read in which order, what is stored, and that it is removed with the cohort."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from dpmed_core.cohort.schema import Cohort, Part, Split
from dpmed_core.database import Database
from dpmed_core.errors import CohortError, DpmedError, SettingsError
from dpmed_core.imaging.modality import Modality
from dpmed_core.reader_study.case_selection import cases_to_read
from dpmed_core.reader_study.store import ReaderStudyStore
from dpmed_core.settings import Settings

KEY = bytes(32)
READING = {"fingerprint": "f" * 16, "finding": "mass", "n_cases": 3, "balanced": True, "told_after_each": False}


@pytest.fixture
def store(data_dir) -> ReaderStudyStore:
    return ReaderStudyStore(Database(Settings(data_dir=data_dir)))


@pytest.fixture
def cohort() -> tuple[Cohort, Split]:
    """Two hundred patients of one to three images; every eighth image shows the finding, every tenth is unlabelled."""
    rng = np.random.default_rng(0)
    patients = np.repeat([f"{i:04x}" for i in range(200)], rng.integers(1, 4, 200))
    n = len(patients)
    label = np.where(rng.random(n) < 0.125, 1.0, 0.0)
    label[::10] = np.nan
    cases = pd.DataFrame({"case_id": [f"{i:08x}" for i in range(n)], "patient_id": patients, "mass": label})
    parts = np.where(np.array([int(p, 16) for p in patients]) % 2 == 0, Part.TEST.value, Part.TRAIN.value)
    return Cohort("c", Modality.RADIOGRAPH, True, ("mass",), (), cases, np.zeros((n, 2, 2), np.uint8), "f" * 16), Split(parts, 0)


def read(cohort, **changes):
    options = {"finding": "mass", "n_cases": 20, "balanced": True, "reading_id": "a" * 16, "key": KEY, **changes}
    return cases_to_read(*cohort, **options)


def test_cases_are_test_patients_one_image_each_with_known_labels(cohort):
    rows = read(cohort)
    cases, split = cohort[0].cases.iloc[rows], cohort[1]
    assert len(rows) == 20 and cases["patient_id"].is_unique and cases["mass"].notna().all()
    assert (split.parts[rows] == Part.TEST.value).all()


def test_a_balanced_reading_has_half_of_each_class_and_another_the_proportion_of_the_cohort(cohort):
    assert cohort[0].cases["mass"].iloc[read(cohort)].sum() == 10
    assert cohort[0].cases["mass"].iloc[read(cohort, balanced=False, n_cases=60)].mean() < 0.35


def test_where_one_class_is_rare_all_of_it_and_more_of_the_other_is_read(cohort):
    rows = read(cohort, n_cases=80)
    labels = cohort[0].cases["mass"].iloc[rows]
    with_finding = cohort[0].cases[(cohort[1].parts == Part.TEST.value) & (cohort[0].cases["mass"] == 1)]["patient_id"].nunique()
    assert len(rows) == 80 and labels.sum() == with_finding


def test_the_order_is_the_same_each_time_and_another_for_another_reading(cohort):
    assert np.array_equal(read(cohort), read(cohort))
    assert not np.array_equal(read(cohort), read(cohort, reading_id="b" * 16))
    labels = [cohort[0].cases["mass"].iloc[read(cohort, reading_id=f"{i:016x}")].to_numpy() for i in range(60)]
    assert 0.3 < np.mean([one[0] for one in labels]) < 0.7  # neither class comes first


def test_too_few_patients_are_refused(cohort):
    few = Cohort("c", Modality.RADIOGRAPH, True, ("mass",), (), cohort[0].cases.head(9), cohort[0].images[:9], "f" * 16)
    with pytest.raises(CohortError, match="needs 10"):
        cases_to_read(few, Split(cohort[1].parts[:9], 0), finding="mass", n_cases=20, balanced=True, reading_id="a" * 16, key=KEY)


def test_answers_are_kept_in_order_and_a_place_is_answered_once(store):
    reading = store.begin(reader="Dr  Blue", **READING)
    assert reading.reader == "Dr Blue"
    for place in (0, 1):
        assert store.record(reading, place=place, case_id=f"{place}", present=place == 0, confidence=3, seconds=1.5)
    assert not store.record(reading, place=1, case_id="1", present=True, confidence=4, seconds=9)
    kept = store.answers(reading)
    assert list(kept["present"]) == [True, False] and list(kept["confidence"]) == [3, 3] and (kept["answered_at"] > 0).all()


def test_an_unfinished_reading_is_continued_and_a_finished_one_is_not(store):
    reading = store.begin(reader="Blue", **READING)
    store.record(reading, place=0, case_id="0", present=True, confidence=1, seconds=1)
    assert store.begin(reader="Blue", **READING) == reading == store.reading(reading.reading_id)
    assert store.begin(reader="Green", **READING) != reading
    for place in (1, 2):
        store.record(reading, place=place, case_id=str(place), present=True, confidence=1, seconds=1)
    assert store.begin(reader="Blue", **READING) != reading


def test_answers_of_several_at_once_are_all_kept(store):
    readings = [store.begin(reader=f"r{i}", **READING) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda one: [store.record(one, place=p, case_id=str(p), present=True, confidence=1, seconds=1) for p in range(3)],
                readings,
            )
        )
    assert all(all(one) for one in done) and all(len(store.answers(one)) == 3 for one in readings)


def test_readings_are_removed_with_the_cohort_and_others_stay(store):
    gone = store.begin(reader="Blue", **READING)
    store.record(gone, place=0, case_id="0", present=True, confidence=1, seconds=1)
    stays = store.begin(reader="Blue", **{**READING, "fingerprint": "e" * 16})
    store.forget("f" * 16)
    assert store.reading(gone.reading_id) is None and store.answers(gone).empty and store.reading(stays.reading_id) == stays


@pytest.mark.parametrize("name", ["", "   ", "x" * 41])
def test_a_reader_needs_a_name(store, name):
    with pytest.raises(DpmedError, match="name or pseudonym of 1 to 40"):
        store.begin(reader=name, **READING)


@pytest.mark.parametrize("reading_id", ["", "x", "' OR 1=1 --", "0" * 16])
def test_a_reading_that_does_not_exist_is_none(store, reading_id):
    assert store.reading(reading_id) is None


def test_the_database_is_its_owners_and_a_wrong_address_is_a_sentence_without_its_password(data_dir):
    database = Database(Settings(data_dir=data_dir))
    with database.transaction() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    assert (data_dir / "dpmed.db").stat().st_mode & 0o777 == 0o600
    for url in ("nonsense", "postgresql+psycopg://user:hidden-word@localhost:1/none", "sqlite:////nowhere/at/all.db"):
        with pytest.raises(SettingsError) as refused, Database(Settings(data_dir=data_dir, database_url=url)).transaction():
            pass
        assert "DPMED_DATABASE_URL" in str(refused.value) and "hidden-word" not in str(refused.value)


def answered(store, reading, *, first, last):
    for place in range(first, last):
        assert store.record(reading, place=place, case_id=f"{place:08x}", present=True, confidence=1, seconds=1.0)


def test_a_reading_ends_with_its_last_answer_or_when_it_is_given_up_and_then_for_good(store):
    finished = store.begin(reader="Blue", **READING)
    assert store.is_open(finished) and store.begin(reader="Blue", **READING) == finished
    answered(store, finished, first=0, last=3)
    assert not store.is_open(finished)
    store.give_up(finished)
    assert not store.was_given_up(finished)  # it had ended before

    left = store.begin(reader="Blue", **READING)
    answered(store, left, first=0, last=1)
    store.give_up(left)
    store.give_up(left)
    assert store.was_given_up(left) and not store.is_open(left)
    assert not store.record(left, place=1, case_id="00000001", present=True, confidence=1, seconds=1.0)
    assert len(store.answers(left)) == 1 and store.begin(reader="Blue", **READING) not in (left, finished)
    store.forget(READING["fingerprint"])
    assert store.of(READING["fingerprint"]) == [] and not store.was_given_up(left)


def test_the_odd_case_of_a_balanced_reading_is_of_the_more_frequent_class(cohort):
    labels = cohort[0].cases["mass"].iloc[read(cohort, n_cases=5)]
    assert len(labels) == 5 and labels.sum() == 2
    as_many = Cohort(**{**vars(cohort[0]), "cases": cohort[0].cases.assign(mass=np.arange(len(cohort[0].cases)) // 8 % 2.0)})
    assert len(read((as_many, cohort[1]), n_cases=5)) == 5
