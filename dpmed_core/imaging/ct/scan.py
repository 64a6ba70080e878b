"""One CT scan, whatever its files, as the volume that is stored."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.multiframe import is_multiframe, read_multiframe
from dpmed_core.imaging.ct.ordering import in_order
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.imaging.ct.resample import resampled
from dpmed_core.imaging.ct.series import Series, SeriesFiles, files_in, read_series
from dpmed_core.imaging.ct.simpleitk import START_BYTES, other_format, read_other
from dpmed_core.imaging.ct.warnings import remarks_on_volume
from dpmed_core.imaging.dicom.header import DAMAGED, looks_like_dicom, quiet
from dpmed_core.imaging.dicom.patient import age_years, remarks_on, sex_of
from dpmed_core.imaging.modality import Modality
from dpmed_core.imaging.stored_format import StoredImage


def read_scan(place: Path) -> StoredImage:
    """The scan at `place`: a folder that holds one DICOM series, an enhanced CT file, a NIfTI file or a MetaImage.

    Raises:
        ImageError: it holds no single scan that can be read.
    """
    if place.is_dir():
        return _dicom_scan(lambda: _series(files_in(str(place))))
    try:
        with place.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:
        raise ImageError("cannot be opened: check that it is there and readable.") from None
    if looks_like_dicom(start):
        return _dicom_scan(lambda: read_multiframe(place))
    if (kind := other_format(start)) is None:
        raise ImageError("is none of a folder of DICOM slices, an enhanced CT file, NIfTI or MetaImage: name one of these.")
    values, remarks = read_other(place, kind, start)
    return StoredImage(pixels=values, remarks=tuple(remarks))


def read_scan_files(files: SeriesFiles) -> StoredImage:
    """The scan whose slices are `files`.

    Raises:
        ImageError: they are no single scan that can be read.
    """
    return _dicom_scan(lambda: _series(files.paths))


def _series(paths: Sequence[str]) -> Series:
    """The series in the files at `paths`, which may also be one multi-frame file alone."""
    if len(paths) == 1 and is_multiframe(Path(paths[0])):
        return read_multiframe(Path(paths[0]))
    return read_series(paths)


def _dicom_scan(read: Callable[[], Series]) -> StoredImage:
    with quiet():
        try:
            return _stored(read())
        except DAMAGED:
            raise ImageError("has slices that contradict their headers: export it again.") from None


def _stored(series: Series) -> StoredImage:
    ordered, geometry, on_order = in_order(series.planes)
    values = resampled(_units(ordered), geometry)
    return StoredImage(
        pixels=values,
        age=age_years(series.header),
        sex=sex_of(series.header),
        remarks=(*remarks_on(series.header, Modality.CT), *series.remarks, *on_order, *remarks_on_volume(values, geometry)),
        identifying=series.identifying,
    )


def _units(planes: Sequence[Plane]) -> Iterator[NDArray[np.float64]]:
    """The planes' Hounsfield units, one plane after the other; what is wrong with one is told with its number."""
    for number, plane in enumerate(planes, start=1):
        try:
            yield plane.read()
        except ImageError as error:
            raise ImageError(f"holds a slice (number {number} of {len(planes)} in their order) that {error}") from None
