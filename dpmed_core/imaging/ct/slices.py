"""The files of one DICOM CT series: each header read once, what slices share understood once, pixels fetched one slice at a time."""

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
from dpmed_core.imaging.ct.planes import Plane, hounsfield
from dpmed_core.imaging.dicom.frames import MAX_PIXELS, fits, stored_values, used_bits
from dpmed_core.imaging.dicom.header import (
    DAMAGED,
    PERSON_ATTRIBUTES,
    PICTURE_ATTRIBUTES,
    PIXEL_ATTRIBUTES,
    DicomHeader,
    read_header,
)

OWN = ("ImagePositionPatient", "SeriesInstanceUID", "PatientID")
"""What tells slices and series apart; identifiers are held while the folder is read, and never kept."""
SHARED = (
    *PICTURE_ATTRIBUTES,
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
"""What the slices of a series mostly share: understood once for each wording that occurs."""
HEADER = (*PERSON_ATTRIBUTES, *OWN, *SHARED)
NATIVE_HEAD_BYTES = {str(ExplicitVRLittleEndian): 12, str(ImplicitVRLittleEndian): 8}
"""Bytes of tag, type and length before native pixels."""
MONOCHROME = 1
LOCALIZER = "LOCALIZER"
NEARLY = 1e-2
PIXEL_DATA_TAG, UNDEFINED_LENGTH = b"\xe0\x7f\x10\x00", 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Layout:
    """What the header of a slice says, but for its place.

    Attributes:
        modality: DICOM's code, e.g. CT.
        is_localizer: the header calls it a localizer.
        samples: values a voxel.
        frames: of the file.
        shape: rows and columns.
        orientation: along a row, then down a column; empty where the header does not say.
        spacing: mm between rows, and between columns; empty where the header does not say.
        dtype: of native pixels; None where they need a decoder of any kind.
        bits: stored and highest bit.
        rescale: slope and intercept; None where the header has neither.
        padding: lowest and highest stored value that is none.
    """

    modality: str
    is_localizer: bool
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
        series: SeriesInstanceUID as it stands.
        patient: PatientID as it stands.
        layout: the rest.
    """

    path: str = field(repr=False)
    header: DicomHeader = field(repr=False)
    series: object = field(repr=False)
    patient: object = field(repr=False)
    layout: Layout

    def plane(self) -> Plane:
        """Where it lies, and how its voxels are read.

        Raises:
            ImageError: its place is not told.
        """
        position = numbers(self.header, "ImagePositionPatient", 3)
        for keyword, there in (
            ("ImagePositionPatient", position),
            ("ImageOrientationPatient", self.layout.orientation),
            ("PixelSpacing", self.layout.spacing),
        ):
            if not there:
                raise ImageError(f"holds a slice without a usable {keyword}, so its place is not known: export it again.")
        x, y, z = position
        down, across = self.layout.spacing
        read = partial(read_units, self.path, self.header, self.layout)
        return Plane((x, y, z), self.layout.orientation, (down, across), self.layout.shape, read)


def read_slices(paths: Sequence[str]) -> list[Slice]:
    """Those of the DICOM files at `paths` that hold pixels, in that order, without them.

    Raises:
        ImageError: one of them is no DICOM file, or damaged; it is named by its number.
    """
    layouts: dict[tuple[object, ...], Layout | None] = {}
    slices = []
    for number, path in enumerate(paths, start=1):
        try:
            header = read_header(Path(path), attributes=HEADER, pixels=False)
            wording = tuple(header.raw(keyword) for keyword in SHARED)
            if wording not in layouts:
                layouts[wording] = layout_of(header)
        except ImageError as error:
            raise ImageError(f"holds a file (number {number} of {len(paths)} in the order of names) that {error}") from None
        if (layout := layouts[wording]) is not None:
            slices.append(Slice(path, header, header.raw("SeriesInstanceUID"), header.raw("PatientID"), layout))
    return slices


def layout_of(header: DicomHeader) -> Layout | None:
    """What `header` says of its slice; None where it has no pixels.

    Raises:
        ImageError: it describes its pixels in a way that cannot be understood.
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
        raise ImageError("describes its pixels in a way that cannot be understood: export it again.")
    return Layout(
        modality=header.text("Modality").upper(),
        is_localizer=LOCALIZER in words(header, "ImageType"),
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
        ImageError: its pixels break off, cannot be decoded, or are no Hounsfield units.
    """
    if layout.rescale is None:
        raise ImageError("has neither RescaleSlope nor RescaleIntercept, so its values are no Hounsfield units: export it again.")
    stored = _native(path, header, layout)
    if stored is None:
        stored = stored_values(read_header(Path(path), attributes=PIXEL_ATTRIBUTES))
    if stored.dtype.kind != "f" and not fits(stored.min(), stored.max(), stored.dtype.kind, layout.bits[0]):
        stored = used_bits(stored, *layout.bits)
    return hounsfield(stored, slope=layout.rescale[0], intercept=layout.rescale[1], padding=layout.padding)


def _native(path: str, header: DicomHeader, layout: Layout) -> NDArray[Any] | None:
    """Pixels that simply stand there; None where they need more than fetching."""
    head = NATIVE_HEAD_BYTES.get(header.transfer_syntax)
    if layout.dtype is None or head is None or header.stopped_at is None:
        return None
    n_bytes = layout.shape[0] * layout.shape[1] * np.dtype(layout.dtype).itemsize
    with open(path, "rb") as file:  # noqa: PTH123 - a `Path` for each of a hundred thousand slices costs
        if os.fstat(file.fileno()).st_size < header.stopped_at + head + n_bytes:
            raise ImageError("breaks off: export it again.")
        file.seek(header.stopped_at)
        data = file.read(head + n_bytes)
    declared = int.from_bytes(data[head - 4 : head], "little")
    if data[:4] != PIXEL_DATA_TAG or not n_bytes <= declared < UNDEFINED_LENGTH:
        return None
    return np.frombuffer(data, dtype=layout.dtype, offset=head).reshape(layout.shape)


def numbers(header: DicomHeader, keyword: str, count: int) -> tuple[float, ...]:
    """The first `count` numbers of the attribute, as `numbers_in` has them."""
    return numbers_in(header.value(keyword), count)


def numbers_in(value: Any, count: int) -> tuple[float, ...]:
    """The first `count` numbers of `value`; empty where they are missing, too few, or not finite."""
    try:
        found = [float(one) for one in ([value] if isinstance(value, str | int | float) else value)][:count]
    except DAMAGED:
        return ()
    return tuple(found) if len(found) == count and np.isfinite(found).all() else ()


def words(header: DicomHeader, keyword: str) -> tuple[str, ...]:
    """The values of a text attribute in capitals."""
    value = header.value(keyword)
    values = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else []
    return tuple(str(one).strip().upper() for one in values)


def unit_vectors(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """`orientation` with both vectors of length one; empty where they are not nearly so, or not at right angles."""
    if not orientation:
        return ()
    vectors = np.array(orientation).reshape(2, 3)
    lengths = np.linalg.norm(vectors, axis=1)
    if np.abs(lengths - 1).max() > NEARLY or abs(vectors[0] @ vectors[1]) > NEARLY:
        return ()
    return tuple(float(one) for one in (vectors / lengths[:, None]).ravel())


def padding_of(header: DicomHeader) -> tuple[float, float] | None:
    """Lowest and highest stored value that is padding. Source: DICOM PS3.3 C.7.5.1.1.2."""
    start = numbers(header, "PixelPaddingValue", 1)
    if not start:
        return None
    ends = sorted((start[0], (numbers(header, "PixelPaddingRangeLimit", 1) or start)[0]))
    return ends[0], ends[1]
