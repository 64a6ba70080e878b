"""The files of one DICOM CT series: each header is read once, what slices share is parsed once, pixels are read one slice at a time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.mixed import KEYWORDS
from dpmed_core.imaging.ct.planes import Plane, hounsfield
from dpmed_core.imaging.dicom.frames import MAX_PIXELS, UNREADABLE_DESCRIPTION, fits, stored_values, used_bits
from dpmed_core.imaging.dicom.header import (
    DAMAGED,
    IMAGE_ATTRIBUTES,
    PATIENT_ATTRIBUTES,
    PIXEL_ATTRIBUTES,
    DicomHeader,
    read_header,
)

PER_SLICE = ("ImagePositionPatient", "SeriesInstanceUID", "PatientID", *KEYWORDS)
"""Attributes that distinguish slices, series and patients; the identifiers are held only while the folder is read."""
SHARED = (
    *IMAGE_ATTRIBUTES,
    "ImageType",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
)
"""Attributes that the slices of a series usually share: parsed once for each distinct set of values."""
HEADER = (*PATIENT_ATTRIBUTES, *PER_SLICE, *SHARED)
NATIVE_HEAD_BYTES = {str(ExplicitVRLittleEndian): 12, str(ImplicitVRLittleEndian): 8}
"""Bytes of tag, type and length before uncompressed pixels, by transfer syntax."""
MONOCHROME = 1
LOCALIZER = "LOCALIZER"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""SOP class of screenshots, and the beginning of those of screenshots with several frames. Source: DICOM PS3.4 B.5."""
NEARLY = 1e-2
PIXEL_DATA_TAG, UNDEFINED_LENGTH = b"\xe0\x7f\x10\x00", 0xFFFFFFFF
NO_RESCALING = "has neither RescaleSlope nor RescaleIntercept, so its values are not Hounsfield units: export it again."


@dataclass(frozen=True, eq=False)
class Layout:
    """What the header of a slice says, except its position.

    Attributes:
        modality: DICOM's code, e.g. CT.
        is_localizer: the header calls it a localizer.
        is_screenshot: it is a secondary capture in colour, e.g. a dose report or a three-dimensional view.
        samples: values per voxel.
        frames: of the file.
        shape: numbers of rows and columns.
        orientation: unit vectors along a row, then down a column; empty if the header has no usable ones.
        spacing: mm between rows, and between columns; empty if the header has no usable ones.
        dtype: of uncompressed pixels; None if they need a decoder.
        bits: number of used bits, and number of the highest one from 0.
        rescale: slope and intercept; None if the header has neither.
        padding: lowest and highest stored value that mean padding; None if there is none.
    """

    modality: str
    is_localizer: bool
    is_screenshot: bool
    samples: int
    frames: int
    shape: tuple[int, int]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    dtype: str | None
    bits: tuple[int, int]
    rescale: tuple[float, float] | None
    padding: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Slice:
    """One file of a folder.

    Attributes:
        path: the file.
        header: without pixels.
        series: SeriesInstanceUID, as bytes of the file.
        patient: PatientID, as bytes of the file.
        layout: everything else that the header says.
    """

    path: str = field(repr=False)
    header: DicomHeader = field(repr=False)
    series: object = field(repr=False)
    patient: object = field(repr=False)
    layout: Layout

    def plane(self) -> Plane:
        """The slice as a plane; its voxels are not read yet.

        Raises:
            ImageError: its position, orientation or pixel spacing is missing.
        """
        position = numbers(self.header, "ImagePositionPatient", 3)
        for keyword, values in (
            ("ImagePositionPatient", position),
            ("ImageOrientationPatient", self.layout.orientation),
            ("PixelSpacing", self.layout.spacing),
        ):
            if not values:
                raise ImageError(f"holds a slice without a usable {keyword}, so where it lies is unknown: export it again.")
        x, y, z = position
        row_spacing, column_spacing = self.layout.spacing
        read = partial(read_units, self.path, self.header, self.layout)
        return Plane((x, y, z), self.layout.orientation, (row_spacing, column_spacing), self.layout.shape, read)


def read_slices(paths: Sequence[str]) -> list[Slice]:
    """The headers of those DICOM files at `paths` that hold pixels, in the given order.

    Raises:
        ImageError: one of them is not a DICOM file, or is damaged; the message names it by its number.
    """
    layouts: dict[tuple[object, ...], Layout | None] = {}
    slices = []
    for number, path in enumerate(paths, start=1):
        try:
            header = read_header(Path(path), attributes=HEADER, pixels=False)
            shared = tuple(header.raw(keyword) for keyword in SHARED)
            if shared not in layouts:
                layouts[shared] = layout_of(header)
        except ImageError as error:
            raise ImageError(f"holds a file (number {number} of {len(paths)} in the order of names) that {error}") from None
        if (layout := layouts[shared]) is not None:
            slices.append(Slice(path, header, header.raw("SeriesInstanceUID"), header.raw("PatientID"), layout))
    return slices


def layout_of(header: DicomHeader) -> Layout | None:
    """The layout of the slice that `header` describes; None if it has no pixels.

    Raises:
        ImageError: its description of the pixels is unusable.
    """
    if header.value("Rows") is None:
        return None
    allocated, n_frames = header.integer("BitsAllocated", 16), header.integer("NumberOfFrames", 1)
    samples = header.integer("SamplesPerPixel", 1)
    kind = "i" if header.integer("PixelRepresentation", 0) == 1 else "u"
    plain = allocated in (8, 16, 32) and samples == MONOCHROME
    slope, intercept = numbers(header, "RescaleSlope", 1), numbers(header, "RescaleIntercept", 1)
    bits, shape = header.integer("BitsStored", allocated), (header.integer("Rows"), header.integer("Columns"))
    if not 1 <= bits <= allocated or min(shape) < 1 or shape[0] * shape[1] > MAX_PIXELS:
        raise ImageError(UNREADABLE_DESCRIPTION)
    return Layout(
        modality=header.text("Modality").upper(),
        is_localizer=LOCALIZER in text_values(header, "ImageType"),
        is_screenshot=samples > MONOCHROME and header.text("SOPClassUID").startswith(SECONDARY_CAPTURE),
        samples=samples,
        frames=n_frames,
        shape=shape,
        orientation=unit_vectors(numbers(header, "ImageOrientationPatient", 6)),
        spacing=numbers(header, "PixelSpacing", 2),
        dtype=f"<{kind}{allocated // 8}" if plain else None,
        bits=(bits, header.integer("HighBit", bits - 1)),
        rescale=((slope or (1.0,))[0], (intercept or (0.0,))[0]) if slope or intercept else None,
        padding=padding_of(header),
    )


def read_units(path: str, header: DicomHeader, layout: Layout) -> NDArray[np.float64]:
    """The Hounsfield units of the slice at `path` `[rows, columns]`.

    Raises:
        ImageError: its pixels are cut short, cannot be decoded, or are not Hounsfield units.
    """
    if layout.rescale is None:
        raise ImageError(NO_RESCALING)
    stored = _native(path, header, layout)
    if stored is None:
        stored = stored_values(read_header(Path(path), attributes=PIXEL_ATTRIBUTES))
    if stored.dtype.kind != "f" and not fits(stored.min(), stored.max(), stored.dtype.kind, layout.bits[0]):
        stored = used_bits(stored, *layout.bits)
    return hounsfield(stored, slope=layout.rescale[0], intercept=layout.rescale[1], padding=layout.padding)


def _native(path: str, header: DicomHeader, layout: Layout) -> NDArray[Any] | None:
    """Uncompressed pixels, read directly from their offset in the file; None if they need a decoder or pydicom.

    Raises:
        ImageError: the file ends before them.
    """
    head = NATIVE_HEAD_BYTES.get(header.transfer_syntax)
    if layout.dtype is None or head is None or header.stopped_at is None:
        return None
    n_bytes = layout.shape[0] * layout.shape[1] * np.dtype(layout.dtype).itemsize
    with open(path, "rb") as file:  # noqa: PTH123 - a `Path` for each of 100,000 slices is slow
        if os.fstat(file.fileno()).st_size < header.stopped_at + head + n_bytes:
            raise ImageError("is cut short: export it again.")
        file.seek(header.stopped_at)
        data = file.read(head + n_bytes)
    declared = int.from_bytes(data[head - 4 : head], "little")  # the length is the last field before the value
    if data[:4] != PIXEL_DATA_TAG or not n_bytes <= declared < UNDEFINED_LENGTH:
        return None
    return np.frombuffer(data, dtype=layout.dtype, offset=head).reshape(layout.shape)


def numbers(header: DicomHeader, keyword: str, count: int) -> tuple[float, ...]:
    """The first `count` numbers of the attribute `keyword`; see `numbers_in`."""
    return numbers_in(header.value(keyword), count)


def numbers_in(value: Any, count: int) -> tuple[float, ...]:
    """The first `count` numbers of `value`; empty if they are missing, too few or not finite."""
    try:
        found = [float(one) for one in ([value] if isinstance(value, str | int | float) else value)][:count]
    except DAMAGED:
        return ()
    return tuple(found) if len(found) == count and np.isfinite(found).all() else ()


def text_values(header: DicomHeader, keyword: str) -> tuple[str, ...]:
    """The values of a text attribute, in capitals."""
    value = header.value(keyword)
    values = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else []
    return tuple(str(one).strip().upper() for one in values)


def unit_vectors(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """`orientation` with both vectors scaled to length one; empty if they are not nearly of length one and at right angles."""
    if not orientation:
        return ()
    vectors = np.array(orientation).reshape(2, 3)
    lengths = np.linalg.norm(vectors, axis=1)
    if np.abs(lengths - 1).max() > NEARLY or abs(vectors[0] @ vectors[1]) > NEARLY:
        return ()
    return tuple(float(one) for one in (vectors / lengths[:, None]).ravel())


def padding_of(header: DicomHeader) -> tuple[float, float] | None:
    """Lowest and highest stored value that mean padding; None if the header names none. Source: DICOM PS3.3 C.7.5.1.1.2."""
    start = numbers(header, "PixelPaddingValue", 1)
    if not start:
        return None
    ends = sorted((start[0], (numbers(header, "PixelPaddingRangeLimit", 1) or start)[0]))
    return ends[0], ends[1]
