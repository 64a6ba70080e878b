"""A CT scan in one DICOM file: enhanced CT, whose functional groups hold each frame's position. Source: DICOM PS3.3 A.38, C.7.6.16."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.ordering import MOST_LOCALIZERS, MOST_SLICES, planes_of_main_orientation, refuse_different_sizes
from dpmed_core.imaging.ct.planes import Plane, hounsfield
from dpmed_core.imaging.ct.series import LOCALIZERS, Series, refuse_non_ct
from dpmed_core.imaging.ct.slices import LOCALIZER, NATIVE_HEAD_BYTES, NO_RESCALING, Layout, layout_of, numbers_in, unit_vectors
from dpmed_core.imaging.dicom.frames import BROKEN, fits, frame_values, used_bits
from dpmed_core.imaging.dicom.header import DAMAGED, IMAGE_ATTRIBUTES, PATIENT_ATTRIBUTES, PIXEL_ATTRIBUTES, DicomHeader, read_header

LARGEST_FILE_BYTES = 1 << 30
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
ATTRIBUTES = (*PATIENT_ATTRIBUTES, *IMAGE_ATTRIBUTES, *PIXEL_ATTRIBUTES, "ImageType", *GROUPS)


def read_multiframe(path: Path) -> Series:
    """The frames of the DICOM file at `path` as the slices of one scan, in the file's order.

    Raises:
        ImageError: it is a single slice, not CT, too large, or does not say where its frames lie.
    """
    header = read_header(path, attributes=ATTRIBUTES, max_bytes=LARGEST_FILE_BYTES)
    layout = layout_of(header)
    if layout is None:
        raise ImageError("holds no image: name the folder of the series, or an enhanced CT file.")
    refuse_non_ct(layout)
    if layout.frames < 2:
        raise ImageError("is a single slice, and a volume needs several: name the folder of the whole series.")
    if layout.frames > MOST_SLICES:
        raise ImageError(f"holds {layout.frames:,} slices; at most {MOST_SLICES:,} are read: export thicker slices.")
    frames = _Frames(header, layout)
    planes = [plane for number in range(layout.frames) if (plane := frames.plane(number)) is not None]
    if not planes:
        raise ImageError("holds only localizers: name the scan itself.")
    # As in a folder of slices: localizers that are not declared lie in another orientation.
    kept = planes_of_main_orientation(planes, most_dropped=min(MOST_LOCALIZERS, len(planes) // 4))
    refuse_different_sizes(kept)
    return Series(kept, header, header.identifying, (LOCALIZERS,) if len(kept) < layout.frames else ())


def is_multiframe(path: Path) -> bool:
    """Whether the DICOM file at `path` says that it holds several frames."""
    try:
        return read_header(path, attributes=("NumberOfFrames",), pixels=False).integer("NumberOfFrames", 1) > 1
    except ImageError:
        return False


class _Frames:
    """The frames of one file, by number from 0."""

    def __init__(self, header: DicomHeader, layout: Layout) -> None:
        self._header, self._layout = header, layout
        shared, self._each = (header.value(keyword) or [] for keyword in GROUPS)
        self._shared = shared[0] if len(shared) else None
        if len(self._each) != layout.frames:
            raise ImageError(
                f"does not say where its frames lie ({len(self._each):,} functional groups for {layout.frames:,} frames): export single "
                "slices, or enhanced CT."
            )
        self._pixels = _pixels_of(header, layout)

    def plane(self, number: int) -> Plane | None:
        """Frame `number` as a plane; None if it is a localizer.

        Raises:
            ImageError: its position, orientation or pixel spacing is missing.
        """
        if LOCALIZER in [str(word).upper() for word in self._group(number, "CTImageFrameTypeSequence", "FrameType") or ()]:
            return None
        position = numbers_in(self._group(number, "PlanePositionSequence", "ImagePositionPatient"), 3)
        orientation = unit_vectors(numbers_in(self._group(number, "PlaneOrientationSequence", "ImageOrientationPatient"), 6))
        spacing = numbers_in(self._group(number, "PixelMeasuresSequence", "PixelSpacing"), 2)
        for keyword, values in (("ImagePositionPatient", position), ("ImageOrientationPatient", orientation), ("PixelSpacing", spacing)):
            if not values:
                raise ImageError(f"holds frames without a usable {keyword}, so where they lie is unknown: export it again.")
        x, y, z = position
        row_spacing, column_spacing = spacing
        return Plane((x, y, z), orientation, (row_spacing, column_spacing), self._layout.shape, partial(self._units, number))

    def _units(self, number: int) -> NDArray[np.float64]:
        """The Hounsfield units of frame `number` `[rows, columns]`; its own rescaling is used before the file's."""
        slope = numbers_in(self._group(number, "PixelValueTransformationSequence", "RescaleSlope"), 1)
        intercept = numbers_in(self._group(number, "PixelValueTransformationSequence", "RescaleIntercept"), 1)
        rescale = (*slope, *intercept) if slope and intercept else self._layout.rescale
        if rescale is None:
            raise ImageError(NO_RESCALING)
        frame = self._pixels[number]
        stored = frame_values(frame, self._header) if isinstance(frame, bytes) else frame
        if not fits(stored.min(), stored.max(), stored.dtype.kind, self._layout.bits[0]):
            stored = used_bits(stored, *self._layout.bits)
        return hounsfield(stored, slope=rescale[0], intercept=rescale[1], padding=self._layout.padding)

    def _group(self, number: int, sequence: str, keyword: str) -> Any:
        """The attribute `keyword` in the frame's own functional group, else in the shared one; None if neither has it."""
        for groups in (self._each[number], self._shared):
            items = None if groups is None else groups.get(sequence)
            if items:
                return items[0].get(keyword)
        return None


def _pixels_of(header: DicomHeader, layout: Layout) -> NDArray[Any] | list[bytes]:
    """The values of all frames `[frames, rows, columns]`, or the bytes of each if they are compressed.

    Raises:
        ImageError: there are fewer than declared.
    """
    syntax = UID(header.transfer_syntax)
    try:
        data = header.attributes.PixelData
        if syntax.is_encapsulated:
            frames = list(generate_frames(data, number_of_frames=layout.frames))
            if len(frames) == layout.frames:
                return frames
        elif layout.dtype is not None and header.transfer_syntax in NATIVE_HEAD_BYTES:
            return np.frombuffer(data, dtype=layout.dtype, count=layout.frames * layout.shape[0] * layout.shape[1]).reshape(
                -1, *layout.shape
            )
    except DAMAGED:
        raise ImageError(BROKEN) from None
    raise ImageError(BROKEN)
