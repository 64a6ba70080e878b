"""The steps of an import job, run in the job's process: unpack, preview, import. Progress and failures are written to the job's state."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import Timeout

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.errors import CancelledImportError, DpmedError, UploadError
from dpmed_core.files import replacing, write_json
from dpmed_core.installation import Installation
from dpmed_core.progress import Pace
from dpmed_core.settings import Settings
from dpmed_core.uploads.archives import unpack_all
from dpmed_core.uploads.columns import mapped_source
from dpmed_core.uploads.folders import folder_under, refuse_links, tables_under
from dpmed_core.uploads.jobs import Job, Jobs, JobState, Stage
from dpmed_core.uploads.preview import preview_import

log = logging.getLogger(__name__)

COLUMNS_MISSING = "The table's columns have not been chosen: start the import again."

NICENESS = 5
LOCK_SECONDS = 2.0
"""How long to wait for the job's lock: whoever checks whether a job has a process holds the lock for a moment."""
PROGRESS_EVERY_SECONDS = 0.5


def root_of(job: Job, settings: Settings) -> Path:
    """The folder that the job imports from: one on the server, or that of the unpacked upload.

    Raises:
        UploadError: images cannot be imported from the folder.
    """
    folder = job.plan().folder
    if folder is None:
        return job.files
    if settings.import_dir is None:
        raise UploadError("No folder of the server is configured (DPMED_IMPORT_DIR): upload a ZIP archive.")
    return folder_under(settings.import_dir.resolve(), folder)


def work_on(job: Job, settings: Settings) -> None:
    """Run the current step of `job`; if another process is already working on the job, do nothing."""
    os.nice(NICENESS)
    stage = job.state().stage
    try:
        with job.lock.acquire(timeout=LOCK_SECONDS):
            STEPS[stage](job, settings)
    except Timeout:
        return
    # Only the process itself knows that it no longer writes to the folder, so it removes the job.
    except CancelledImportError:
        Jobs(settings).remove(job)
    except DpmedError as error:
        job.set_state(JobState(Stage.FAILED, message=str(error)))
    except OSError as error:
        # The type alone: the message of an OSError holds a path, which may identify a patient.
        log.warning("An import stopped: %s", type(error).__name__)
        job.set_state(JobState(Stage.FAILED, message=f"The server cannot read or write a file ({error.strerror}): tell the administrator."))


def _unpack(job: Job, settings: Settings) -> None:
    """Unpack the upload, if there is one, and check that there is a table."""
    if job.plan().folder is None:
        unpack_all(job.uploads, job.files, progress=_progress_of(job, Stage.UNPACKING))
        # The archives are not needed again, and take as much room as their files.
        for path in job.uploads:
            path.unlink()
    root = root_of(job, settings)
    refuse_links(root)
    if not tables_under(root):
        raise UploadError("There is no table: add a CSV, Parquet or Excel file with one row per image.")
    job.set_state(JobState(Stage.MAPPING))


def _preview(job: Job, settings: Settings) -> None:
    """Write the preview of the import and its images."""
    root, plan = root_of(job, settings), job.plan()
    if plan.table is None or plan.columns is None:
        raise UploadError(COLUMNS_MISSING)
    preview_summary, preview = preview_import(
        mapped_source(root / plan.table, plan.columns, root=root),
        key=Installation.open(settings).key,
        modality=plan.modality,
        pixels=plan.pixels,
    )
    with replacing(job.preview) as draft, draft.open("wb") as file:
        np.save(file, preview)
    write_json(job.preview_summary, preview_summary.to_fields())
    job.set_state(JobState(Stage.PREVIEWED))


def _import(job: Job, settings: Settings) -> None:
    """Import the cohort, and remove the uploaded files."""
    root, plan = root_of(job, settings), job.plan()
    if plan.table is None or plan.columns is None or plan.cohort is None:
        raise UploadError(COLUMNS_MISSING)
    refuse_links(root)  # again: the folder may have changed since the job began
    source = mapped_source(root / plan.table, plan.columns, root=root)
    cohorts, progress = Installation.open(settings).cohorts, _progress_of(job, Stage.IMPORTING)
    import_source(
        cohorts,
        plan.cohort,
        source,
        modality=plan.modality,
        progress=progress,
        one_writing=plan.one_writing,
        pixels=plan.pixels,
    )
    job.remove_data()
    job.set_state(JobState(Stage.FINISHED))


def _progress_of(job: Job, stage: Stage) -> Callable[[int, int], None]:
    """A callback that writes the progress to the job's state, at most every `PROGRESS_EVERY_SECONDS`, and stops a cancelled job."""
    pace, since_written = Pace(), Pace()

    def write_progress(done: int, total: int) -> None:
        if job.is_cancelled() or not job.folder.exists():
            raise CancelledImportError("The import was cancelled.")
        left = pace.seconds_left(done, total)
        if since_written.elapsed() > PROGRESS_EVERY_SECONDS or done >= total:
            since_written.restart()
            job.set_state(JobState(stage, done, total, left))

    return write_progress


STEPS: dict[Stage, Callable[[Job, Settings], None]] = {Stage.UNPACKING: _unpack, Stage.PREVIEWING: _preview, Stage.IMPORTING: _import}
