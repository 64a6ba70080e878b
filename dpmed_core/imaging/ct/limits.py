"""What a file may declare before any of its voxels are read."""

from collections.abc import Sequence

import numpy as np

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import FEWEST_SLICES, LONGEST_MM, MOST_SLICES, WIDEST_GAP_MM

LARGEST_BYTES = 2 << 30
"""Of the voxels as they stand in the file, unpacked."""
WIDEST = 4096


def refuse_unsuitable(size: Sequence[int], spacing: Sequence[float], *, n_values: int, bytes_a_value: int) -> None:
    """Raise an ImageError unless a header declares one volume that can be read.

    Args:
        size: columns, rows and slices, and perhaps how many volumes.
        spacing: mm along the first three of them.
        n_values: numbers a voxel.
        bytes_a_value: of each.
    """
    if n_values != 1:
        raise ImageError(f"holds colour or vectors ({n_values} values a voxel), which CT has not: save the scan itself.")
    if len(size) not in (3, 4) or (len(size) == 4 and size[3] != 1):
        said = f"{size[3]} volumes" if len(size) == 4 else f"{len(size)} dimensions"
        raise ImageError(f"holds {said}, and one volume of three dimensions is a scan: save each by itself.")
    columns, rows, slices = map(int, size[:3])
    if min(columns, rows, slices) < FEWEST_SLICES:
        raise ImageError("is one slice; a volume needs several: save the whole scan.")
    if slices > MOST_SLICES or max(columns, rows) > WIDEST:
        raise ImageError(f"holds {slices:,} slices of {rows:,} x {columns:,} voxels; up to {MOST_SLICES:,} of {WIDEST:,} a side are read.")
    if columns * rows * slices * bytes_a_value > LARGEST_BYTES:
        raise ImageError(f"unpacks to more than {LARGEST_BYTES >> 30} GiB, more than is read of one scan: save it with fewer voxels.")
    if not all(np.isfinite(step) and 0 < step * length < LONGEST_MM for step, length in zip(spacing, size, strict=False)):
        raise ImageError("has a spacing of voxels that no scanner has: correct its header, or save it again.")
    if max(spacing) > WIDEST_GAP_MM:
        raise ImageError(f"has voxels {max(spacing):.4g} mm apart, more than {WIDEST_GAP_MM:g} mm: too far for a volume.")
