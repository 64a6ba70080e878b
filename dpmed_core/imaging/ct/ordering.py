"""Planes put into order along their normal, and what is wrong with the way they lie: doubled, missing, uneven, tilted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.geometry import Geometry, evenly
from dpmed_core.imaging.ct.planes import Plane
from dpmed_core.phrases import counted

FEWEST_SLICES, MOST_SLICES = 2, 1_500
WIDEST_GAP_MM = 10.0
"""Between slices further apart a small lesion is not seen at all."""
MOST_LOCALIZERS = 3
SAME_PLACE_MM = 0.01
EVEN_SHARE, EVEN_MM = 0.05, 0.1
"""Gaps that differ by less from the usual one are even: positions are written with few decimals."""
WHOLE_NUMBER = 0.15
TILT_DEGREES, OFF_LINE_MM = 1.0, 1.0
SAME_DIRECTION, DECIMALS = 1e-3, 4
LONGEST_MM = 3_000.0

REPEATED = "a slice stands in it twice, voxel by voxel, and was used once"
MISSING = "{} between others; the gap was filled by interpolation"
UNEVEN = "its slices are not evenly spaced; it was resampled from where they are"
TILTED = "the gantry was tilted; the volume was turned upright"


def one_orientation(planes: Sequence[Plane], *, most_dropped: int) -> list[Plane]:
    """The planes that lie as most of them do; up to `most_dropped` others are localizers.

    Raises:
        ImageError: more of them lie otherwise.
    """
    orientations = np.array([plane.orientation for plane in planes])
    found, counts = np.unique(orientations.round(DECIMALS), axis=0, return_counts=True)
    usual = np.abs(orientations - found[counts.argmax()]).max(axis=1) < SAME_DIRECTION
    if (others := int((~usual).sum())) > most_dropped:
        raise ImageError(
            f"holds {others} slices of another orientation than the other {int(usual.sum())}: give each scan a folder of its own."
        )
    return [plane for plane, kept in zip(planes, usual, strict=True) if kept]


def refuse_different_sizes(planes: Sequence[Plane]) -> None:
    """Raise an ImageError unless all planes have one size and one spacing."""
    first = planes[0]
    shapes = {plane.shape for plane in planes}
    if len(shapes) > 1:
        sizes = " and ".join(f"{rows} x {columns}" for rows, columns in sorted(shapes)[:2])
        raise ImageError(f"holds slices of different sizes ({sizes} voxels): one of them belongs to another scan; take it out.")
    if any(not np.allclose(plane.spacing, first.spacing, rtol=1e-3, atol=0) for plane in planes):
        raise ImageError("holds slices of different PixelSpacing: one of them belongs to another scan; take it out.")
    if not all(0 < spacing * count < LONGEST_MM for spacing, count in zip(first.spacing, first.shape, strict=True)):
        raise ImageError("has a PixelSpacing that no scanner has: correct it, or export it again.")


def in_order(planes: Sequence[Plane]) -> tuple[list[Plane], Geometry, list[str]]:
    """The planes along their normal, rising in the patient's direction; where they lie; remarks.

    Raises:
        ImageError: they are too few or too many, too far apart, not behind one another, or two different ones stand at one place.
    """
    planes, remarks = _each_place_once(sorted(planes, key=_height))
    if len(planes) < FEWEST_SLICES:
        raise ImageError("is a series of one slice; a volume needs several: name the folder of the whole series.")
    upward, along = _upward(planes[0]), _stacking(planes)
    cosine = float(np.clip(upward @ along, -1, 1))
    heights = np.array([_height(plane) for plane in planes])
    if np.rad2deg(np.arccos(cosine)) > TILT_DEGREES:
        remarks.append(TILTED)
        upward, heights = along, heights / cosine
    positions, on_gaps = _positions(heights)
    first = planes[0]
    geometry = Geometry(
        np.column_stack([upward, first.column, first.row]),
        (positions, evenly(first.shape[0], first.spacing[0]), evenly(first.shape[1], first.spacing[1])),
    )
    return planes, geometry, [*remarks, *on_gaps]


def _upward(plane: Plane) -> NDArray[np.float64]:
    """The plane's normal, turned so that it rises along the patient's axis that it is nearest to."""
    normal = plane.normal
    return normal if normal[np.abs(normal).argmax()] > 0 else -normal


def _height(plane: Plane) -> float:
    return float(_upward(plane) @ np.array(plane.position))


def _each_place_once(planes: Sequence[Plane]) -> tuple[list[Plane], list[str]]:
    """Sorted planes without those that repeat their neighbour voxel by voxel.

    Raises:
        ImageError: too many, or two at one place that differ.
    """
    kept: list[Plane] = []
    differing = 0
    for plane in planes:
        if not kept or _height(plane) - _height(kept[-1]) > SAME_PLACE_MM:
            kept.append(plane)
        elif not np.array_equal(plane.read(), kept[-1].read()):
            differing += 1
    if differing:
        raise ImageError(
            f"holds two different slices at one place ({counted(differing, 'place', 'places')}): two reconstructions or phases are mixed; "
            "give each a folder of its own."
        )
    return kept, [REPEATED] if len(kept) < len(planes) else []


def _stacking(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """The unit vector from slice to slice.

    Raises:
        ImageError: the slices do not lie along one line.
    """
    places = np.array([plane.position for plane in planes])
    along = (places[-1] - places[0]) / np.linalg.norm(places[-1] - places[0])
    beside = places - places[0] - np.outer((places - places[0]) @ along, along)
    if np.linalg.norm(beside, axis=1).max() > OFF_LINE_MM:
        raise ImageError("holds slices that do not lie behind one another: their ImagePositionPatient jumps sideways; export it again.")
    return np.asarray(along)


def _positions(heights: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Positions along the stack around its middle, and remarks on gaps.

    Raises:
        ImageError: neighbours are too far apart.
    """
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if gaps.max() > WIDEST_GAP_MM + EVEN_MM:
        raise ImageError(
            f"leaves {gaps.max():.4g} mm between two slices (usually {usual:.4g} mm), more than {WIDEST_GAP_MM:g} mm: slices are missing, "
            "or they are too far apart for a volume."
        )
    uneven = np.abs(gaps - usual) > np.maximum(EVEN_SHARE * usual, EVEN_MM)
    if not uneven.any():
        return evenly(len(heights), float(heights[-1] - heights[0]) / len(gaps)), []
    ratios = gaps[uneven] / usual
    whole = np.rint(ratios)
    remark = UNEVEN
    if ((whole >= 2) & (np.abs(ratios - whole) < WHOLE_NUMBER)).all():
        remark = MISSING.format(counted(int((whole - 1).sum()), "slice is missing", "slices are missing"))
    return heights - (heights[0] + heights[-1]) / 2, [remark]
