"""Tables of every file format are read as the same text."""

import gzip
import zipfile

import pandas as pd
import pytest

from dpmed_core.cohort.sources import workbook
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.tables import read_table
from dpmed_core.errors import CohortError

ROWS = pd.DataFrame(
    {
        "image": ["a.png", "b.png", "ü,c.png"],
        "patient_id": [7, 7, 8],
        "age": [61.0, None, 1.5],
        "mass": [True, False, True],
        "nodule": [1.0, 0.0, None],
    }
)
TEXT = [["a.png", "7", "61", "1", "1"], ["b.png", "7", "", "0", "0"], ["ü,c.png", "8", "1.5", "1", ""]]


def written(folder, kind):
    path = folder / f"table.{kind}"
    text = pd.DataFrame(TEXT, columns=ROWS.columns)
    if kind == "parquet":
        ROWS.to_parquet(path)
    elif kind == "xlsx":
        ROWS.to_excel(path, index=False)
    elif kind == "csv.gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            text.to_csv(file, index=False)
    else:
        text.to_csv(path, index=False, sep={"csv": ",", "txt": ";", "tsv": "\t"}[kind], encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("kind", ["csv", "txt", "tsv", "csv.gz", "parquet", "xlsx"])
def test_every_file_format_gives_the_same_text(tmp_path, kind):
    table = read_table(written(tmp_path, kind))
    assert table.to_numpy().tolist() == TEXT
    assert table.columns.tolist() == ROWS.columns.tolist() and table.index.tolist() == [2, 3, 4]


def test_lines_may_end_with_an_additional_separator_or_be_short(tmp_path):
    (tmp_path / "table.csv").write_text('a,"b, c"\n1,2,\n3\n"4,5",6\n')
    table = read_table(tmp_path / "table.csv")
    assert table.columns.tolist() == ["a", "b, c"] and table.to_numpy().tolist() == [["1", "2"], ["3", ""], ["4,5", "6"]]
    (tmp_path / "table.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(CohortError, match="not a readable"):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_a_manifest_may_be_any_of_them(tmp_path, pictures, described, kind):
    pictures(tmp_path, ["a.png", "b.png", "ü,c.png"])
    source = read_manifest(written(tmp_path, kind), images_dir=None, findings=("mass",), comorbidities=("nodule",))
    rows = described(source, tmp_path)
    assert [(row["row"], row["image"], row["patient"], row["age"], row["mass"], row["nodule"]) for row in rows] == [
        (2, "a.png", "7", 61, 1, 1),
        (3, "b.png", "7", None, 0, 0),
        (4, "ü,c.png", "8", 1.5, 1, None),
    ]


@pytest.mark.parametrize("name", ["broken.parquet", "broken.xlsx", "broken.csv", "broken.csv.gz", "empty.csv"])
def test_a_file_that_is_not_a_table_is_refused_in_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"\xff\xfe\x00broken\x00" * 20)
    with pytest.raises(CohortError, match="not a readable CSV, Parquet or Excel file"):
        read_table(tmp_path / name)


def test_a_workbook_that_decompresses_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "LARGEST_WORKBOOK_BYTES", 4 << 20)
    with (
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet1.xml", "w") as sheet,
    ):
        for _ in range(5):
            sheet.write(bytes(1 << 20))
    with pytest.raises(CohortError, match="not a readable"):
        read_table(tmp_path / "bomb.xlsx")
