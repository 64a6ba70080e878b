"""Imports that the page started: each a folder of its own, worked on by a process of its own, so that a closed browser stops nothing.

A job's folder (mode 0700, in the data folder) holds the upload and what was unpacked, until the import is done or a day has passed.
"""

import json
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from dpmed_core.errors import UploadError
from dpmed_core.files import write_json
from dpmed_core.imaging.modality import Modality
from dpmed_core.settings import Settings, settings_environment
from dpmed_core.uploads.columns import ColumnMap
from dpmed_core.uploads.limits import MIB

LIFETIME_SECONDS = 24 * 3600
JOB_ID = re.compile(r"[0-9a-f]{16}")
LARGEST_UPLOAD_BYTES = 1024 * MIB
STARTING_SECONDS = 20.0
"""A process that has not taken its lock after so long never will."""


class Stage(StrEnum):
    """Where a job stands; those of `UNDER_WAY` have a process."""

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
    """Where a job stands.

    Attributes:
        stage: what is being done, or waited for.
        done: of `total`, in whatever the stage counts.
        total: 0 where it is not known yet.
        seconds_left: None where it is not known.
        message: what went wrong.
        changed_at: seconds since 1970.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    message: str = ""
    changed_at: float = 0.0


@dataclass(frozen=True)
class JobPlan:
    """What a job is to import.

    Attributes:
        folder: on the server, relative to the configured root; None for an upload.
        table: path of the table, relative to the job's root.
        columns: what its columns mean.
        cohort: name of the new cohort.
        modality: what its images are.
    """

    folder: str | None = None
    table: str | None = None
    columns: ColumnMap | None = None
    cohort: str | None = None
    modality: Modality = Modality.RADIOGRAPH

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "JobPlan":
        """The plan that `asdict` took apart."""
        columns, modality = fields["columns"], fields.get("modality", Modality.RADIOGRAPH)
        return cls(**{**fields, "columns": ColumnMap.from_fields(columns) if columns else None, "modality": Modality(modality)})


@dataclass(frozen=True)
class Job:
    """One job's folder."""

    folder: Path

    @property
    def job_id(self) -> str:
        """Its name; random."""
        return self.folder.name

    @property
    def upload(self) -> Path:
        """The archive as it came."""
        return self.folder / "upload.zip"

    @property
    def files(self) -> Path:
        """What was unpacked."""
        return self.folder / "files"

    @property
    def preview_summary(self) -> Path:
        """What looking at the rows found."""
        return self.folder / "outlook.json"

    @property
    def preview(self) -> Path:
        """Some images as they will be stored."""
        return self.folder / "preview.npy"

    @property
    def lock(self) -> FileLock:
        """Held by the process that works on it."""
        return FileLock(self.folder / "job.lock", timeout=0)

    def plan(self) -> JobPlan:
        """What it is to import."""
        return JobPlan.from_fields(json.loads((self.folder / "plan.json").read_text()))

    def set_plan(self, plan: JobPlan) -> None:
        """Change what it is to import."""
        write_json(self.folder / "plan.json", asdict(plan))

    def state(self) -> JobState:
        """Where it stands; INTERRUPTED where its process is gone before it was done."""
        fields = json.loads((self.folder / "state.json").read_text())
        state = JobState(**{**fields, "stage": Stage(fields["stage"])})
        if state.stage in UNDER_WAY and time.time() - state.changed_at > STARTING_SECONDS and not self._has_process():
            return replace(state, stage=Stage.INTERRUPTED, message="The server stopped the import; nothing that was read is lost.")
        return state

    def set_state(self, state: JobState) -> None:
        """Say where it stands."""
        write_json(self.folder / "state.json", asdict(replace(state, changed_at=time.time())))

    def is_cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return (self.folder / "cancel").exists()

    def remove_data(self) -> None:
        """Remove what was uploaded and unpacked, and the preview."""
        shutil.rmtree(self.files, ignore_errors=True)
        for path in (self.upload, self.preview, self.preview_summary):
            path.unlink(missing_ok=True)

    def _has_process(self) -> bool:
        try:
            with self.lock:
                return False
        except Timeout:
            return True


@dataclass(frozen=True)
class Jobs:
    """The jobs of an installation."""

    settings: Settings

    def all(self) -> list[Job]:
        """The jobs that are there, newest first."""
        return [Job(path.parent) for path in sorted(self._root.glob("*/state.json"), key=lambda p: -p.stat().st_mtime)]

    def job(self, job_id: str) -> Job:
        """The job `job_id`.

        Raises:
            UploadError: there is none.
        """
        if not self.exists(job_id):
            raise UploadError("There is no such import: it was cancelled, or is older than a day. Begin anew.")
        return Job(self._root / job_id)

    def exists(self, job_id: str) -> bool:
        """Whether there is a job `job_id`."""
        return bool(JOB_ID.fullmatch(job_id)) and (self._root / job_id / "state.json").exists()

    def begin_upload(self, stream: IO[bytes]) -> Job:
        """A job for the archive in `stream`, unpacking already.

        Raises:
            UploadError: it is too large.
        """
        job = self._new(JobPlan())
        with job.upload.open("wb") as file:
            while piece := stream.read(MIB):
                if file.tell() > LARGEST_UPLOAD_BYTES:
                    self.remove(job)
                    raise UploadError(f"The upload is larger than {LARGEST_UPLOAD_BYTES // MIB} MiB: use a folder on the server.")
                file.write(piece)
        self.start(job, Stage.UNPACKING)
        return job

    def begin_folder(self, folder: str) -> Job:
        """A job for `folder`, relative to the configured root, being looked through already.

        Raises:
            UploadError: there is no configured root.
        """
        if self.settings.import_dir is None:
            raise UploadError("No folder on the server is configured (DPMED_IMPORT_DIR): upload a ZIP archive.")
        job = self._new(JobPlan(folder=folder))
        self.start(job, Stage.UNPACKING)
        return job

    def start(self, job: Job, stage: Stage) -> None:
        """Start a process that does `stage` of `job`."""
        job.set_state(JobState(stage))
        process = subprocess.Popen(
            [sys.executable, "-m", "dpmed_core", "import-job", job.job_id],
            env=settings_environment(self.settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=process.wait, daemon=True).start()  # so that no ended process is left unburied

    def back_to_columns(self, job: Job) -> None:
        """Have the columns of `job` named anew; nothing is unpacked or uploaded again."""
        job.set_state(JobState(Stage.MAPPING))

    def resume(self, job: Job) -> None:
        """Go on with what `job` was at when its process ended."""
        self.start(job, Stage(json.loads((job.folder / "state.json").read_text())["stage"]))

    def cancel(self, job: Job) -> None:
        """Stop `job`; nothing of it is left once its process, if it has one, has noticed."""
        if job.state().stage in UNDER_WAY:
            (job.folder / "cancel").touch()
        else:
            self.remove(job)

    def remove(self, job: Job) -> None:
        """Remove `job`, which has no process, and all that came with it."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def clear_old(self) -> None:
        """Remove jobs that nobody touched for a day."""
        for job in self.all():
            if time.time() - job.state().changed_at > LIFETIME_SECONDS:
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
