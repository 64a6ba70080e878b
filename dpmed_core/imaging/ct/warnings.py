"""What a stored volume as a whole gives reason to say."""

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry
from dpmed_core.imaging.volume_grid import AIR, SHAPE, SPACING_MM

SHORT_MM = SHAPE[0] * SPACING_MM[0] / 2
NO_AIR_ABOVE = -500
SHORT = f"it is less than {SHORT_MM:g} mm long from head to foot; the rest of the stored volume is empty"
NO_AIR = f"nothing in it is as dark as air (below {NO_AIR_ABOVE}); its values may not be Hounsfield units"


def remarks_on_volume(values: NDArray[np.int16], geometry: Geometry) -> list[str]:
    """What to look at in a stored volume.

    Raises:
        ImageError: it has one value everywhere.
    """
    covered = values[values > AIR]
    if not len(covered) or covered.min() == covered.max():
        raise ImageError("has the same value everywhere: it shows nothing.")
    remarks = []
    upwards = geometry.positions[geometry.axes[0]]
    if upwards[-1] - upwards[0] < SHORT_MM:
        remarks.append(SHORT)
    if covered.min() >= NO_AIR_ABOVE:
        remarks.append(NO_AIR)
    return remarks
