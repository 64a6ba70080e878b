"""PadChest in miniature."""

import pytest

from dpmed_core.cohort.sources.padchest import read_padchest
from dpmed_core.cohort.sources.request import ImportRequest, Views
from dpmed_core.errors import CohortError

HEADER = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,Projection,"
    "MethodProjection,Pediatric,Modality_DICOM,ReportID,Report,MethodLabel,Labels,Localizations"
)
FILES = [f"2053627010{i}_01-002-01{i}.png" for i in range(6)]


@pytest.fixture
def folder(tmp_path, pictures, write_csv):
    pictures(tmp_path, [f"{i % 3}/{image}" for i, image in enumerate(FILES)])
    write_csv(
        tmp_path / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
        f"""{HEADER}
        0,{FILES[0]},0,20140915,2053,839860488694,1930.0,F,POSTEROANTERIOR,PA,Manual,No,CR,1,,RNN,"['cardiomegaly', ' pleural effusion']",[]
        1,{FILES[1]},1,20140915,20536686,839860488694,1930.0,F,LATERAL,L,Manual,No,CR,1,sin,RNN,['cardiomegaly'],
        2,{FILES[2]},2,20130214,20536687,733160487711,,M,ANTEROPOSTERIOR,AP_horizontal,Manual,No,DX,2,sin,Physician,['normal'],
        3,{FILES[3]},0,20130214,20536688,733160487712,1950.0,None,PA,PA,Manual,No,DX,3,sin,RNN,['exclude'],
        4,{FILES[4]},1,20130214,20536689,733160487713,1950.0,M,PA,PA,Manual,No,DX,4,sin,RNN,,
        5,{FILES[5]},2,20170101,20536690,733160487714,1950.0,None,PA,PA,Manual,No,DX,5,sin,RNN,"['NSG tube', ""kerley's lines""]",""",
    )
    return tmp_path


def test_the_published_table_is_read(folder, described):
    source = read_padchest(ImportRequest(folder))
    rows = described(source, folder)
    assert {name: rows[0][name] for name in ("row", "image", "patient", "age", "sex", "part")} == {
        "row": 2,
        "image": f"0/{FILES[0]}",
        "patient": "839860488694",
        "age": 84,
        "sex": "female",
        "part": None,
    }
    assert (rows[0]["cardiomegaly"], rows[0]["pleural_effusion"], rows[0]["pneumonia"]) == (1, 1, 0)
    assert [row["row"] for row in rows] == [2, 4, 7]
    assert rows[1]["age"] is None and rows[2]["sex"] == "unknown" and rows[2]["age"] == 67
    assert any("1 image was left out because the view is neither PA nor AP" in note for note in source.notes)
    assert any("2 images without labels" in note for note in source.notes)


def test_any_published_label_can_be_named(folder, described):
    rows = described(read_padchest(ImportRequest(folder, findings=("nsg_tube", "kerley_s_lines", "normal"))), folder)
    assert [(row["nsg_tube"], row["kerley_s_lines"], row["normal"]) for row in rows] == [(0, 0, 0), (0, 0, 1), (1, 1, 0)]
    with pytest.raises(CohortError, match="no finding 'moon'"):
        read_padchest(ImportRequest(folder, findings=("moon",)))


def test_every_view_is_read_if_requested(folder, described):
    assert [row["row"] for row in described(read_padchest(ImportRequest(folder, views=Views.ALL)), folder)] == [2, 3, 4, 7]


def test_dates_order_a_patients_studies(folder):
    assert [row.order for row in read_padchest(ImportRequest(folder)).rows] == [20140915, 20130214, 20170101]
