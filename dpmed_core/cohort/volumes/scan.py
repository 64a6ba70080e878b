"""One CT scan, whatever its files, as the volume that is stored."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.cohort.dicom_header import DAMAGED, DicomHeader, quiet
from dpmed_core.cohort.dicom_person import age_years, remarks_on, sex_of
from dpmed_core.cohort.schema import Modality
from dpmed_core.cohort.stored import StoredImage
from dpmed_core.cohort.volumes.geometry import Geometry
from dpmed_core.cohort.volumes.grid import AIR, SHAPE, SPACING_MM
from dpmed_core.cohort.volumes.ordering import in_order
from dpmed_core.cohort.volumes.planes import Plane
from dpmed_core.cohort.volumes.resample import resampled
from dpmed_core.cohort.volumes.series import files_in, read_series
from dpmed_core.errors import ImageError

SHORT_MM = SHAPE[0] * SPACING_MM[0] / 2
NO_AIR_ABOVE = -500
SHORT = f"it is less than {SHORT_MM:g} mm long from head to foot; the rest of the stored volume is empty"
NO_AIR = f"nothing in it is as dark as air (below {NO_AIR_ABOVE}); its values may not be Hounsfield units"


def read_scan(place: Path) -> StoredImage:
    """The scan at `place`: a folder that holds one DICOM series.

    Raises:
        ImageError: it holds no single scan that can be read.
    """
    with quiet():
        try:
            return _read_folder(place)
        except DAMAGED:
            raise ImageError("has slices that contradict their headers: export it again.") from None


def _read_folder(folder: Path) -> StoredImage:
    series = read_series(files_in(str(folder)))
    return stored_scan(series.planes, series.header, identifying=series.identifying, remarks=series.remarks)


def stored_scan(planes: Sequence[Plane], header: DicomHeader, *, identifying: tuple[str, ...], remarks: Sequence[str]) -> StoredImage:
    """The volume that `planes`, in any order, make.

    Args:
        planes: the slices.
        header: what one of them says of the person.
        identifying: keywords of identifying attributes.
        remarks: what was remarked so far.

    Raises:
        ImageError: they make none.
    """
    ordered, geometry, on_order = in_order(planes)
    values = resampled(_units(ordered), geometry)
    return StoredImage(
        pixels=values,
        age=age_years(header),
        sex=sex_of(header),
        remarks=(*remarks_on(header, Modality.CT), *remarks, *on_order, *remarks_on_volume(values, geometry)),
        identifying=identifying,
    )


def remarks_on_volume(values: NDArray[np.int16], geometry: Geometry) -> list[str]:
    """What to look at in a stored volume.

    Raises:
        ImageError: it has one value everywhere.
    """
    if values.min() == values.max():
        raise ImageError("has the same value everywhere: it shows nothing.")
    remarks = []
    upwards = geometry.positions[geometry.axes[0]]
    if upwards[-1] - upwards[0] < SHORT_MM:
        remarks.append(SHORT)
    if not ((values > AIR) & (values < NO_AIR_ABOVE)).any():
        remarks.append(NO_AIR)
    return remarks


def _units(planes: Sequence[Plane]) -> Iterator[NDArray[np.float64]]:
    """The planes' Hounsfield units, one plane after the other; what is wrong with one is told with its number."""
    for number, plane in enumerate(planes, start=1):
        try:
            yield plane.read()
        except ImageError as error:
            raise ImageError(f"holds a slice (number {number} of {len(planes)} in their order) that {error}") from None
