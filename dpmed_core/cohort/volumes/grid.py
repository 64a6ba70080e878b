"""The grid on which every CT volume is stored: slices inferior to superior, rows anterior to posterior, columns patient's right to left."""

SHAPE = (64, 96, 96)
"""Slices, rows, columns."""
SPACING_MM = (4.0, 4.0, 4.0)
"""Distance of neighbouring voxels along each of them."""
