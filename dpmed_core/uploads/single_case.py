"""A case of the reader's own: written to a folder that is gone at once, and read there by a process of its own, as an import reads."""

import os
import shutil
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.drafts import temporary_draft
from dpmed_core.cohort.intake.read_result import ReadResult
from dpmed_core.cohort.intake.workers import Workers
from dpmed_core.errors import UploadError
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import FORMS
from dpmed_core.settings import Settings
from dpmed_core.uploads.archive import unpack
from dpmed_core.uploads.limits import MIB, Limits

LARGEST_BYTES = {Modality.RADIOGRAPH: 100 * MIB, Modality.CT: 200 * MIB}
"""Of all files of one case together; an image of 4,000 x 4,000 pixels has 32 MB."""
MOST_FILES = {Modality.RADIOGRAPH: 1, Modality.CT: 2000}
LEFT_BEHIND_SECONDS = 300.0
"""No case takes so long to read."""
SERIES_LIMITS = Limits(entries=4000, total_bytes=1024 * MIB, file_bytes=512 * MIB)


@dataclass(frozen=True, eq=False)
class UploadedImage:
    """A case of the reader's own, as a cohort would store it.

    Attributes:
        pixels: of the modality's `StoredForm`.
        warnings: what the reader should look at; never a value out of a header.
    """

    pixels: NDArray[Any] = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_uploaded_case(files: Sequence[IO[bytes]], settings: Settings, *, modality: Modality) -> UploadedImage:
    """The one case in `files`: an image (DICOM, PNG, JPEG), or a CT series as its DICOM files or one ZIP archive of them.

    Names of files are never looked at or kept. Whatever was written is gone when this returns or raises.

    Args:
        files: as uploaded.
        settings: where there is a folder to write to.
        modality: what the models were trained on.

    Raises:
        UploadError: it is none of these, too large, or cannot be read.
    """
    if len(files) > MOST_FILES[modality]:
        raise UploadError(f"There are {len(files):,} files, at most {MOST_FILES[modality]:,} make one case: choose those of one case.")
    settings.uploaded_cases_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with temporary_draft(settings.uploaded_cases_dir) as folder:
        written = _written(files, folder, LARGEST_BYTES[modality])
        place = _series(written, folder / "series") if modality is Modality.CT else written[0]
        outcome = _read(place, modality)
    if outcome.pixels is None:
        raise UploadError(f"The {FORMS[modality].noun} {outcome.message}")
    form = FORMS[modality]
    return UploadedImage(np.frombuffer(outcome.pixels, dtype=form.dtype).reshape(form.shape), outcome.warnings)


def remove_left_behind(settings: Settings) -> None:
    """Remove what a server that was killed while it read a case left behind."""
    for folder in settings.uploaded_cases_dir.glob("*"):
        if time.time() - folder.stat().st_mtime > LEFT_BEHIND_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _written(files: Sequence[IO[bytes]], folder: Path, largest_bytes: int) -> list[Path]:
    """The files, numbered, readable by their owner alone."""
    places, total = [], 0
    for number, stream in enumerate(files):
        place = folder / f"{number:05d}"
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while piece := stream.read(MIB):
                total += len(piece)
                if total > largest_bytes:
                    raise UploadError(f"The upload is larger than {largest_bytes // MIB} MiB, more than one case needs: choose one case.")
                file.write(piece)
        places.append(place)
    if not total:
        raise UploadError("The upload is empty: choose a file with an image in it.")
    return places


def _series(written: Sequence[Path], folder: Path) -> Path:
    """The folder with the files of a series, unpacked where they came as one archive."""
    if len(written) == 1 and zipfile.is_zipfile(written[0]):
        unpack(written[0], folder, limits=SERIES_LIMITS)
        return folder
    folder.mkdir(mode=0o700)
    for place in written:
        shutil.move(place, folder / place.name)
    return folder


def _read(place: Path, modality: Modality) -> ReadResult:
    with Workers(1, modality) as workers:
        [(_, outcome)] = workers.submit([(0, str(place))]).result()
    return outcome
