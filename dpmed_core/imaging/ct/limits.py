"""Limits on what the header of a volume may declare, checked before any voxel is read."""

from collections.abc import Sequence

import numpy as np

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import FEWEST_SLICES, LONGEST_MM, MOST_SLICES, WIDEST_GAP_MM

LARGEST_BYTES = 2 << 30
"""Of the voxels, uncompressed."""
WIDEST = 4096
"""Rows or columns of a slice."""


def refuse_unsuitable(size: Sequence[int], spacing: Sequence[float], *, n_values: int, bytes_a_value: int) -> None:
    """Check that a header declares one volume that can be read.

    Args:
        size: columns, rows and slices, and possibly the number of volumes.
        spacing: mm along the first three of them.
        n_values: numbers per voxel.
        bytes_a_value: bytes per number.

    Raises:
        ImageError: it does not.
    """
    if n_values != 1:
        raise ImageError(f"holds colour or vectors ({n_values} values per voxel), which CT does not have: save the scan itself.")
    if len(size) not in (3, 4) or (len(size) == 4 and size[3] != 1):
        found = f"{size[3]} volumes" if len(size) == 4 else f"an array of {len(size)} dimensions"
        raise ImageError(f"holds {found}, and a scan is one volume of three dimensions: save each volume as a file of its own.")
    columns, rows, slices = map(int, size[:3])
    if min(columns, rows, slices) < FEWEST_SLICES:
        raise ImageError("is a single slice, and a volume needs several: save the whole scan.")
    if slices > MOST_SLICES or max(columns, rows) > WIDEST:
        raise ImageError(
            f"holds {slices:,} slices of {rows:,} x {columns:,} voxels; at most {MOST_SLICES:,} slices of {WIDEST:,} x {WIDEST:,} voxels "
            "are read: save it with fewer voxels."
        )
    if columns * rows * slices * bytes_a_value > LARGEST_BYTES:
        raise ImageError(
            f"decompresses to more than {LARGEST_BYTES >> 30} GiB, the most that one scan may have: save it with fewer voxels."
        )
    if not all(np.isfinite(step) and 0 < step * length < LONGEST_MM for step, length in zip(spacing, size, strict=False)):
        raise ImageError("has an impossible voxel spacing: correct its header, or save it again.")
    if max(spacing) > WIDEST_GAP_MM:
        raise ImageError(
            f"has voxels {max(spacing):.4g} mm apart, more than {WIDEST_GAP_MM:g} mm: use a reconstruction with thinner slices."
        )
