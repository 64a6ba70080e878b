"""NIfTI and MetaImage files: recognised here, read in a subprocess."""

from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.reading import Reading
from dpmed_core.imaging.subprocess_client import ask_subprocess
from dpmed_core.imaging.volume_grid import SHAPE

READER = "dpmed_core.imaging.ct.simpleitk_process"
READING_SECONDS = 180.0
START_BYTES = 1 << 14
GZIP = b"\x1f\x8b"
NIFTI_MAGIC = {344: b"n+1\0", 4: b"n+2\0"}
"""Offset of the magic word in the first and second version of the format. Source: nifti1.h, nifti2.h."""
HEADER_SUFFIX = ".mhd"
"""Suffix of a MetaImage whose voxels are in a second file beside it."""
ELEMENT_DATA_FILE = b"ElementDataFile"
ELSEWHERE = (b"/", b"\\", b"%", b"LIST")
"""Parts of a value of ElementDataFile that names a path, a pattern or a list instead of a file beside the header."""


class VolumeFormat(StrEnum):
    """File formats of volumes other than DICOM."""

    NIFTI = "NIfTI"
    META_IMAGE = "MetaImage"


def volume_format(start: bytes) -> VolumeFormat | None:
    """The format of a file that begins with `start`; None if it is neither. A gzipped file counts as NIfTI."""
    if start.startswith(GZIP) or any(start[offset : offset + 4] == word for offset, word in NIFTI_MAGIC.items()):
        return VolumeFormat.NIFTI
    return VolumeFormat.META_IMAGE if ELEMENT_DATA_FILE in start else None


def read_volume_file(path: Path, kind: VolumeFormat, start: bytes) -> tuple[NDArray[np.int16], list[str], Reading]:
    """The volume in the file at `path`, int16 `SHAPE`, warnings about it, and how it was read.

    Args:
        path: the file.
        kind: its format.
        start: its first bytes.

    Raises:
        ImageError: it cannot be read, or is not a volume of Hounsfield units.
    """
    if kind is VolumeFormat.META_IMAGE:
        detached_voxel_file(path, start)  # called for its refusals: SimpleITK would follow any path
    try:
        answer, data = ask_subprocess(READER, {"path": str(path), "format": kind.value}, seconds=READING_SECONDS)
    except TimeoutError:
        raise ImageError("could not be read in time: save it with fewer voxels.") from None
    except ConnectionError:
        raise ImageError("crashes the program that reads it: save it again.") from None
    if "refused" in answer:
        raise ImageError(answer["refused"])
    reading = Reading(**{**answer["reading"], "assumed": tuple(answer["reading"]["assumed"])})
    return np.frombuffer(data, dtype=np.int16).reshape(SHAPE), list(answer["warnings"]), reading


def detached_voxel_file(path: Path, start: bytes) -> Path | None:
    """The file beside the MetaImage at `path` that holds its voxels; None if the MetaImage holds them itself.

    Raises:
        ImageError: the header names a path, which could lead to any file of the server, or the file is missing.
    """
    named = start.partition(ELEMENT_DATA_FILE)[2].partition(b"\n")[0].partition(b"=")[2].strip()
    if named == b"LOCAL":
        return None
    if not named or any(sign in named for sign in ELSEWHERE) or named.startswith(b"."):
        raise ImageError("names the file of its voxels by a path or a list: save it as one .mha file.")
    beside = path.parent / named.decode("utf-8", "replace")
    if beside.is_symlink() or not beside.is_file():
        raise ImageError("lacks the file of its voxels, which must be in the same folder: save it as one .mha file.")
    return beside
