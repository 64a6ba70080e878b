"""The two ways in which a NIfTI header says how its voxels lie in the patient, sform and qform, compared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError

SMALL_DEGREES, LARGE_DEGREES = 1.0, 45.0
SPACING_SHARE, LARGE_SPACING_SHARE = 0.01, 0.1

FORMS_DIFFER = "its header says in two ways how it lies in the patient (sform and qform), which differ a little; the sform was used"
TWO_WAYS = "says in two ways how it lies in the patient (sform and qform)"


def forms_warnings(header: Any) -> list[str]:
    """A warning if sform and qform of a NIfTI `header` differ a little; none if they agree, or only one is set.

    Raises:
        ImageError: one is the mirror image of the other, or they differ so much that axes are exchanged or sizes are wrong.
    """
    sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    if sform is None or qform is None:
        return []
    (one, step), (other, other_step) = _directions(sform), _directions(qform)
    # The determinant of three directions is positive for a right-handed system and negative for its mirror image.
    if np.linalg.det(one) * np.linalg.det(other) < 0:
        raise ImageError(f"{TWO_WAYS}, and one is the mirror image of the other, so left and right are in doubt: save it with one of them.")
    degrees = float(np.rad2deg(np.arccos(np.clip((one * other).sum(axis=0).min(), -1, 1))))
    if degrees > LARGE_DEGREES:
        raise ImageError(f"{TWO_WAYS}, and they differ by {degrees:.0f} degrees: save it with one of them.")
    if not np.allclose(step, other_step, rtol=LARGE_SPACING_SHARE, atol=0):
        raise ImageError(f"{TWO_WAYS}, with different distances between voxels: save it with one of them.")
    differs = degrees > SMALL_DEGREES or not np.allclose(step, other_step, rtol=SPACING_SHARE, atol=0)
    return [FORMS_DIFFER] if differs else []


def _directions(affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The unit vectors of the voxel axes as columns, and the lengths of their steps."""
    steps = np.asarray(affine, dtype=np.float64)[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    return steps / np.where(lengths > 0, lengths, 1), lengths
