"""MIMIC-CXR-JPG 2.0.0 and MIMIC-CXR in miniature, with MIMIC-IV's table of patients."""

import gzip

import numpy as np
import pytest

from dpmed_core.cohort.sources.mimic import read_mimic_dicom, read_mimic_jpg
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.cohort.sources.values import Uncertain
from dpmed_core.errors import CohortError

IMAGES = [f"{i}2aa804e-bde0afdd-112c0b34-7bc16630-4e384014" for i in range(4)]
STUDIES = [("10000032", "50414267"), ("10000032", "50414267"), ("10000032", "53189527"), ("11000764", "57375967")]
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
LABELS = (
    "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


@pytest.fixture
def tables(tmp_path):
    def write(name, text):
        (tmp_path / "tables").mkdir(exist_ok=True)
        with gzip.open(tmp_path / "tables" / f"{name}.csv.gz", "wt") as file:
            file.write("\n".join(line.strip() for line in text.strip().splitlines()))

    views, dates = ("PA", "LATERAL", "AP", "PA"), ("21800506", "21800506", "21800626", "21331012")
    images = zip(IMAGES, STUDIES, views, dates, strict=True)
    rows = [
        f"{image},{subject},{study},CHEST,{view},3056,2544,{day},213014.5,CHEST,x,Erect" for image, (subject, study), view, day in images
    ]
    write("mimic-cxr-2.0.0-metadata", "\n".join([METADATA, *rows]))
    write(
        "mimic-cxr-2.0.0-chexpert",
        f"""{LABELS}
        10000032,50414267,,1.0,,,,,,,,-1.0,,,0.0,
        10000032,53189527,,,,,,,,,1.0,,,,,""",
    )
    parts = ("train", "train", "validate", "test")
    rows = [f"{image},{study},{subject},{part}" for image, (subject, study), part in zip(IMAGES, STUDIES, parts, strict=True)]
    write("mimic-cxr-2.0.0-split", "\n".join(["dicom_id,study_id,subject_id,split", *rows]))
    write("patients", "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n10000032,F,52,2178,2014 - 2016,2180-09-09")
    rows = [f"{subject},{study},{image},{path(i)}.dcm" for i, (image, (subject, study)) in enumerate(zip(IMAGES, STUDIES, strict=True))]
    write("cxr-record-list", "\n".join(["subject_id,study_id,dicom_id,path", *rows]))
    return tmp_path / "tables"


def path(i):
    subject, study = STUDIES[i]
    return f"files/p{subject[:2]}/p{subject}/s{study}/{IMAGES[i]}"


@pytest.fixture
def jpg(tables, pictures):
    pictures(tables, [f"{path(i)}.jpg" for i in range(4)])
    return tables


def request(folder, **options):
    return ImportRequest(folder, findings=("cardiomegaly", "pleural_effusion", "fracture"), uncertain=Uncertain.IGNORE, **options)


def test_the_published_tables_are_read(jpg, described):
    source = read_mimic_jpg(request(jpg, published_split=True))
    rows = described(source, jpg)
    assert rows[0] == {
        "row": 2,
        "image": f"{path(0)}.jpg",
        "patient": "10000032",
        "age": 54,
        "sex": "female",
        "part": "train",
        "cardiomegaly": 1,
        "pleural_effusion": None,
        "fracture": 0,
    }
    assert [(row["row"], row["part"]) for row in rows] == [(2, "train"), (4, "validation"), (5, "test")]
    assert rows[2]["age"] is None and rows[2]["sex"] == "unknown"
    assert [rows[2][name] for name in source.findings] == [None, None, None]
    assert any("1 image belongs to a study without labels" in note for note in source.notes)
    assert any("1 image was left out because the view is neither PA nor AP" in note for note in source.notes)


def test_every_view_is_read_if_requested(jpg, described):
    rows = described(read_mimic_jpg(request(jpg, views=Views.ALL)), jpg)
    assert len(rows) == 4 and rows[1]["image"] == f"{path(1)}.jpg" and {row["part"] for row in rows} == {None}


def test_the_dicom_edition_takes_its_labels_from_the_jpg_edition(tables, tmp_path, described, write_dicom_file):
    images = tmp_path / "mimic-cxr"
    images.mkdir()
    (tables / "cxr-record-list.csv.gz").rename(images / "cxr-record-list.csv.gz")
    for i in range(4):
        (images / path(i)).parent.mkdir(parents=True, exist_ok=True)
        write_dicom_file(images / f"{path(i)}.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8))
    rows = described(read_mimic_dicom(request(images, labels=tables, published_split=True)), images)
    assert [(row["row"], row["image"], row["part"]) for row in rows] == [
        (2, f"{path(0)}.dcm", "train"),
        (4, f"{path(2)}.dcm", "validation"),
        (5, f"{path(3)}.dcm", "test"),
    ]
    assert rows[0]["cardiomegaly"] == 1 and rows[0]["age"] == 54


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CohortError, match=r"mimic-cxr-2.0.0-metadata.csv.gz"):
        read_mimic_jpg(request(tmp_path))


@pytest.mark.parametrize("read", [read_mimic_jpg, read_mimic_dicom])
def test_dates_and_times_order_a_patients_studies(tables, read):
    path = tables / "mimic-cxr-2.0.0-metadata.csv.gz"
    with gzip.open(path, "rt") as file:
        text = file.read()
    with gzip.open(path, "wt") as file:  # the second image of the first study a minute before the first; the next study early in the day
        file.write(text.replace("21800506,213014.5", "21800506,212914.5", 1).replace("21800626,213014.5", "21800626,60000.0"))
    rows = list(read(request(tables, views=Views.ALL)).rows)
    assert rows[0].order == rows[1].order == pytest.approx(21800506 + (21 + 29 / 60 + 14 / 3600) / 24, abs=1e-6)
    assert rows[2].order == 21800626.25
