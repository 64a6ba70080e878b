"""Warnings about a stored volume as a whole."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry
from dpmed_core.imaging.stored_format import CONSTANT
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM

SHORT_MM = SHAPE[0] * SPACING_MM[0] / 2
NO_AIR_ABOVE = -500
SHORT = f"it covers less than {SHORT_MM:g} mm from head to foot; the rest of the stored volume is empty"
NO_AIR = f"no voxel has a value of air (below {NO_AIR_ABOVE}); its values may not be Hounsfield units"


def warnings_of_volume(values: NDArray[np.int16], geometry: Geometry) -> list[str]:
    """What the user should check in a stored volume.

    Raises:
        ImageError: it has one value everywhere.
    """
    # Voxels outside the scan are exactly `AIR`: they say nothing about the scan.
    covered = values[values > AIR]
    if not len(covered) or covered.min() == covered.max():
        raise ImageError(CONSTANT)
    warnings = []
    along_body = geometry.positions[geometry.axes[0]]
    if along_body[-1] - along_body[0] < SHORT_MM:
        warnings.append(SHORT)
    if covered.min() >= NO_AIR_ABOVE:
        warnings.append(NO_AIR)
    return warnings
