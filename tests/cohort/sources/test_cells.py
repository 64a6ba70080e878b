"""Cells as people, R, pandas and Excel write them: labels, ages, sexes, blanks, patients; and options that are obeyed or refused."""

import math

import numpy as np
import pandas as pd
import pytest

from dpmed_core.cohort.sources.catalogue import ADAPTERS, MANIFEST, open_source
from dpmed_core.cohort.sources.cells import AGE_AT_LEAST, AGE_IS_A_DATE, AGE_UNREADABLE, age_of, label_of, sex_of
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Sex

PRESENT = ["1", "1.0", "1,0", "True", "TRUE", "yes", "Y", "positive", "present", "ja"]
ABSENT = ["0", "0.0", "False", "no", "N", "negative", "absent", "nein"]
BLANK = ["", "NA", "NaN", "nan", "N/A", "None", "null", "#N/A", "?", "-", "unknown", "<NA>"]


@pytest.fixture
def table(tmp_path, write_png):
    """Writes a manifest of two images with the given values of its columns; its path."""

    def write(**columns):
        n = len(next(iter(columns.values())))
        for i in range(n):
            write_png(tmp_path / f"{i}.png", i)
        given = {"image": [f"{i}.png" for i in range(n)], "patient_id": [f"p{i}" for i in range(n)], "mass": ["0"] * n}
        pd.DataFrame(given | columns).to_csv(tmp_path / "m.csv", index=False)
        return tmp_path / "m.csv"

    return write


def rows_of(path, uncertain=None):
    return list(read_manifest(path, images_dir=None, findings=("mass",), comorbidities=(), uncertain=uncertain).rows)


def test_words_for_labels_are_read_in_a_csv(table):
    rows = rows_of(table(mass=[*PRESENT, *ABSENT, *BLANK]))
    assert not [row for row in rows if row.problems]
    expected = [1.0] * len(PRESENT) + [0.0] * len(ABSENT) + [math.nan] * len(BLANK)
    np.testing.assert_array_equal([row.values["mass"] for row in rows], expected)


@pytest.mark.parametrize("text", ["2", "-2", "0.5", "maybe", "10"])
def test_what_is_no_label_is_a_problem_of_its_row(table, text):
    [row] = rows_of(table(mass=[text]))
    assert "neither 0 (absent), 1 (present) nor blank" in row.problems[0].message


@pytest.mark.parametrize(("uncertain", "label"), [(Uncertain.ONE, 1.0), (Uncertain.ZERO, 0.0), (Uncertain.IGNORE, math.nan)])
@pytest.mark.parametrize("text", ["-1", "-1.0", "-1,0"])
def test_uncertain_labels_become_what_is_said_and_are_a_problem_otherwise(table, text, uncertain, label):
    [row] = rows_of(table(mass=[text]), uncertain)
    np.testing.assert_equal(row.values["mass"], label)
    [row] = rows_of(table(mass=[text]))
    assert "--uncertain ignore, zero or one" in row.problems[0].message


AGES = {
    "045Y": 45,
    "45Y": 45,
    "45 years": 45,
    "018M": 1.5,
    "3W": 21 / 365.25,
    "45.5": 45.5,
    "45,5": 45.5,
    "0": 0,
    "89+": 89,
    "90+": 90,
    "90 and over": 90,
    "90 or older": 90,
    ">89": 90,
    ">= 90": 90,
    "NA": None,
    "412": None,
    "-1": None,
    "999": None,
    "1900-02-14": None,
    "14.02.1955": None,
    "elderly": None,
}
REMARKS = {
    **dict.fromkeys(("89+", "90+", "90 and over", "90 or older", ">89", ">= 90"), AGE_AT_LEAST),
    **dict.fromkeys(("412", "-1", "999", "elderly"), AGE_UNREADABLE),
    **dict.fromkeys(("1900-02-14", "14.02.1955"), AGE_IS_A_DATE),
}


def test_ages_are_read_as_they_are_written_and_an_unknown_one_keeps_the_image(table):
    rows = rows_of(table(age=list(AGES)))
    assert not [row for row in rows if row.problems]
    assert [row.age for row in rows] == [None if age is None else pytest.approx(age) for age in AGES.values()]
    assert [row.remarks for row in rows] == [(REMARKS[text],) if text in REMARKS else () for text in AGES]
    assert age_of("90 and over") == (90.0, AGE_AT_LEAST)


def test_sexes_are_read_in_several_languages_and_numbers_are_not_guessed(table):
    texts = ["Female", "W", "weiblich", "männlich", "M", "X", "U", "NA", "1", "2"]
    rows = rows_of(table(sex=texts))
    assert not [row for row in rows if row.problems]
    female, male, unknown = Sex.FEMALE, Sex.MALE, Sex.UNKNOWN
    assert [row.sex for row in rows] == [female, female, female, male, male, Sex.OTHER, unknown, unknown, unknown, unknown]
    assert [row.remarks for row in rows[-3:]] == [(), (sex_of("1")[1],), (sex_of("2")[1],)]


def test_patients_that_are_not_available_are_not_one_patient(table):
    rows = rows_of(table(patient_id=["NA", "NaN", "p1"]))
    assert [[problem.column for problem in row.problems] for row in rows] == [["patient_id"], ["patient_id"], []]


def test_every_option_is_obeyed_or_refused(tmp_path):
    (tmp_path / "m.csv").write_text("image,patient_id,mass\n")
    asked = {"labels": tmp_path, "unmentioned_unknown": True, "published_split": True}
    for name, value in asked.items():
        with pytest.raises(CohortError, match=f"no use for --{name.replace('_', '-')}"):
            open_source(MANIFEST, ImportRequest(tmp_path / "m.csv", ("mass",), **{name: value}))
    for kind, adapter in ADAPTERS.items():
        if "uncertain" not in adapter.obeys:
            with pytest.raises(CohortError, match="no use for --uncertain"):
                open_source(kind, ImportRequest(tmp_path, uncertain=Uncertain.ONE))


def test_a_column_is_found_whatever_its_capitals_and_punctuation_and_the_report_says_so(table):
    path = table(age=["50"])
    path.write_text(path.read_text().replace("image,patient_id,mass,age", "Image,Patient ID,MASS,Age"))
    source = read_manifest(path, images_dir=None, findings=("mass",), comorbidities=())
    [row] = source.rows
    assert (row.patient, row.age, row.values["mass"]) == ("p0", 50, 0.0)
    assert "'Patient ID' as patient_id" in source.notes[0]


def test_a_label_is_the_same_in_every_file_format():
    assert label_of("true") == label_of("1") == label_of("1.0") == 1.0
