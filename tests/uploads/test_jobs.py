"""Import jobs of the page: folders and columns offered, steps, cancelling, resuming and cleaning up."""

import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from dpmed_core.errors import UploadError
from dpmed_core.installation import Installation
from dpmed_core.settings import Settings
from dpmed_core.uploads import jobs as jobs_module
from dpmed_core.uploads import steps
from dpmed_core.uploads.columns import ColumnMap, mapped_source, table_facts
from dpmed_core.uploads.folders import FolderContents, contents_of, folder_under, refuse_links, tables_under
from dpmed_core.uploads.jobs import JobPlan, Jobs, JobState, Stage
from dpmed_core.uploads.preview import ImportPreview
from dpmed_core.uploads.steps import work_on
from tests.damage import ANY

N_IMAGES = 30


@pytest.fixture
def images(tmp_path):
    """A folder of the server with thirty images and a table with other names of columns than the manifest's."""
    root = tmp_path / "server"
    (root / "ward" / "pictures").mkdir(parents=True)
    lines = ["File Name;Patient-ID;Patient Age;Gender;Effusion;COPD;Remark"]
    for i in range(N_IMAGES):
        pixels = np.random.default_rng(i).integers(0, 256, (30, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "ward" / "pictures" / f"{i}.png")
        lines.append(f"{i}.png;P{i // 2};0{40 + i // 2}Y;{'FM'[i // 2 % 2]};{('yes', 'no')[i % 2]};{i // 2 % 2};seen on ward {i % 5}")
    (root / "ward" / "ward list.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def settings(data_dir, images, monkeypatch):
    """Settings that name the server's folder; steps run in this process instead of a subprocess."""
    settings = Settings(data_dir=data_dir, import_dir=images, demo=False)
    monkeypatch.setattr(steps.os, "nice", lambda value: None)

    def start(self, job, stage):
        job.set_state(JobState(stage))
        work_on(job, settings)

    monkeypatch.setattr(Jobs, "start", start)
    return settings


def previewed(settings, images):
    """A previewed job on the server's folder, with the guessed columns."""
    job = Jobs(settings).begin_folder("ward")
    facts = table_facts(images / "ward" / "ward list.csv")
    job.set_plan(JobPlan("ward", "ward list.csv", facts.guess, "ward"))
    Jobs(settings).start(job, Stage.PREVIEWING)
    return job


def test_columns_are_guessed_from_names_and_contents(images):
    facts = table_facts(images / "ward" / "ward list.csv")
    assert facts.guess == ColumnMap("File Name", "Patient-ID", "Patient Age", "Gender", None, ("Effusion",), ("COPD",))
    assert facts.labels == ("Effusion", "COPD") and facts.n_rows == N_IMAGES


def test_a_mapped_table_gives_the_rows_of_a_manifest(images):
    guess = table_facts(images / "ward" / "ward list.csv").guess
    rows = list(mapped_source(images / "ward" / "ward list.csv", guess, root=images / "ward").rows)
    assert not [row for row in rows if row.problems]
    assert (rows[2].patient, rows[2].age, rows[2].sex.value, dict(rows[2].values)) == ("P1", 41.0, "male", {"Effusion": 1.0, "COPD": 1.0})
    assert rows[2].image == (images / "ward" / "pictures" / "2.png").resolve()


def test_without_a_column_of_patients_they_are_unknown(images):
    guess = table_facts(images / "ward" / "ward list.csv").guess
    columns = ColumnMap(guess.image, None, None, None, None, ("Effusion",))
    source = mapped_source(images / "ward" / "ward list.csv", columns, root=images / "ward")
    assert not source.patients_known and len({row.patient for row in source.rows}) == N_IMAGES


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (ColumnMap(None, "Patient-ID", None, None, None, ("Effusion",)), "image files"),
        (ColumnMap("File Name", "Patient-ID", None, None, None), "No finding"),
        (ColumnMap("File Name", "Patient-ID", "Patient-ID", None, None, ("Effusion",)), "chosen twice"),
        (ColumnMap("File Name", "Nobody", None, None, None, ("Effusion",)), "missing"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(images, columns, reason):
    with pytest.raises(UploadError, match=reason):
        mapped_source(images / "ward" / "ward list.csv", columns, root=images / "ward")


@pytest.mark.parametrize("relative", ["..", "../..", "/etc", "ward/../..", "none", "ward/ward list.csv", "link"])
def test_no_folder_outside_the_root_is_offered(images, relative):
    (images / "link").symlink_to("/etc")
    with pytest.raises(UploadError):
        folder_under(images, relative)
    assert contents_of(images, ".") == FolderContents(("ward",), 0, ())
    assert contents_of(images, "ward") == FolderContents(("pictures",), 0, ("ward list.csv",))
    assert contents_of(images, "ward/pictures").n_files == N_IMAGES
    assert tables_under(images) == ["ward/ward list.csv"]


def test_a_cell_never_leads_out_of_the_root(images):
    (images / "secret.png").write_bytes((images / "ward" / "pictures" / "0.png").read_bytes())
    table = images / "ward" / "ward list.csv"
    table.write_text(table.read_text().replace("\n0.png;", "\n../secret.png;").replace("\n1.png;", "\n/etc/passwd;"))
    source = mapped_source(table, table_facts(images / "ward" / "ward list.csv").guess, root=images / "ward")
    assert [bool(row.problems) for row in source.rows][:3] == [True, True, False]


def test_links_in_a_folder_are_refused(images, settings):
    (images / "ward" / "pictures" / "out.png").symlink_to("/etc/passwd")
    with pytest.raises(UploadError, match="symbolic links"):
        refuse_links(images / "ward")
    job = Jobs(settings).begin_folder("ward")
    assert job.state().stage is Stage.FAILED and "symbolic links" in job.state().message


def test_from_a_folder_to_a_cohort(images, settings):
    job = previewed(settings, images)
    preview_summary = ImportPreview.read(job.preview_summary)
    assert (preview_summary.n_rows, preview_summary.n_usable, preview_summary.n_patients, preview_summary.n_problems) == (
        N_IMAGES,
        N_IMAGES,
        N_IMAGES // 2,
        {},
    )
    assert preview_summary.findings == (("Effusion", 15, 15, 0), ("COPD", 14, 16, 0))
    assert np.load(job.preview).shape == (24, 128, 128)
    Jobs(settings).start(job, Stage.IMPORTING)
    assert job.state().stage is Stage.FINISHED
    cohort = Installation.open(settings).cohorts.load("ward")
    assert len(cohort.cases) == N_IMAGES and cohort.comorbidities == ("COPD",)
    assert sorted(path.name for path in job.folder.iterdir()) == ["job.lock", "plan.json", "state.json"]


def test_an_upload_is_unpacked_imported_and_removed(images, settings, tmp_path):
    with zipfile.ZipFile(tmp_path / "ward.zip", "w") as archive:
        for path in sorted((images / "ward").rglob("*")):
            archive.write(path, path.relative_to(images / "ward"))
    with (tmp_path / "ward.zip").open("rb") as stream:
        job = Jobs(settings).begin_upload(stream)
    assert job.state().stage is Stage.MAPPING and job.uploads == []
    assert job.folder.stat().st_mode & 0o777 == 0o700 and job.folder.is_relative_to(settings.data_dir)
    job.set_plan(JobPlan(None, "ward list.csv", table_facts(job.files / "ward list.csv").guess, "ward"))
    Jobs(settings).start(job, Stage.PREVIEWING)
    Jobs(settings).start(job, Stage.IMPORTING)
    assert job.state().stage is Stage.FINISHED and not job.files.exists()


def test_a_cancelled_import_leaves_nothing(images, settings, monkeypatch):
    job = previewed(settings, images)
    monkeypatch.setattr(jobs_module.Job, "is_cancelled", lambda self: True)
    Jobs(settings).start(job, Stage.IMPORTING)
    assert Jobs(settings).all() == []
    assert not list(settings.cohorts_dir.iterdir())


def test_a_job_whose_process_died_is_interrupted_and_can_be_resumed(images, settings, monkeypatch):
    job = previewed(settings, images)
    job.set_state(JobState(Stage.IMPORTING, 5, N_IMAGES))
    assert job.state().stage is Stage.IMPORTING
    later = time.time() + 60
    monkeypatch.setattr(jobs_module.time, "time", lambda: later)
    assert job.state().stage is Stage.INTERRUPTED
    Jobs(settings).resume(job)
    assert job.state().stage is Stage.FINISHED


def test_jobs_older_than_a_day_are_removed(images, settings, monkeypatch):
    job = previewed(settings, images)
    later = time.time() + jobs_module.LIFETIME_SECONDS + 1
    monkeypatch.setattr(jobs_module.time, "time", lambda: later)
    Jobs(settings).clear_old()
    assert not job.folder.exists()


def test_a_step_runs_in_a_process_of_the_command_line(images, data_dir):
    """Without the patch of `settings`, the step runs in a subprocess with the settings of the process that started it."""
    settings = Settings(data_dir=data_dir, import_dir=images, demo=False)
    job = Jobs(settings).begin_folder("ward")
    deadline = time.monotonic() + 60
    while job.state().stage is Stage.UNPACKING:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job.state().stage is Stage.MAPPING


@pytest.mark.parametrize("file", ["state.json", "plan.json"])
@pytest.mark.parametrize("how", list(ANY))
def test_a_job_that_cannot_be_read_is_listed_as_failed_and_can_be_cancelled(settings, file, how):
    jobs = Jobs(settings)
    damaged, other = jobs.begin_folder("ward"), jobs.begin_folder("ward")
    ANY[how](damaged.folder / file, other.folder / file)
    assert {job.job_id for job in jobs.all()} == {damaged.job_id, other.job_id}
    if how != "another's":
        assert damaged.state().stage is Stage.FAILED and "cancel it and start it again" in damaged.state().message
    assert other.state().stage is not Stage.FAILED
    jobs.clear_old()
    jobs.cancel(damaged)
    assert [job.job_id for job in jobs.all()] == [other.job_id]
