"""NIH ChestX-ray14 in miniature, and 1,000 of its real images."""

import shutil

import pandas as pd
import pytest

from dpmed_core.cohort.intake.importer import import_manifest, import_source
from dpmed_core.cohort.sources.nih import LABELS, read_nih
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.sources.values import column_name
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


@pytest.fixture
def folder(tmp_path, pictures, write_csv):
    names = ["00000001_000.png", "00000001_001.png", "00000002_000.png", "00000003_000.png"]
    pictures(tmp_path, [f"images_{1 + i // 2:03d}/images/{name}" for i, name in enumerate(names)])
    write_csv(
        tmp_path / "Data_Entry_2017_v2020.csv",
        f"""{HEADER}
        00000001_000.png,Cardiomegaly|Emphysema,0,1,57,M,PA,2682,2749,0.143,0.143
        00000001_001.png,No Finding,1,1,058Y,M,PA,2894,2729,0.143,0.143
        00000002_000.png,Pleural_Thickening,0,2,414,F,AP,2500,2048,0.168,0.168
        00000003_000.png,Effusion|Mass,0,3,013M,F,PA,2500,2048,0.168,0.168
        00000004_000.png,Hernia,0,4,81,F,PA,2500,2048,0.168,0.168""",
    )
    return tmp_path


def test_the_published_table_is_read(folder, described):
    source = read_nih(ImportRequest(folder, findings=("cardiomegaly", "pleural_thickening", "mass", "abnormal")))
    rows = described(source, folder)
    assert rows[0] == {
        "row": 2,
        "image": "images_001/images/00000001_000.png",
        "patient": "00000001",
        "age": 57,
        "sex": "male",
        "part": None,
        "cardiomegaly": 1,
        "pleural_thickening": 0,
        "mass": 0,
        "abnormal": 1,
    }
    assert [(row["age"], row["abnormal"], row["pleural_thickening"], row["mass"]) for row in rows[1:4]] == [
        (58, 0, 0, 0),
        (None, 1, 1, 0),
        (pytest.approx(13 / 12, abs=1e-4), 1, 0, 1),
    ]
    assert rows[1]["patient"] == "00000001" and rows[3]["image"] == "images_002/images/00000003_000.png"
    assert rows[4]["problems"] == [
        "Row 6, column image: names a file that does not exist; correct the path, or name its folder with --images."
    ]
    assert source.notes == ("1 age above 120 years counts as unknown.",)


def test_all_fourteen_findings_are_read_unless_some_are_named(folder):
    assert read_nih(ImportRequest(folder)).findings == tuple(map(column_name, LABELS)) and len(LABELS) == 14
    with pytest.raises(CohortError, match="no finding 'tuberculosis': it has atelectasis, cardiomegaly"):
        read_nih(ImportRequest(folder, findings=("tuberculosis",)))


def test_the_published_lists_become_parts(folder, described):
    (folder / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n00000003_000.png\n")
    (folder / "test_list.txt").write_text("00000002_000.png\n")
    rows = described(read_nih(ImportRequest(folder, published_split=True)), folder)
    parts = [row["part"] for row in rows]
    assert parts[2] == "test" and parts[4] is None
    assert parts[0] == parts[1] and {parts[0], parts[3]} <= {"train", "validation"}
    (folder / "test_list.txt").unlink()
    with pytest.raises(CohortError, match="leave out --published-split"):
        read_nih(ImportRequest(folder, published_split=True))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(CohortError, match="Data_Entry_2017_v2020"):
        read_nih(ImportRequest(tmp_path))


def test_follow_ups_order_a_patients_studies(folder):
    orders = [row.order for row in read_nih(ImportRequest(folder)).rows]
    assert orders == pd.read_csv(folder / "Data_Entry_2017_v2020.csv")["Follow-up #"].tolist()


@pytest.mark.real
def test_real_images_in_the_published_layout_are_the_same_cohort_as_by_manifest(tmp_path, real_cohorts, fixed_key):
    """The manifest's rows are converted to the published columns: label strings, patient numbers without zeros, twelve folders."""
    manifest = pd.read_csv(real_cohorts / "nih1000" / "manifest.csv", dtype=str)
    findings = tuple(map(column_name, LABELS))
    names = manifest["image"].str.removeprefix("images/")
    for number, name in enumerate(names):
        folder = tmp_path / "nih" / f"images_{1 + number % 12:03d}" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(real_cohorts / "nih1000" / "images" / name, folder / name)
    present = manifest[list(findings)] == "1"
    labels = ["|".join(label for label, has in zip(LABELS, row, strict=True) if has) or "No Finding" for row in present.to_numpy()]
    table = pd.DataFrame({"Image Index": names, "Finding Labels": labels, "Follow-up #": manifest["follow_up"]})
    table = table.assign(**{"Patient ID": manifest["patient_id"].astype(int), "Patient Age": manifest["age"]})
    table = table.assign(**{"Patient Gender": manifest["sex"], "View Position": manifest["view"], "OriginalImage[Width": 64, "Height]": 64})
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "nih" / "Data_Entry_2017_v2020.csv", index=False)
    published, listed = (CohortStore(tmp_path / name, fixed_key) for name in ("published", "listed"))
    report = import_source(published, "nih", read_nih(ImportRequest(tmp_path / "nih")))
    import_manifest(listed, "nih", manifest=real_cohorts / "nih1000" / "manifest.csv", images_dir=None, findings=findings)
    assert (report.n_imported, report.n_patients, report.problems) == (1000, 264, ())
    assert published.load("nih").fingerprint == listed.load("nih").fingerprint
