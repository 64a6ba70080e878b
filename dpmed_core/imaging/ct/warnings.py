"""Warnings about a stored volume as a whole."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry
from dpmed_core.imaging.reading import values_words
from dpmed_core.imaging.stored_format import CONSTANT
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM

SHORT_MM = SHAPE[0] * SPACING_MM[0] / 2
NO_AIR_ABOVE = -500
SHORT = f"it covers less than {SHORT_MM:g} mm from head to foot; the rest of the stored volume is empty"
NO_AIR = f"no voxel has a value of air (below {NO_AIR_ABOVE}); its values may not be Hounsfield units"


def warnings_of_volume(values: NDArray[np.int16], geometry: Geometry) -> list[str]:
    """What the user should check in a stored volume.

    Raises:
        ImageError: it is thinner than a stored voxel, or has one value everywhere.
    """
    # Voxels outside the scan are exactly `AIR`: they say nothing about the scan.
    covered = values[values > AIR]
    if not len(covered):
        refuse_thin(geometry)
    if not len(covered) or covered.min() == covered.max():
        raise ImageError(CONSTANT)
    warnings = []
    along_body = geometry.positions[geometry.axes[0]]
    if along_body[-1] - along_body[0] < SHORT_MM:
        warnings.append(SHORT)
    if covered.min() >= NO_AIR_ABOVE:
        warnings.append(NO_AIR)
    return warnings


def hounsfield_words(values: NDArray[np.int16]) -> str:
    """The range of the Hounsfield units of a stored volume, in words; voxels outside the scan do not count."""
    covered = values[values > AIR]
    return f"{values_words(float(covered.min()), float(covered.max()))} HU" if len(covered) else ""


def refuse_thin(geometry: Geometry) -> None:
    """Check that the scan is wide enough along each axis to cover a position of the stored grid.

    Raises:
        ImageError: it is not.
    """
    for axis in range(3):
        positions, wanted = geometry.positions[axis], SPACING_MM[geometry.axes.index(axis)]
        # The outermost samples represent half the distance to their neighbours.
        extent = float(positions[-1] - positions[0]) * len(positions) / max(len(positions) - 1, 1)
        if extent < wanted:
            raise ImageError(
                f"is {extent:.3g} mm thin, and a voxel of the stored volume has {wanted:g} mm: name the whole scan, or correct its spacing."
            )
