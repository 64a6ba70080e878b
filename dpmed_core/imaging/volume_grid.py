"""The one grid that every stored CT volume lies on.

Axes in this order: slices from the feet to the head, rows from the front to the back, columns from the patient's right to the
patient's left, so that a plane of rows and columns is drawn as radiologists see it. In DICOM's patient coordinates these are rising z,
rising y and rising x. Source: DICOM PS3.3 C.7.6.2.1.1.
"""

SHAPE = (64, 96, 96)
SPACING_MM = (4.0, 4.0, 4.0)
"""256 x 384 x 384 mm: an upper abdomen with its body wall."""

AIR = -1024
"""Hounsfield units of air, and of whatever the scan does not cover; lower values are padding."""
DENSEST = 3071
"""The highest value of a 12-bit scanner; metal beyond it tells nothing more."""

SOFT_TISSUE = (-160.0, 240.0)
"""Lowest and highest Hounsfield units of the usual abdominal window (width 400, level 40)."""
