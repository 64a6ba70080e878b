"""The order of a patient's studies: read from numbers or dates, stored as ranks alone, and no part of the fingerprint."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dpmed_core.cohort.groups import subgroups
from dpmed_core.cohort.intake.importer import import_manifest, import_source
from dpmed_core.cohort.schema import STUDY_ORDER
from dpmed_core.cohort.sources.catalogue import open_source
from dpmed_core.cohort.sources.dicom_folder import read_dicom_folder
from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.cohort.sources.request import ImportRequest
from dpmed_core.cohort.store import CohortStore
from dpmed_core.commands.cohort import cohort as commands
from dpmed_core.errors import CohortError
from dpmed_core.settings import load_settings
from dpmed_core.uploads.columns import ColumnMap, mapped_source, table_facts

PATIENTS = "aaaabbcdd"
DATES = ["2019-03-04", "2018-12-24", "2019-03-04 08:30", "2017-01-01", "20200201", "2020/2/1 07:00", "2011-05-06", "03/04/2019", ""]
RANKS = [3, 2, 4, 1, 1, 2, 1, None, None]


@pytest.fixture
def table(tmp_path, write_png, write_manifest):
    """Writes a manifest of nine images, with one more column."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(9):
        write_png(folder / f"{i}.png", i)

    def write(order=None, column=STUDY_ORDER, shuffled=False):
        rows = [{"image": f"{i}.png", "patient_id": patient, "age": 30 + i, "mass": i % 2} for i, patient in enumerate(PATIENTS)]
        if order is not None:
            rows = [{**row, column: value} for row, value in zip(rows, order, strict=True)]
        return write_manifest(folder / "manifest.csv", rows[::-1] if shuffled else rows)

    return write


def imported(store, name, manifest, **options):
    report = import_manifest(store, name, manifest=manifest, images_dir=None, findings=("mass",), **options)
    cohort = store.load(name)
    assert report.n_imported == 9
    return cohort, {check.name: check.rows for check in report.checks}


def ranks_by_age(cohort):
    order = cohort.cases.sort_values("age")[STUDY_ORDER]
    return [None if pd.isna(rank) else int(rank) for rank in order]


def test_dates_become_ranks_and_what_is_no_date_is_unknown_with_a_remark(store, table):
    cohort, checks = imported(store, "images", table(DATES))
    assert ranks_by_age(cohort) == RANKS
    assert checks["study_orders_not_read"] == (9,)
    assert np.isnan(cohort.study_order).sum() == 2 and set(cohort.study_order[~np.isnan(cohort.study_order)]) == {1, 2, 3, 4}


def test_no_date_is_stored(store, table, tmp_path):
    imported(store, "images", table(DATES))
    cohort = tmp_path / store.root / "images"
    stored = b"".join(path.read_bytes() for path in cohort.rglob("*") if path.is_file())
    assert not [date for date in ("2019-03-04", "20190304", "2018-12-24", "20181224", "2017-01-01") if date.encode() in stored]
    assert not any(np.float64(number).tobytes() in stored for number in (20190304, 20181224, 20170101, 20200201))
    values = pd.read_parquet(cohort / "cases.parquet")[STUDY_ORDER]
    assert values.dtype == "Int32" and values.max() == 4


def test_numbers_are_ranked_within_each_patient_and_images_of_one_study_stay_together(store, table):
    cohort, _ = imported(store, "images", table([10, 7, 7, "2.5", 0, -1, 5, " 3.0", "4"]))
    assert ranks_by_age(cohort) == [3, 2, 2, 1, 2, 1, 1, 1, 2]


def test_a_cohort_without_order_is_stored_as_before(store, table):
    for name, order in (("without", None), ("blank", [""] * 9)):
        cohort, _ = imported(store, name, table(order))
        assert cohort.study_order is None and STUDY_ORDER not in cohort.cases


def test_the_order_changes_neither_fingerprint_nor_cases(store, table):
    without, _ = imported(store, "without", table())
    ordered, _ = imported(store, "ordered", table(DATES, shuffled=True))
    assert ordered.fingerprint == without.fingerprint and store.is_intact("ordered")
    pd.testing.assert_frame_equal(ordered.cases.drop(columns=STUDY_ORDER), without.cases)
    with pytest.raises(CohortError, match="no attribute 'study_order'"):
        subgroups(ordered.cases, STUDY_ORDER)


def test_a_cohort_is_intact_whatever_it_came_from_and_with_or_without_order(store, table):
    for name, order in (("without", None), ("ordered", DATES)):
        source = open_source("manifest", ImportRequest(table(order), findings=("mass",)))
        import_source(store, name, source)
        assert store.load(name).source == "manifest" and store.is_intact(name)
    assert store.fingerprint("without") == store.fingerprint("ordered")
    images = store.root / "ordered" / "images.npy"
    changed = bytearray(images.read_bytes())
    changed[-1] ^= 1
    images.write_bytes(changed)
    assert not store.is_intact("ordered")


def test_a_changed_order_is_found(store, table):
    imported(store, "images", table(DATES))
    path = store.root / "images" / "cases.parquet"
    cases = pd.read_parquet(path)
    cases.assign(study_order=1).to_parquet(path, index=False)
    with pytest.raises(CohortError, match="was changed"):
        store.load("images")


def test_identical_images_keep_their_case_ids_and_are_ordered_by_the_table_alone(store, table, write_png):
    manifest = table([2, 1, 3, 4, 1, 2, 1, 1, 2])
    write_png(manifest.parent / "1.png", 0)  # the same pixels as 0.png, of the same patient
    text = manifest.read_text().replace(",31,", ",30,").replace("1.png,a,30,1", "1.png,a,30,0")
    manifest.write_text(text)
    first, _ = imported(store, "first", manifest)
    lines = text.splitlines()
    manifest.write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    second, _ = imported(store, "second", manifest)
    pd.testing.assert_frame_equal(first.cases, second.cases)
    alike = first.cases[first.cases["age"] == 30]
    assert sorted(alike[STUDY_ORDER]) == [1, 2]


def test_a_column_of_another_name_is_read_if_named(store, table):
    cohort, _ = imported(store, "unnamed", table(range(9), column="follow_up"))
    assert cohort.study_order is None
    manifest = table(range(9), column="follow_up")

    def rows(study_order):
        return read_manifest(manifest, images_dir=None, findings=("mass",), comorbidities=(), study_order=study_order).rows

    assert [row.order for row in rows("follow_up")] == list(range(9))
    with pytest.raises(CohortError, match="no column 'visit'"):
        rows("visit")
    with pytest.raises(CohortError, match="'mass' is used twice"):
        rows("mass")


def test_a_finding_cannot_have_the_columns_name(store, table):
    with pytest.raises(CohortError, match="cannot be called 'study_order'"):
        import_manifest(store, "images", manifest=table([0, 1] * 4 + [0]), images_dir=None, findings=("study_order",))


def test_layouts_without_a_table_of_ones_own_have_no_use_for_the_option(tmp_path):
    with pytest.raises(CohortError, match="no use for --study-order"):
        open_source("nih-chestxray14", ImportRequest(tmp_path, study_order="x"))


def test_the_command_takes_the_column_and_refuses_one_that_is_not_there(table, data_dir, monkeypatch):
    monkeypatch.setenv("DPMED_DATA_DIR", str(data_dir))
    load_settings.cache_clear()
    manifest = table(range(9), column="follow_up")
    words = ["add", "chest", "--manifest", str(manifest), "--findings", "mass", "--json", "--study-order"]
    refused = CliRunner().invoke(commands, [*words, "visit"])
    assert refused.exception is not None and "no column 'visit'" in str(refused.exception)
    done = CliRunner().invoke(commands, [*words, "follow_up"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_images"] == 9
    key = (data_dir / "secret.key").read_bytes()
    assert CohortStore(data_dir / "cohorts", key).load("chest").study_order is not None


def test_the_page_guesses_the_column_from_name_and_content_and_reads_it(store, table):
    path = table([*DATES[:7], "2020-01-01", ""], column="Study Date")
    facts = table_facts(path)
    assert facts.guess.study_order == "Study Date"
    assert table_facts(table(["first", "second"] * 4 + ["third"], column="follow-up")).guess.study_order is None
    path = table([*DATES[:7], "2020-01-01", ""], column="Study Date")
    columns = ColumnMap.from_fields({**facts.guess.to_fields(), "findings": ["mass"]})
    import_source(store, "images", mapped_source(path, columns, root=path.parent))
    assert ranks_by_age(store.load("images")) == [3, 2, 4, 1, 1, 2, 1, 1, None]


def test_a_column_map_of_an_earlier_version_has_no_order():
    fields = ColumnMap("image", "patient", None, None, None, ("mass",)).to_fields()
    del fields["study_order"]
    assert ColumnMap.from_fields(fields).study_order is None


def test_dates_in_dicom_headers_order_studies(store, tmp_path, write_dicom_file):
    folder = tmp_path / "export"
    folder.mkdir()
    moments = [("20190304", "101500"), ("20190304", "0815"), ("20180101", ""), ("", "101500"), ("20190304", "10:15")]
    for i, (date, time) in enumerate(moments):
        pixels = np.random.default_rng(i).integers(0, 4000, (16, 12), dtype=np.uint16)
        known = {"PatientID": "A", "PatientAge": f"{50 + i:03d}Y", "StudyDate": date, "StudyTime": time, "SOPInstanceUID": f"1.2.{i}"}
        write_dicom_file(folder / f"{i}.dcm", pixels, **known)
    import_source(store, "headers", read_dicom_folder(ImportRequest(folder)))
    assert ranks_by_age(store.load("headers")) == [4, 3, 1, None, 2]
    labels = tmp_path / "labels.csv"
    labels.write_text("file,mass,visit\n0.dcm,0,1\n1.dcm,1,2\n2.dcm,1,3\n3.dcm,0,4\n4.dcm,0,5\n")
    request = ImportRequest(folder, findings=("mass",), labels=labels)
    assert [row.order for row in read_dicom_folder(request).rows][2:4] == [20180101, None]
    named = ImportRequest(folder, findings=("mass",), labels=labels, study_order="visit")
    assert [row.order for row in read_dicom_folder(named).rows] == [1, 2, 3, 4, 5]
    stored = b"".join(path.read_bytes() for path in (store.root / "headers").rglob("*") if path.is_file())
    assert b"20190304" not in stored and np.float64(20180101).tobytes() not in stored
