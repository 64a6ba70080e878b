"""Palette colour: lookup tables of red, green and blue, plain or segmented, in little or big endian.

Source: DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6 (palettes), C.7.9.2 (segmented palettes).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from dpmed_core.imaging.dicom.header import DicomHeader

COLOURS = ("Red", "Green", "Blue")
ENTRIES, ENTRY_BITS = 1 << 16, (8, 16)
DISCRETE, LINEAR, INDIRECT = 0, 1, 2
"""Operation codes of segments."""


def palette_rgb(stored: NDArray[Any], header: DicomHeader) -> NDArray[np.float32]:
    """The colours in [0, 1] `[rows, columns, 3]` that the palette of `header` gives to the `stored` values `[rows, columns]`.

    Raises:
        ValueError, TypeError, AttributeError, LookupError: the palette is missing or damaged.
    """
    tables = [_table(header, colour) for colour in COLOURS]
    firsts = [_descriptor(header, colour)[1] for colour in COLOURS]
    rgb = [table[np.clip(stored.astype(np.int64) - first, 0, len(table) - 1)] for table, first in zip(tables, firsts, strict=True)]
    return np.stack(rgb, axis=-1)


def words(data: Any, n_entries: int, *, big_endian: bool) -> NDArray[np.integer]:
    """`n_entries` numbers of 8 or 16 bits from the `data` of a lookup table: bytes, a word for each entry or a byte for each, or numbers.

    Bytes of a table of 8 bits are packed into words of 16, whose bytes are swapped in big endian.

    Raises:
        ValueError: there are fewer.
    """
    if not isinstance(data, bytes):
        numbers = np.atleast_1d(np.asarray(data))
    elif len(data) >= 2 * n_entries:
        numbers = np.frombuffer(data[: 2 * n_entries], dtype=">u2" if big_endian else "<u2")
    else:
        packed = data + b"\0" * (len(data) % 2)
        numbers = np.frombuffer(packed, dtype=">u2" if big_endian else "<u2").astype("<u2").view(np.uint8)
        numbers = numbers[: len(data)]
    if len(numbers) < n_entries:
        raise ValueError
    return numbers[:n_entries]


def is_big_endian(header: DicomHeader) -> bool:
    """Whether words in the file have their most significant byte first."""
    return header.transfer_syntax == ExplicitVRBigEndian


def _descriptor(header: DicomHeader, colour: str) -> tuple[int, int, int]:
    """Number of entries, the stored value that the first one stands for, and bits of an entry."""
    n_entries, first, bits = (int(number) for number in header.value(f"{colour}PaletteColorLookupTableDescriptor"))
    # The first value is signed where the pixels are, but is often encoded as an unsigned number.
    if header.integer("PixelRepresentation", 0) == 1 and first >= ENTRIES // 2:
        first -= ENTRIES
    return n_entries or ENTRIES, first, bits


def _table(header: DicomHeader, colour: str) -> NDArray[np.float32]:
    """The entries of one colour in [0, 1]."""
    n_entries, _, bits = _descriptor(header, colour)
    if bits not in ENTRY_BITS:
        raise ValueError
    plain, big_endian = header.value(f"{colour}PaletteColorLookupTableData"), is_big_endian(header)
    if plain is not None:
        entries = words(plain, n_entries, big_endian=big_endian)
        # Entries of 8 bits may stand in words, and are then white at 255 all the same.
        white = 255 if bits == 8 and entries.max() <= 255 else (1 << 8 * entries.dtype.itemsize) - 1
        return np.asarray(entries / white, dtype=np.float32)
    data = header.value(f"Segmented{colour}PaletteColorLookupTableData")
    numbers = words(data, len(data) * 8 // bits if isinstance(data, bytes) else len(data), big_endian=big_endian)
    expanded = expand_segments(numbers.tolist(), bits)
    if len(expanded) < n_entries:
        raise ValueError
    return np.asarray(np.array(expanded[:n_entries]) / ((1 << bits) - 1), dtype=np.float32)


def expand_segments(numbers: Sequence[int], bits: int) -> list[int]:
    """The entries that the segments in `numbers` describe: listed ones, linear ramps from the last entry, and repeats of earlier segments.

    Args:
        numbers: operation code, length, and what belongs to it, again and again.
        bits: of an entry; the offset of a repeat is given in bytes, as four numbers of 8 bits or two of 16, the lower one first.

    Raises:
        ValueError: a segment is cut short, or repeats one that repeats.

    >>> expand_segments([0, 2, 10, 20, 1, 4, 60], 16)
    [10, 20, 30, 40, 50, 60]
    >>> expand_segments([0, 1, 7, 1, 2, 9, 2, 2, 0, 0], 16)
    [7, 8, 9, 7, 8, 9]
    """
    entries: list[int] = []
    position = 0
    while position + 2 < len(numbers) and len(entries) <= ENTRIES:
        if numbers[position] == INDIRECT:
            n_parts = 32 // bits
            parts = numbers[position + 2 : position + 2 + n_parts]
            start = sum(part << bits * place for place, part in enumerate(parts)) // (bits // 8)
            for _ in range(numbers[position + 1]):
                start = _segment(numbers, start, entries)
            position += 2 + n_parts
        else:
            position = _segment(numbers, position, entries)
    return entries


def _segment(numbers: Sequence[int], position: int, entries: list[int]) -> int:
    """Add the entries of the segment at `position`; the position after it."""
    code, length = numbers[position : position + 2]
    if code == DISCRETE:
        listed = numbers[position + 2 : position + 2 + length]
        if len(listed) < length:
            raise ValueError
        entries += listed
        return position + 2 + length
    if code != LINEAR or not entries or length < 1:
        raise ValueError
    start, end = entries[-1], numbers[position + 2]
    entries += [round(start + (end - start) * step / length) for step in range(1, length + 1)]
    return position + 3
