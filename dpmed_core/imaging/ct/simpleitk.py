"""NIfTI and MetaImage files, recognised here and read in a process of its own."""

from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.subprocess_client import ask_apart
from dpmed_core.imaging.volume_grid import SHAPE

READER = "dpmed_core.imaging.ct.simpleitk_process"
READING_SECONDS = 180.0
START_BYTES = 1 << 14
GZIP = b"\x1f\x8b"
NIFTI_MAGIC = {344: b"n+1\0", 4: b"n+2\0"}
"""Place of the magic word in the first and second version of the format. Source: nifti1.h, nifti2.h."""
HEADER_SUFFIX = ".mhd"
"""Of a MetaImage whose voxels lie in a file beside it."""
ELEMENT_DATA_FILE = b"ElementDataFile"
ELSEWHERE = (b"/", b"\\", b"%", b"LIST")


class OtherFormat(StrEnum):
    """Formats of volumes beside DICOM."""

    NIFTI = "NIfTI"
    META_IMAGE = "MetaImage"


def other_format(start: bytes) -> OtherFormat | None:
    """The format of a file that begins with `start`; None where it is neither."""
    if start.startswith(GZIP) or any(start[place : place + 4] == word for place, word in NIFTI_MAGIC.items()):
        return OtherFormat.NIFTI
    return OtherFormat.META_IMAGE if ELEMENT_DATA_FILE in start else None


def read_other(path: Path, kind: OtherFormat, start: bytes) -> tuple[NDArray[np.int16], list[str]]:
    """The volume in the file at `path`, int16 `SHAPE`, and remarks.

    Args:
        path: the file.
        kind: its format.
        start: its first bytes.

    Raises:
        ImageError: it cannot be read, or is no volume of Hounsfield units.
    """
    if kind is OtherFormat.META_IMAGE:
        detached_voxels(path, start)  # refuses what leads elsewhere
    try:
        answer, data = ask_apart(READER, {"path": str(path), "format": kind.value}, seconds=READING_SECONDS)
    except TimeoutError:
        raise ImageError("could not be read in time: save it with fewer voxels.") from None
    except ConnectionError:
        raise ImageError("brings the reader to a halt: save it again.") from None
    if "refused" in answer:
        raise ImageError(answer["refused"])
    return np.frombuffer(data, dtype=np.int16).reshape(SHAPE), list(answer["remarks"])


def detached_voxels(path: Path, start: bytes) -> Path | None:
    """The file beside the MetaImage at `path` that holds its voxels; None where it holds them itself.

    Raises:
        ImageError: they lie elsewhere (a path may lead anywhere), or are not there.
    """
    named = start.partition(ELEMENT_DATA_FILE)[2].partition(b"\n")[0].partition(b"=")[2].strip()
    if named == b"LOCAL":
        return None
    if not named or any(sign in named for sign in ELSEWHERE) or named.startswith(b"."):
        raise ImageError("names its voxels' file by a path or a list: save it as one .mha file.")
    beside = path.parent / named.decode("utf-8", "replace")
    if beside.is_symlink() or not beside.is_file():
        raise ImageError("lacks the file of its voxels, which must lie beside it: save it as one .mha file.")
    return beside
