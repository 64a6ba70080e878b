"""An uploaded case: written to a temporary folder, read there by a worker process in the same way as an import, and removed."""

import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.drafts import is_locked, temporary_draft
from dpmed_core.cohort.intake.read_result import ReadResult
from dpmed_core.cohort.intake.workers import Workers
from dpmed_core.errors import UploadError
from dpmed_core.files import age_seconds
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS, form_of
from dpmed_core.people.actor import ACCOUNT, Actor
from dpmed_core.people.roles import Action
from dpmed_core.settings import Settings
from dpmed_core.uploads.archive import unpack
from dpmed_core.uploads.limits import MIB, Limits

LARGEST_BYTES = {Modality.RADIOGRAPH: 100 * MIB, Modality.CT: 200 * MIB}
"""Size of all files of one case; a radiograph of 4,000 x 4,000 pixels of 16 bits has 32 MB."""
MOST_FILES = {Modality.RADIOGRAPH: 1, Modality.CT: 2000}
LEFT_BEHIND_SECONDS = 300.0
"""An older folder belongs to no running process: reading a case never takes so long."""
SERIES_LIMITS = Limits(entries=4000, total_bytes=1024 * MIB, file_bytes=512 * MIB)


@dataclass(frozen=True, eq=False)
class UploadedImage:
    """The image of an uploaded case, as a cohort would store it.

    Attributes:
        pixels: in the `StoredForm` of the modality.
        warnings: what the reader should check; never a value from a header.
    """

    pixels: NDArray[Any] = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_uploaded_case(
    files: Sequence[IO[bytes]], settings: Settings, *, modality: Modality, side: int, actor: Actor = ACCOUNT
) -> UploadedImage:
    """The image of the case in `files`: one radiograph (DICOM, PNG, JPEG), or one CT series as DICOM files or as a ZIP archive of them.

    File names are neither read nor kept. Everything that was written is removed before this returns or raises.

    Args:
        files: as uploaded.
        settings: of the installation, which name the temporary folder.
        modality: of the models' cohort.
        side: of the radiographs of that cohort, in pixels; not used of CT.
        actor: who uploads it.

    Raises:
        UploadError: it is none of these, too large, or cannot be read.
        NotAllowedError: whoever uploads it may not.
    """
    actor.require(Action.UPLOAD_CASES)
    if len(files) > MOST_FILES[modality]:
        raise UploadError(
            f"{len(files):,} files were uploaded, and one case has at most {MOST_FILES[modality]:,}: choose the files of one case."
        )
    settings.uploaded_cases_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with temporary_draft(settings.uploaded_cases_dir) as folder:
        written = _written(files, folder, LARGEST_BYTES[modality])
        location = _series(written, folder / "series") if modality is Modality.CT else written[0]
        result = _read(location, modality, side)
    if result.pixels is None:
        raise UploadError(f"The {FORMS[modality].noun} {result.message}")
    form = form_of(modality, side)
    return UploadedImage(np.frombuffer(result.pixels, dtype=form.dtype).reshape(form.shape), result.warnings)


def remove_left_behind(settings: Settings) -> None:
    """Remove the files of a server that was killed while it read a case."""
    for folder in settings.uploaded_cases_dir.glob("*"):
        # A younger folder may belong to a case that is being read by another session.
        if age_seconds(folder.stat().st_mtime) > LEFT_BEHIND_SECONDS and not is_locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _written(files: Sequence[IO[bytes]], folder: Path, largest_bytes: int) -> list[Path]:
    """The paths of the files, written under numbers as names, readable by their owner alone (mode 0600).

    Raises:
        UploadError: they are empty, or larger than `largest_bytes` together.
    """
    paths, total = [], 0
    for number, stream in enumerate(files):
        path = folder / f"{number:05d}"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while piece := stream.read(MIB):
                total += len(piece)
                if total > largest_bytes:
                    raise UploadError(f"The upload is larger than {largest_bytes // MIB} MiB, the most for one case: choose one case.")
                file.write(piece)
        paths.append(path)
    if not total:
        raise UploadError("The upload is empty: choose a file that holds an image.")
    return paths


def _series(written: Sequence[Path], folder: Path) -> Path:
    """The folder with the files of a series, unpacked if they were uploaded as one archive."""
    # The archive is recognised by its content, since the names of uploaded files are not read.
    if len(written) == 1 and zipfile.is_zipfile(written[0]):
        unpack(written[0], folder, limits=SERIES_LIMITS)
        return folder
    folder.mkdir(mode=0o700)
    for path in written:
        shutil.move(path, folder / path.name)
    return folder


def _read(location: Path, modality: Modality, side: int) -> ReadResult:
    """The image as a worker process reads it: a file that crashes a decoder must not end the dashboard."""
    with Workers(1, modality, side) as workers:
        [(_, result)] = workers.submit([(0, str(location))]).result()
    return result
