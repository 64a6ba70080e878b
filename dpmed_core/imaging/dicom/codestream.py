"""The size that a compressed frame declares, read here so that it can be checked before a decoder allocates memory for it."""

from collections.abc import Iterator

START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment that holds the size. Source: ITU-T T.81, table B.1; JPEG-LS ITU-T T.87, C.1.1."""
STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment."""
START_OF_SCAN, JFIF, ADOBE = 0xDA, 0xE0, 0xEE
ADOBE_BYTES = 12
JPEG_START, JPEG2000_START, JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x6a\x50\x20\x20"
SIZE_SEGMENT_BYTES = 38


def frame_size(frame: bytes) -> tuple[int, int, int] | None:
    """(rows, columns, components) that a JPEG, JPEG-LS or JPEG 2000 stream declares; None if it is none of these or is cut short."""
    if frame.startswith(JPEG_START):
        return _jpeg_size(frame)
    if frame[4:8] == JP2_BOX:  # the codestream is wrapped in a JP2 file
        frame = frame[max(frame.find(JPEG2000_START), 0) :]
    return _jpeg2000_size(frame) if frame.startswith(JPEG2000_START) else None


def declares_colour_coding(frame: bytes) -> bool:
    """Whether a JPEG stream says how its colours are coded, by a JFIF segment or a complete Adobe segment."""
    segments = list(_segments(frame))
    adobe = any(marker == ADOBE and payload.startswith(b"Adobe") and len(payload) >= ADOBE_BYTES for marker, payload in segments)
    return adobe or any(marker == JFIF and payload.startswith(b"JFIF") for marker, payload in segments)


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    for marker, payload in _segments(frame):
        if marker in START_OF_FRAME:
            return (int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5]), payload[5]) if len(payload) > 5 else None
    return None


def _segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker segments up to the first scan, each as (marker, payload). Source: ITU-T T.81, B.1.1."""
    position = 2
    while position + 4 <= len(frame):
        if frame[position] != 0xFF:
            return
        marker = frame[position + 1]
        if marker == 0xFF:  # a fill byte before a marker
            position += 1
        elif marker in STANDALONE:
            position += 2
        else:
            # The declared length counts its own two bytes, so less than 2 would never advance.
            length = int.from_bytes(frame[position + 2 : position + 4])
            yield marker, frame[position + 4 : position + 2 + length]
            if marker == START_OF_SCAN or length < 2:
                return
            position += 2 + length


def _jpeg2000_size(frame: bytes) -> tuple[int, int, int] | None:
    """The size in the SIZ segment: extent of the reference grid less the offset of the image. Source: ITU-T T.800, A.5.1."""
    if len(frame) < 4 + SIZE_SEGMENT_BYTES:
        return None
    right, bottom, left, top = (int.from_bytes(frame[start : start + 4]) for start in (8, 12, 16, 20))
    return bottom - top, right - left, int.from_bytes(frame[40:42])
