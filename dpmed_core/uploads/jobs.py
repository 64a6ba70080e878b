"""Import jobs of the page: each has a folder and is run by a process of its own, so that closing the browser does not stop it.

A job's folder (mode 0700, in the data folder) holds the upload and the unpacked files until the import is done or a day has passed.
"""

import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from dpmed_core.errors import DpmedError, UploadError
from dpmed_core.files import age_seconds, check_fields, lock_at
from dpmed_core.imaging.modality import Modality
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action
from dpmed_core.sealed_files import read_sealed, write_sealed
from dpmed_core.settings import Settings, import_environment
from dpmed_core.uploads.columns import ColumnMap
from dpmed_core.uploads.limits import MIB

LIFETIME_SECONDS = 24 * 3600
JOB_ID = re.compile(r"[0-9a-f]{16}")
UNREADABLE = "What the server stored of this import cannot be read: cancel it and start it again. Cohorts are not touched by this."
STARTING_SECONDS = 20.0
"""A process that has not taken the job's lock after this time is assumed to have failed to start."""


class Stage(StrEnum):
    """The stage of a job; in those of `UNDER_WAY`, a process works on it. The values are stored in the jobs' folders."""

    UNPACKING = "unpacking"
    MAPPING = "mapping"
    PREVIEWING = "looking"
    PREVIEWED = "looked"
    IMPORTING = "importing"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


UNDER_WAY = (Stage.UNPACKING, Stage.PREVIEWING, Stage.IMPORTING)


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    Attributes:
        stage: of the work.
        done: how many of `total` are done: bytes when unpacking, images when importing.
        total: 0 if it is not known yet.
        seconds_left: estimated; None if it is not known.
        message: why the job failed; empty otherwise.
        changed_at: seconds since 1970.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    message: str = ""
    changed_at: float = 0.0


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("stage", "message"), str),
    **dict.fromkeys(("done", "total"), int),
    **dict.fromkeys(("seconds_left", "changed_at"), float),
}
"""The stored fields of a state."""


@dataclass(frozen=True)
class JobPlan:
    """What a job is to import; None for what has not been chosen yet.

    Attributes:
        folder: on the server, relative to the configured root; None for an upload.
        table: path of the table, relative to the job's root.
        columns: the meaning of its columns.
        cohort: name of the new cohort.
        modality: of its images.
        one_writing: patients whose identifiers differ only in writing are one patient; the owner of the data said so.
        pixels: side of stored radiographs; None for what the files suggest (`stored_side`).
    """

    folder: str | None = None
    table: str | None = None
    columns: ColumnMap | None = None
    cohort: str | None = None
    modality: Modality = Modality.RADIOGRAPH
    one_writing: bool = False
    pixels: int | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "JobPlan":
        """The plan from the fields that `asdict` returns, after a round trip through JSON."""
        columns, modality = fields["columns"], fields.get("modality", Modality.RADIOGRAPH)
        return cls(**{**fields, "columns": ColumnMap.from_fields(columns) if columns else None, "modality": Modality(modality)})


@dataclass(frozen=True)
class Job:
    """One job, which is its folder: every process reads and writes the job's state there."""

    folder: Path

    @property
    def job_id(self) -> str:
        """The job's random identifier."""
        return self.folder.name

    def upload(self, number: int) -> Path:
        """The uploaded archive of that number."""
        return self.folder / f"upload-{number:04d}.zip"

    @property
    def uploads(self) -> list[Path]:
        """The uploaded archives, in the order in which they came."""
        return sorted(self.folder.glob("upload*.zip"))

    @property
    def files(self) -> Path:
        """The folder of the unpacked files."""
        return self.folder / "files"

    @property
    def preview_summary(self) -> Path:
        """The file of the `ImportPreview`."""
        return self.folder / "outlook.json"

    @property
    def preview(self) -> Path:
        """The file of the preview's images."""
        return self.folder / "preview.npy"

    @property
    def lock(self) -> FileLock:
        """The lock that the process working on the job holds."""
        return lock_at(self.folder / "job.lock", timeout=0)

    def plan(self) -> JobPlan:
        """The job's plan.

        Raises:
            UploadError: it cannot be read.
        """
        try:
            return JobPlan.from_fields(read_sealed(self.folder / "plan.json", self.job_id))
        except (ValueError, TypeError, KeyError, AttributeError, DpmedError):
            raise UploadError(UNREADABLE) from None

    def set_plan(self, plan: JobPlan) -> None:
        """Replace the job's plan."""
        write_sealed(self.folder / "plan.json", asdict(plan), self.job_id)

    def state(self) -> JobState:
        """The job's state; INTERRUPTED if its process ended before the work was done, FAILED if the job cannot be read."""
        try:
            fields = read_sealed(self.folder / "state.json", self.job_id)
            check_fields(fields, _KINDS, optional=frozenset({"seconds_left"}))
            state = JobState(**{**fields, "stage": Stage(fields["stage"])})
            self.plan()
        except (ValueError, TypeError, KeyError, UploadError):
            return JobState(Stage.FAILED, message=UNREADABLE, changed_at=_changed_at(self.folder))
        if state.stage in UNDER_WAY and age_seconds(state.changed_at) > STARTING_SECONDS and not self.has_process():
            return replace(
                state, stage=Stage.INTERRUPTED, message="The server stopped the import; images already read are kept: resume it."
            )
        return state

    def set_state(self, state: JobState) -> None:
        """Replace the job's state, with the current time."""
        write_sealed(self.folder / "state.json", asdict(replace(state, changed_at=time.time())), self.job_id)

    def is_cancelled(self) -> bool:
        """Whether the user cancelled the job."""
        return (self.folder / "cancel").exists()

    def remove_data(self) -> None:
        """Remove the upload, the unpacked files and the preview."""
        shutil.rmtree(self.files, ignore_errors=True)
        for path in (*self.uploads, self.preview, self.preview_summary):
            path.unlink(missing_ok=True)

    def has_process(self) -> bool:
        """Whether a process works on the job: it holds the lock, which the system releases when the process ends, however it ends."""
        try:
            with self.lock:
                return False
        except Timeout:
            return True


def _changed_at(folder: Path) -> float:
    """When the state of the job in `folder` last changed, by the clock of the file system; 0 where nothing tells."""
    for path in (folder / "state.json", folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


@dataclass(frozen=True)
class Jobs:
    """The jobs of an installation.

    Attributes:
        settings: of the installation.
        actor: who imports.
    """

    settings: Settings
    actor: Actor = ACCOUNT

    def all(self) -> list[Job]:
        """All jobs, the most recently changed first.

        Raises:
            NotAllowedError: whoever looks may not import.
        """
        self.actor.admit(Action.IMPORT)
        folders = [path for path in self._root.glob("*") if self.exists(path.name)]
        return [Job(folder) for folder in sorted(folders, key=lambda folder: -_changed_at(folder))]

    def job(self, job_id: str) -> Job:
        """The job `job_id`.

        Raises:
            UploadError: there is none.
            NotAllowedError: whoever looks may not import.
        """
        self.actor.admit(Action.IMPORT)
        if not self.exists(job_id):
            raise UploadError("This import does not exist: it was cancelled, or is older than a day; start a new one.")
        return Job(self._root / job_id)

    def exists(self, job_id: str) -> bool:
        """Whether there is a job `job_id`."""
        folder = self._root / job_id
        return bool(JOB_ID.fullmatch(job_id)) and any((folder / name).exists() for name in ("state.json", "plan.json"))

    def begin_upload(self, *streams: IO[bytes]) -> Job:
        """A new job for the archives in `streams`, which are unpacked into one folder; the unpacking has started.

        Raises:
            UploadError: one is too large.
            NotAllowedError: whoever uploads may not.
        """
        self.actor.require(Action.IMPORT)
        job = self._new(JobPlan())
        most = self.settings.upload_mib
        for number, stream in enumerate(streams):
            with job.upload(number).open("wb") as file:
                while piece := stream.read(MIB):
                    # Counted while it is written: the size that a browser declares is not trusted.
                    if file.tell() + len(piece) > most * MIB:
                        self.remove(job)
                        raise UploadError(
                            f"An archive is larger than {most:,} MiB (DPMED_UPLOAD_MIB): pack the images into several, or use a folder on "
                            "the server."
                        )
                    file.write(piece)
        self.start(job, Stage.UNPACKING)
        return job

    def begin_folder(self, folder: str) -> Job:
        """A new job for `folder`, relative to the configured root; its first step has started.

        Raises:
            UploadError: no root is configured.
            NotAllowedError: whoever imports may not.
        """
        self.actor.require(Action.IMPORT)
        if self.settings.import_dir is None:
            raise UploadError("No folder of the server is configured (DPMED_IMPORT_DIR): upload a ZIP archive.")
        job = self._new(JobPlan(folder=folder))
        self.start(job, Stage.UNPACKING)
        return job

    def start(self, job: Job, stage: Stage) -> None:
        """Start a process that runs the step `stage` of `job`, in a session of its own so that Ctrl-C in the server does not end it.

        Raises:
            NotAllowedError: whoever imports may not.
        """
        self.actor.require(Action.IMPORT, job.job_id)
        job.set_state(JobState(stage))
        process = subprocess.Popen(
            [sys.executable, "-m", "dpmed_core", "import-job", job.job_id],
            env=import_environment(self.settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=process.wait, daemon=True).start()  # an ended process that is never waited for stays as a zombie

    def back_to_columns(self, job: Job) -> None:
        """Return `job` to the choice of columns; the unpacked files are kept."""
        job.set_state(JobState(Stage.MAPPING))

    def resume(self, job: Job) -> None:
        """Repeat the step of `job` that was interrupted."""
        try:
            stage = Stage(read_sealed(job.folder / "state.json", job.job_id)["stage"])
        except (ValueError, KeyError):
            raise UploadError(UNREADABLE) from None
        self.start(job, stage)

    def cancel(self, job: Job) -> None:
        """Cancel `job`: remove it, or have its process do so as soon as it notices.

        Raises:
            NotAllowedError: whoever cancels it may not.
        """
        self.actor.require(Action.IMPORT, job.job_id)
        # The folder of a running process must not be removed under it: a file tells it to stop.
        if job.state().stage in UNDER_WAY:
            (job.folder / "cancel").touch()
        else:
            self.remove(job)

    def remove(self, job: Job) -> None:
        """Remove `job`, which must have no process, with all its files."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def clear_old(self) -> None:
        """Remove jobs whose state has not changed for a day, and on which no process works."""
        for job in self.all():
            if age_seconds(job.state().changed_at) > LIFETIME_SECONDS and not job.has_process():
                self.remove(job)

    @property
    def _root(self) -> Path:
        return self.settings.imports_dir

    def _new(self, plan: JobPlan) -> Job:
        self.clear_old()
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        job = Job(self._root / secrets.token_hex(8))
        job.folder.mkdir(mode=0o700)
        job.set_plan(plan)
        job.set_state(JobState(Stage.UNPACKING))
        return job
