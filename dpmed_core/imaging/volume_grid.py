"""The voxel grid on which every CT volume is stored.

Axes in this order: slices from the feet to the head, rows from anterior to posterior, columns from the patient's right to the
patient's left, so that a plane of rows and columns is displayed in the radiological convention. In DICOM's patient coordinates these are
increasing z, increasing y and increasing x. Source: DICOM PS3.3 C.7.6.2.1.1.
"""

SHAPE = (64, 96, 96)
SPACING_MM = (4.0, 4.0, 4.0)
"""256 x 384 x 384 mm: an upper abdomen with its body wall."""

AIR = -1024
"""Hounsfield units of air, and of voxels that the scan does not cover; lower stored values are padding."""
DENSEST = 3071
"""The highest value of a 12-bit scanner; differences above it, within metal, carry no information."""

SOFT_TISSUE = (-160.0, 240.0)
"""Lowest and highest Hounsfield units of the usual abdominal window (width 400, level 40)."""
