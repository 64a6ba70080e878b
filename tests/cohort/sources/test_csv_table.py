"""CSV files as spreadsheets and programs write them: encodings, separators, blank and irregular rows, and columns that are not read."""

import subprocess
import sys

import pandas as pd
import pytest

from dpmed_core.cohort.sources.csv_table import BLOCK_BYTES
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.tables import Table, read_table, sampled
from dpmed_core.errors import CohortError

TEXT = "image;patient_id;age\nü.png;Müller;45,5\nb.png;p2;46\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_and_separators_are_recognised(tmp_path, encoding, separator):
    text = TEXT.replace("45,5", '"45,5"') if separator == "," else TEXT
    (tmp_path / "t.csv").write_bytes(text.replace(";", separator).encode(encoding))
    table = read_table(tmp_path / "t.csv")
    assert table.columns.tolist() == ["image", "patient_id", "age"] and table.index.tolist() == [2, 3]
    assert table.to_numpy().tolist() == [["ü.png", "Müller", "45,5"], ["b.png", "p2", "46"]]


def test_the_first_line_may_name_the_separator(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\n" + TEXT)
    assert read_table(tmp_path / "t.csv")["age"].to_dict() == {2: "45,5", 3: "46"}


def test_blank_rows_are_passed_over_and_the_others_keep_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'a,b\r\n1,2\r\n\r\n,\r\n3,"x\r\n\r\ny"\r\n5\r\n6,7,,\r\n , \r\n\r\n,,,\r\n')
    table = read_table(tmp_path / "t.csv")
    assert table.index.tolist() == [2, 5, 6, 7]
    assert table.to_numpy().tolist() == [["1", "2"], ["3", "x\r\n\r\ny"], ["5", ""], ["6", "7"]]


def test_irregular_rows_are_numbered_right_over_several_blocks(tmp_path):
    width = 40
    lines = [f"{i:0{width}d},x" if i % 7 else f"{i:0{width}d}" for i in range(2, 4 * BLOCK_BYTES // (width + 3))]
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *lines]))
    table = read_table(tmp_path / "t.csv")
    assert table["a"].astype(int).tolist() == table.index.tolist() == list(range(2, 2 + len(lines)))
    assert (table["b"] == "").to_numpy().sum() == sum(i % 7 == 0 for i in range(2, 2 + len(lines)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b\n1,2\n1,2,3\n", "row 3 has 3 values and the header 2"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "a quotation mark in row 3 is not closed"),
        ("a,b\n1,Müller\n".encode("latin-1"), "line 2 is not text in UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "Excel workbook of the old format"),
        (b"PK\x03\x04" + bytes(600), "whatever its name says"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path, content, reason):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CohortError, match=reason):
        read_table(tmp_path / "t.csv")


def test_marks_within_values_and_rows_longer_than_a_block_are_read(tmp_path):
    (tmp_path / "t.csv").write_text(f"a,b\n5'10\",{'x' * 2 * BLOCK_BYTES}\n6,y\n")
    assert read_table(tmp_path / "t.csv")["b"].str.len().tolist() == [2 * BLOCK_BYTES, 1]


def test_only_the_columns_that_are_used_need_to_be_text(tmp_path, write_png):
    write_png(tmp_path / "0.png", 0)
    (tmp_path / "m.csv").write_bytes(b"image,patient_id,mass,remark\n0.png,p,1,M\xfcller\n")
    [row] = read_manifest(tmp_path / "m.csv", images_dir=None, findings=("mass",), comorbidities=()).rows
    assert row.values["mass"] == 1 and not row.problems


def test_a_workbook_says_which_sheet_was_read(tmp_path):
    with pd.ExcelWriter(tmp_path / "m.xlsx") as book:
        pd.DataFrame({"Note": ["read me"]}).to_excel(book, sheet_name="Info", index=False)
        pd.DataFrame({"image": ["a.png"]}).to_excel(book, sheet_name="data", index=False)
    with pytest.raises(CohortError, match="first sheet, 'Info', was read and not 'data'"):
        read_manifest(tmp_path / "m.xlsx", images_dir=None, findings=("mass",), comorbidities=())


def test_a_sample_is_spread_over_all_rows(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["a", *map(str, range(100_000))]))
    sample, n_rows = sampled(Table.open(tmp_path / "t.csv"), 500)
    values = sample["a"].astype(int)
    assert n_rows == 100_000 and 500 <= len(values) <= 1000
    assert values.diff().dropna().nunique() == 1 and values.max() > 99_000


MEASURE = """
import sys
from pathlib import Path
from dpmed_core.cohort.sources.manifest import read_manifest
source = read_manifest(Path(sys.argv[1]), images_dir=None, findings=("mass",), comorbidities=())
n = sum(1 for _ in source.rows)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(n, int(status["VmHWM"].split()[0]) >> 10)  # not ru_maxrss, which begins with what the parent process had
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_columns_that_are_not_used(tmp_path):
    """100,000 rows of 200 columns: a reader of all columns takes more than 700 MiB."""
    tail = ",".join(["some text"] * 197)
    with (tmp_path / "m.csv").open("w") as file:
        file.write("image,patient_id,mass," + ",".join(f"c{i}" for i in range(197)) + "\n")
        file.writelines(f"{i % 9}.png,p{i},1,{tail}\n" for i in range(100_000))
    printed = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path / "m.csv")], capture_output=True, text=True, check=True).stdout
    n_rows, peak_mib = map(int, printed.split())
    assert n_rows == 100_000 and peak_mib < 350
