"""A folder of DICOM files as one scan: which files belong to it, and what does not belong there."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import MOST_LOCALIZERS, MOST_SLICES, one_orientation, refuse_different_sizes
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.imaging.ct.slices import MONOCHROME, Layout, Slice, read_slices
from dpmed_core.imaging.dicom.header import DicomHeader
from dpmed_core.phrases import counted

MOST_FILES = 4 * MOST_SLICES
PASSED_OVER = frozenset({"dicomdir", "thumbs.db", "desktop.ini"})
"""Files that exports and operating systems leave, in small letters; so are those whose name begins with a dot."""
CODE = re.compile(r"[A-Z0-9]{2,16}")

LOCALIZERS = "its folder also holds localizers, which were left out"
WITHOUT_PIXELS = "its folder also holds DICOM objects without pixels (reports, contours), which were left out"


@dataclass(frozen=True)
class SeriesFiles:
    """The files of one series, wherever they lie.

    Attributes:
        paths: of its slices, sorted.
    """

    paths: tuple[str, ...] = field(repr=False)

    @property
    def identity(self) -> str:
        """What tells it from other images."""
        return "\0".join(self.paths)


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of one scan, in the order of their names.

    Attributes:
        planes: as many as there are slices.
        header: of the first of them.
        identifying: keywords of identifying attributes that any of them holds.
        remarks: what was left out.
    """

    planes: list[Plane]
    header: DicomHeader
    identifying: tuple[str, ...]
    remarks: tuple[str, ...]


def files_in(folder: str) -> list[str]:
    """Paths of the files below `folder` that may be slices, sorted.

    Raises:
        ImageError: there are none, or too many.
    """
    paths: list[str] = []
    for place, _, names in os.walk(folder):
        paths.extend(os.path.join(place, name) for name in names if not _is_passed_over(name))  # noqa: PTH118 - a hundred thousand Paths are slow
        if len(paths) > MOST_FILES:
            raise ImageError(f"holds more than {MOST_FILES:,} files: name the folder of one series.")
    if not paths:
        raise ImageError("holds no file: name the folder of the series.")
    return sorted(paths)


def read_series(paths: Sequence[str]) -> Series:
    """The one CT series among the DICOM files at `paths`.

    Raises:
        ImageError: one of them is no DICOM file, no CT slice, or belongs to another patient or series; or too many are there.
    """
    with_pixels = read_slices(paths)
    remarks = [WITHOUT_PIXELS] if len(with_pixels) < len(paths) else []
    slices = [one for one in with_pixels if not one.layout.is_localizer]
    if not slices:
        raise ImageError("holds no CT slice: name the folder of the series.")
    for one in slices:
        refuse_other_kind(one.layout)
    if any(one.layout.frames > 1 for one in slices):
        raise ImageError("holds a multi-frame file beside other files: name that file itself, or put it in a folder of its own.")
    _refuse_several(slices)
    if len(slices) > MOST_SLICES:
        raise ImageError(f"holds a series of {len(slices):,} slices; up to {MOST_SLICES:,} are read: export thicker slices.")
    planes = one_orientation([one.plane() for one in slices], most_dropped=min(MOST_LOCALIZERS, len(slices) // 4))
    if len(planes) < len(with_pixels):
        remarks.append(LOCALIZERS)
    refuse_different_sizes(planes)
    identifying = sorted({keyword for one in slices for keyword in one.header.identifying})
    return Series(planes, slices[0].header, tuple(identifying), tuple(remarks))


def refuse_other_kind(layout: Layout) -> None:
    """Raise an ImageError unless the file is of CT, one number a voxel."""
    if layout.samples != MONOCHROME:
        raise ImageError(f"holds colour ({layout.samples} values a voxel), which CT has not: a screenshot or an overlay; take it out.")
    if layout.modality not in ("CT", ""):
        said = f" (Modality {layout.modality})" if CODE.fullmatch(layout.modality) else ""
        raise ImageError(f"holds an image that is no CT{said} among its slices: take it out.")


def _refuse_several(slices: Sequence[Slice]) -> None:
    """Raise an ImageError unless all slices are of one series and one patient."""
    series = Counter(one.series for one in slices)
    if len(series) > 1:
        sizes = " and ".join(f"{count:,}" for count in sorted(series.values(), reverse=True)[:4])
        raise ImageError(
            f"holds {len(series)} series ({sizes} slices), and which is meant is not said: give each a folder and a row of its own."
        )
    if (n_patients := len({one.patient for one in slices})) > 1:
        raise ImageError(f"holds slices of {counted(n_patients, 'patient', 'patients')}: take the wrong ones out.")


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in PASSED_OVER
