"""Planes ordered along their normal, and what is wrong with their positions: duplicate, missing, unevenly spaced, tilted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry, even_positions
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.phrases import counted

FEWEST_SLICES, MOST_SLICES = 2, 1_500
WIDEST_GAP_MM = 10.0
"""Between slices further apart, a small lesion may not appear on any slice."""
MOST_LOCALIZERS = 3
SAME_POSITION_MM = 0.01
EVEN_SHARE, EVEN_MM = 0.05, 0.1
"""Relative and absolute tolerance within which gaps count as equal: headers write positions with few decimals."""
WHOLE_NUMBER = 0.15
"""A gap this near to a multiple of the usual one means that slices are missing, not that spacing varies."""
TILT_DEGREES, OFF_LINE_MM = 1.0, 1.0
SAME_DIRECTION, DECIMALS = 1e-3, 4
LONGEST_MM = 3_000.0
"""Extent of a scan beyond which its spacing must be wrong."""

REPEATED = "it holds a slice twice, identical voxel by voxel; the slice was used once"
MISSING = "{} between others; the gap was filled by interpolation"
UNEVEN = "its slices are not evenly spaced; it was resampled from their actual positions"
TILTED = "the gantry was tilted; the volume was resampled to upright axes"


def planes_of_main_orientation(planes: Sequence[Plane], *, most_dropped: int) -> list[Plane]:
    """The planes in the most frequent orientation; up to `most_dropped` others are taken for localizers and left out.

    Raises:
        ImageError: more than `most_dropped` planes have another orientation.
    """
    orientations = np.array([plane.orientation for plane in planes])
    found, counts = np.unique(orientations.round(DECIMALS), axis=0, return_counts=True)
    usual = np.abs(orientations - found[counts.argmax()]).max(axis=1) < SAME_DIRECTION
    if (others := int((~usual).sum())) > most_dropped:
        raise ImageError(
            f"holds {int(usual.sum())} slices of one orientation and {others} of others: put each scan into a folder of its own."
        )
    return [plane for plane, kept in zip(planes, usual, strict=True) if kept]


def refuse_different_sizes(planes: Sequence[Plane]) -> None:
    """Check that all planes have the same size and the same possible spacing.

    Raises:
        ImageError: they do not.
    """
    first = planes[0]
    shapes = {plane.shape for plane in planes}
    if len(shapes) > 1:
        sizes = " and ".join(f"{rows} x {columns}" for rows, columns in sorted(shapes)[:2])
        raise ImageError(f"holds slices of different sizes ({sizes} voxels), hence of several scans: take out those of the other scan.")
    if any(not np.allclose(plane.spacing, first.spacing, rtol=1e-3, atol=0) for plane in planes):
        raise ImageError("holds slices of different PixelSpacing, hence of several scans: take out those of the other scan.")
    if not all(0 < spacing * count < LONGEST_MM for spacing, count in zip(first.spacing, first.shape, strict=True)):
        raise ImageError("has an impossible PixelSpacing: correct it, or export it again.")


def order_planes(planes: Sequence[Plane]) -> tuple[list[Plane], Geometry, list[str]]:
    """The planes ordered along their normal, in the patient's direction; their geometry; warnings.

    Raises:
        ImageError: there is only one, two neighbours are too far apart, they do not lie along one line, or two different ones have the
            same position.
    """
    planes, warnings = _without_duplicates(sorted(planes, key=height))
    if len(planes) < FEWEST_SLICES:
        raise ImageError("is a series of one slice, and a volume needs several: name the folder of the whole series.")
    upward, along = _upward(planes[0]), _stacking(planes)
    cosine = float(np.clip(upward @ along, -1, 1))
    heights = np.array([height(plane) for plane in planes])
    # With a tilted gantry the table does not move along the slices' normal. The stack's axis is then the direction of movement, and
    # distances along it are those along the normal divided by the cosine of the tilt.
    if np.rad2deg(np.arccos(cosine)) > TILT_DEGREES:
        warnings.append(TILTED)
        upward, heights = along, heights / cosine
    positions, on_gaps = _positions(heights)
    first = planes[0]
    geometry = Geometry(
        np.column_stack([upward, first.column, first.row]),
        (positions, even_positions(first.shape[0], first.spacing[0]), even_positions(first.shape[1], first.spacing[1])),
    )
    return planes, geometry, [*warnings, *on_gaps]


def _upward(plane: Plane) -> NDArray[np.float64]:
    """The plane's normal, with the sign that makes its largest component positive in patient coordinates."""
    normal = plane.normal
    return normal if normal[np.abs(normal).argmax()] > 0 else -normal


def height(plane: Plane) -> float:
    """The plane's position along its normal, mm."""
    return float(_upward(plane) @ np.array(plane.position))


def _without_duplicates(planes: Sequence[Plane]) -> tuple[list[Plane], list[str]]:
    """Sorted planes without those that have the position and the voxels of their predecessor, and a warning if there were any.

    Raises:
        ImageError: two planes have the same position and different voxels.
    """
    kept: list[Plane] = []
    differing = 0
    for plane in planes:
        if not kept or height(plane) - height(kept[-1]) > SAME_POSITION_MM:
            kept.append(plane)
        elif not np.array_equal(plane.read(), kept[-1].read()):
            differing += 1
    if differing:
        raise ImageError(
            f"holds different slices at the same position ({counted(differing, 'position', 'positions')}), so two reconstructions or "
            "phases are mixed: put each into a folder of its own."
        )
    return kept, [REPEATED] if len(kept) < len(planes) else []


def _stacking(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """The unit vector from slice to slice.

    Raises:
        ImageError: the slices' positions do not lie on one line.
    """
    positions = np.array([plane.position for plane in planes])
    along = (positions[-1] - positions[0]) / np.linalg.norm(positions[-1] - positions[0])
    # What remains of each position after its component along the line is taken off: the distance from the line.
    off_line = positions - positions[0] - np.outer((positions - positions[0]) @ along, along)
    if np.linalg.norm(off_line, axis=1).max() > OFF_LINE_MM:
        raise ImageError("holds slices that do not lie on one line (their ImagePositionPatient jumps sideways): export it again.")
    return np.asarray(along)


def _positions(heights: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Positions along the stack, 0 in its middle, and warnings about gaps.

    Raises:
        ImageError: two neighbours are too far apart.
    """
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.max() > WIDEST_GAP_MM + EVEN_MM:
        raise ImageError(
            f"leaves {gaps.max():.4g} mm between two slices (usually {usual:.4g} mm), more than {WIDEST_GAP_MM:g} mm: add the missing "
            "slices, or reconstruct it with thinner ones."
        )
    uneven = np.abs(gaps - usual) > np.maximum(EVEN_SHARE * usual, EVEN_MM)
    if not uneven.any():  # rounded positions become exactly even, so that every layout of the same scan gives the same volume
        return even_positions(len(heights), float(heights[-1] - heights[0]) / len(gaps)), []
    ratios = gaps[uneven] / usual
    whole = np.rint(ratios)
    warning = UNEVEN
    if ((whole >= 2) & (np.abs(ratios - whole) < WHOLE_NUMBER)).all():
        warning = MISSING.format(counted(int((whole - 1).sum()), "slice is missing", "slices are missing"))
    return heights - (heights[0] + heights[-1]) / 2, [warning]
