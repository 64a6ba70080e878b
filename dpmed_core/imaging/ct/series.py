"""A folder of DICOM files as one scan: which files belong to it, and which do not."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.mixed import refuse_mixed
from dpmed_core.imaging.ct.ordering import MOST_LOCALIZERS, MOST_SLICES, planes_of_main_orientation, refuse_different_sizes
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.imaging.ct.slices import MONOCHROME, Layout, Slice, read_slices
from dpmed_core.imaging.dicom.header import DicomHeader
from dpmed_core.phrases import counted

MOST_FILES = 4 * MOST_SLICES
IGNORED_NAMES = frozenset({"dicomdir", "thumbs.db", "desktop.ini"})
"""Files of exports and operating systems, in lower case; files whose name begins with a dot are ignored too."""
CODE = re.compile(r"[A-Z0-9]{2,16}")
"""A DICOM code that a message may show; anything else in the attribute Modality could be text about a patient."""

SCREENSHOTS = "its folder also holds screenshots in colour (secondary captures), which were left out"
LOCALIZERS = "its folder also holds localizers, which were left out"
WITHOUT_PIXELS = "its folder also holds DICOM objects without pixels (reports, contours), which were left out"


@dataclass(frozen=True)
class SeriesFiles:
    """The files of one series, which may be in several folders.

    Attributes:
        paths: of its slices, sorted.
    """

    paths: tuple[str, ...] = field(repr=False)

    @property
    def identity(self) -> str:
        """Text that no other image of the same import shares."""
        return "\0".join(self.paths)


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of one scan, in the order of their names.

    Attributes:
        planes: one per slice.
        header: of the first slice.
        identifying: keywords of the identifying attributes that any slice holds.
        warnings: about what was left out.
    """

    planes: list[Plane]
    header: DicomHeader
    identifying: tuple[str, ...]
    warnings: tuple[str, ...]


def series_file_paths(folder: str) -> list[str]:
    """Paths of the files below `folder` that may be slices, sorted.

    Raises:
        ImageError: there are none, or too many.
    """
    paths: list[str] = []
    for parent, _, names in os.walk(folder):
        paths.extend(os.path.join(parent, name) for name in names if not _is_ignored(name))  # noqa: PTH118 - 100,000 Paths are slow
        if len(paths) > MOST_FILES:
            raise ImageError(f"holds more than {MOST_FILES:,} files: name the folder of one series.")
    if not paths:
        raise ImageError("holds no file: name the folder of the series.")
    return sorted(paths)


def read_series(paths: Sequence[str]) -> Series:
    """The one CT series among the DICOM files at `paths`.

    Raises:
        ImageError: one of them is not a DICOM file or not CT, or belongs to another patient or series; or there are too many slices.
    """
    # Headers alone: what does not belong to the scan is found before any pixels are read.
    with_pixels = read_slices(paths)
    images = [one for one in with_pixels if not one.layout.is_screenshot]
    warnings = [WITHOUT_PIXELS] if len(with_pixels) < len(paths) else []
    warnings += [SCREENSHOTS] if len(images) < len(with_pixels) else []
    slices = [one for one in images if not one.layout.is_localizer]
    if not slices:
        raise ImageError("holds no CT slice: name the folder of the series.")
    for one in slices:
        refuse_non_ct(one.layout)
    if any(one.layout.frames > 1 for one in slices):
        raise ImageError("holds a multi-frame file beside other files: name that file itself, or put it into a folder of its own.")
    _refuse_several(slices)
    if len(slices) > MOST_SLICES:
        raise ImageError(f"holds a series of {len(slices):,} slices; at most {MOST_SLICES:,} are read: export thicker slices.")
    # A localizer that its header does not call one still lies in another orientation; of a short series at most a quarter may.
    header_of = {one.plane(): one.header for one in slices}
    planes = planes_of_main_orientation(list(header_of), most_dropped=min(MOST_LOCALIZERS, len(slices) // 4))
    if len(planes) < len(images):
        warnings.append(LOCALIZERS)
    refuse_different_sizes(planes)
    refuse_mixed([header_of[plane] for plane in planes], planes)
    identifying = sorted({keyword for one in slices for keyword in one.header.identifying})
    return Series(planes, slices[0].header, tuple(identifying), tuple(warnings))


def refuse_non_ct(layout: Layout) -> None:
    """Check that the file is CT with one value per voxel.

    Raises:
        ImageError: it is not.
    """
    if layout.samples != MONOCHROME:
        raise ImageError(f"holds a colour image ({layout.samples} values per voxel), perhaps a screenshot, among its slices: take it out.")
    if layout.modality not in ("CT", ""):
        named = f" (Modality {layout.modality})" if CODE.fullmatch(layout.modality) else ""
        raise ImageError(f"holds an image that is not CT{named} among its slices: take it out.")


def _refuse_several(slices: Sequence[Slice]) -> None:
    """Check that all slices belong to one series and one patient.

    Raises:
        ImageError: they do not.
    """
    series = Counter(one.series for one in slices)
    if len(series) > 1:
        sizes = " and ".join(f"{count:,}" for count in sorted(series.values(), reverse=True)[:4])
        raise ImageError(
            f"holds {len(series)} series ({sizes} slices), and one is read per row: put each series into a folder and a row of its own."
        )
    if (n_patients := len({one.patient for one in slices})) > 1:
        raise ImageError(f"holds slices of {counted(n_patients, 'patient', 'patients')}: take the wrong ones out.")


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in IGNORED_NAMES
