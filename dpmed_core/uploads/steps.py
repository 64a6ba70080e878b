"""What the process of a job does: unpack, look, or import; it notes how far it is, and every failure as one sentence."""

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
from dpmed_core.uploads.archive import unpack
from dpmed_core.uploads.columns import mapped_source
from dpmed_core.uploads.image_column import folder_under, refuse_links, tables_under
from dpmed_core.uploads.jobs import Job, Jobs, JobState, Stage
from dpmed_core.uploads.preview import look

log = logging.getLogger(__name__)

NICENESS = 5
LOOK_SECONDS = 2.0
NOTED_EVERY_SECONDS = 0.5


def root_of(job: Job, settings: Settings) -> Path:
    """The folder that the job imports from: a configured one, or what was unpacked.

    Raises:
        UploadError: the folder is not to be imported from.
    """
    folder = job.plan().folder
    if folder is None:
        return job.files
    if settings.import_dir is None:
        raise UploadError("No folder on the server is configured (DPMED_IMPORT_DIR): upload a ZIP archive.")
    return folder_under(settings.import_dir.resolve(), folder)


def work_on(job: Job, settings: Settings) -> None:
    """Do what `job` is at; whoever is second at the same job leaves it to the first."""
    os.nice(NICENESS)
    stage = job.state().stage
    try:
        with job.lock.acquire(timeout=LOOK_SECONDS):  # whoever asks whether it is held holds it for a moment
            STEPS[stage](job, settings)
    except Timeout:
        return
    except CancelledImportError:
        Jobs(settings).remove(job)
    except DpmedError as error:
        job.set_state(JobState(Stage.FAILED, message=str(error)))
    except OSError as error:
        log.warning("An import stopped: %s", type(error).__name__)
        job.set_state(
            JobState(Stage.FAILED, message=f"The server could not read or write a file ({error.strerror}): tell its administrator.")
        )


def _unpack(job: Job, settings: Settings) -> None:
    if job.plan().folder is None:
        unpack(job.upload, job.files, progress=_noting(job, Stage.UNPACKING))
        job.upload.unlink()
    root = root_of(job, settings)
    refuse_links(root)
    if not tables_under(root):
        raise UploadError("There is no table in it: add a CSV, Parquet or Excel file with one row an image.")
    job.set_state(JobState(Stage.MAPPING))


def _look(job: Job, settings: Settings) -> None:
    root, plan = root_of(job, settings), job.plan()
    if plan.table is None or plan.columns is None:
        raise UploadError("Nothing was said of the table's columns: begin anew.")
    preview_summary, preview = look(
        mapped_source(root / plan.table, plan.columns, root=root), key=Installation.open(settings).key, modality=plan.modality
    )
    with replacing(job.preview) as draft, draft.open("wb") as file:
        np.save(file, preview)
    write_json(job.preview_summary, preview_summary.to_fields())
    job.set_state(JobState(Stage.PREVIEWED))


def _import(job: Job, settings: Settings) -> None:
    root, plan = root_of(job, settings), job.plan()
    if plan.table is None or plan.columns is None or plan.cohort is None:
        raise UploadError("Nothing was said of the table's columns: begin anew.")
    refuse_links(root)
    source = mapped_source(root / plan.table, plan.columns, root=root)
    cohorts, noting = Installation.open(settings).cohorts, _noting(job, Stage.IMPORTING)
    import_source(cohorts, plan.cohort, source, modality=plan.modality, progress=noting)
    job.remove_data()
    job.set_state(JobState(Stage.FINISHED))


def _noting(job: Job, stage: Stage) -> Callable[[int, int], None]:
    """Notes progress now and then, and stops where somebody cancelled."""
    pace, noted = Pace(), Pace()

    def note(done: int, total: int) -> None:
        if job.is_cancelled() or not job.folder.exists():
            raise CancelledImportError("The import was cancelled.")
        left = pace.seconds_left(done, total)
        if noted.elapsed() > NOTED_EVERY_SECONDS or done >= total:
            noted.restart()
            job.set_state(JobState(stage, done, total, left))

    return note


STEPS: dict[Stage, Callable[[Job, Settings], None]] = {Stage.UNPACKING: _unpack, Stage.PREVIEWING: _look, Stage.IMPORTING: _import}
