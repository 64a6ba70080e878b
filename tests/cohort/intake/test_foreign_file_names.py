"""Files of an import that are called like Markdown, HTML, formulas or control characters: read as any other, and named nowhere."""

import csv
import json

import pytest

from dpmed_core.cohort.intake.importer import import_manifest
from dpmed_core.cohort.store import CohortStore
from dpmed_core.errors import CohortError
from dpmed_core.foreign_text import plain_line
from tests.conftest import KEY
from tests.foreign_strings import foreign_strings

NAMES = [text.replace("/", "\u2215").replace("\0", "") for text in foreign_strings(200) if text == text.strip()]
NAMES = [f"{text.encode()[:200].decode(errors='ignore')}.png" for text in NAMES][:60]
"""As a file system can store them: a slash and a zero cannot stand in a name, and 255 bytes are the most."""


@pytest.fixture
def manifest(tmp_path, write_png):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        if number % 3:
            write_png(folder / name, number)
        else:
            (folder / name).write_bytes(b"no image")
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "patient_id", "age", "sex", "effusion"])
        rows.writerows([name, f"p{number}", 50, "F", number % 2] for number, name in enumerate(NAMES))
    return folder / "list.csv"


def test_images_of_any_name_are_read_and_no_report_holds_a_name(tmp_path, manifest):
    store = CohortStore(tmp_path / "store", KEY)
    report = import_manifest(store, "images", manifest=manifest, images_dir=None, findings=("effusion",), workers=0)
    assert report.n_imported == sum(number % 3 > 0 for number in range(len(NAMES))), [problem.message for problem in report.problems]
    said = json.dumps(report.to_fields(), ensure_ascii=False)
    assert not [name for name in NAMES if len(name) > 8 and name[:-4] in said]
    assert {problem.column for problem in report.problems} == {"image"}


@pytest.mark.parametrize("name", NAMES[::5])
def test_a_manifest_of_any_name_that_cannot_be_used_is_refused_in_one_line(tmp_path, name):
    path = tmp_path / f"{name[:-4]}.csv"
    path.write_text("image,patient_id,age,sex,effusion\nnothing.png,1,50,F,1\n")
    store = CohortStore(tmp_path / "store", KEY)
    for asked in (path, path.with_name(f"{name[:-4]}.none.csv")):
        with pytest.raises(CohortError) as refused:
            import_manifest(store, "images", manifest=asked, images_dir=None, findings=("effusion",), workers=0)
        assert plain_line(str(refused.value), most=10_000) == str(refused.value)
