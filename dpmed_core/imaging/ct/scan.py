"""One CT scan, whatever its file format, as the volume that is stored."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry
from dpmed_core.imaging.ct.multiframe import is_multiframe, read_multiframe
from dpmed_core.imaging.ct.ordering import order_planes
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.imaging.ct.resample import resampled
from dpmed_core.imaging.ct.series import Series, SeriesFiles, read_series, series_file_paths
from dpmed_core.imaging.ct.simpleitk import START_BYTES, read_volume_file, volume_format
from dpmed_core.imaging.ct.warnings import hounsfield_words, warnings_of_volume
from dpmed_core.imaging.dicom.header import DAMAGED, looks_like_dicom, silenced_warnings
from dpmed_core.imaging.dicom.patient import age_years, sex_of, warnings_of_header
from dpmed_core.imaging.dicom.read import syntax_words
from dpmed_core.imaging.file_kinds import not_read
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.reading import Reading, bits_words
from dpmed_core.imaging.stored_format import StoredImage
from dpmed_core.phrases import counted


def read_scan(location: Path) -> StoredImage:
    """The scan at `location`: a folder that holds one DICOM series, an enhanced CT file, a NIfTI file or a MetaImage.

    Raises:
        ImageError: it does not hold exactly one scan that can be read.
    """
    if location.is_dir():
        return _dicom_scan(lambda: _series(series_file_paths(str(location))))
    try:
        with location.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:
        raise ImageError("cannot be opened: check that it exists and is readable.") from None
    if looks_like_dicom(start):
        return _dicom_scan(lambda: read_multiframe(location))
    if (kind := volume_format(start)) is None:
        unread = not_read(start, advice="save it as NIfTI or MetaImage, or name a folder of DICOM slices")
        raise ImageError(unread or "is neither a folder of DICOM slices nor an enhanced CT, NIfTI or MetaImage file: name one of these.")
    values, warnings, reading = read_volume_file(location, kind, start)
    return StoredImage(pixels=values, warnings=tuple(warnings), reading=reading)


def read_scan_files(files: SeriesFiles) -> StoredImage:
    """The scan whose slices are `files`.

    Raises:
        ImageError: they are not exactly one scan that can be read.
    """
    return _dicom_scan(lambda: _series(files.paths))


def _series(paths: Sequence[str]) -> Series:
    """The series in the files at `paths`, which may also be a single multi-frame file."""
    if len(paths) == 1 and is_multiframe(Path(paths[0])):
        return read_multiframe(Path(paths[0]))
    return read_series(paths)


def _dicom_scan(read: Callable[[], Series]) -> StoredImage:
    with silenced_warnings():
        try:
            return _stored(read())
        except DAMAGED:
            raise ImageError("has slices that contradict their headers: export it again.") from None


def _stored(series: Series) -> StoredImage:
    """The volume of `series` with the first slice's age and sex, and all warnings."""
    ordered, geometry, on_order = order_planes(series.planes)
    values = resampled(_units(ordered), geometry)
    return StoredImage(
        pixels=values,
        age=age_years(series.header),
        sex=sex_of(series.header),
        warnings=(*warnings_of_header(series.header, Modality.CT), *series.warnings, *on_order, *warnings_of_volume(values, geometry)),
        identifying=series.identifying,
        reading=_reading(series, geometry, values),
    )


def _reading(series: Series, geometry: Geometry, values: NDArray[np.int16]) -> Reading:
    """How the slices of `series` were read."""
    header, n_slices = series.header, counted(len(series.planes), "slice", "slices")
    bits = bits_words(header.bits_stored, header.integer("BitsAllocated", header.bits_stored))
    kind = f"DICOM series of {n_slices}, {syntax_words(header.transfer_syntax)}"
    return Reading(kind, bits, hounsfield_words(values), geometry.words, header.photometric)


def _units(planes: Sequence[Plane]) -> Iterator[NDArray[np.float64]]:
    """The planes' Hounsfield units, one plane after the other.

    Raises:
        ImageError: a plane cannot be read; the message names its number in the order of the planes.
    """
    for number, plane in enumerate(planes, start=1):
        try:
            yield plane.read()
        except ImageError as error:
            raise ImageError(f"holds a slice (number {number} of {len(planes)} from the first position on) that {error}") from None
