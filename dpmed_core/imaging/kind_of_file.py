"""The kind of a file by its beginning: enough to see which kinds a folder holds, without decoding any pixels."""

from pathlib import Path

from PIL import Image

from dpmed_core.errors import ImageError
from dpmed_core.imaging.ct.simpleitk import START_BYTES, volume_format
from dpmed_core.imaging.dicom.header import looks_like_dicom, read_header, silenced_warnings
from dpmed_core.imaging.dicom.read import photometric_words, syntax_words
from dpmed_core.imaging.file_kinds import kind_of
from dpmed_core.imaging.picture import DAMAGED, FORMATS, ORIENTATION_TAG, UPRIGHT
from dpmed_core.imaging.reading import bits_words

ATTRIBUTES = ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "SamplesPerPixel", "NumberOfFrames")
MODES = {"1": "1 bit", "L": "8 bits, grey", "I": "32 bits", "F": "32 bits, floating point", "P": "8 bits, palette", "CMYK": "8 bits, CMYK"}
DEEP = "I;16"


def kind_of_path(path: Path) -> str:
    """The kind of the file at `path` in words, e.g. "PNG, 16 bits, grey", "DICOM, uncompressed, MONOCHROME2, 12 of 16 bits"."""
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:
        return "cannot be opened"
    if looks_like_dicom(start):
        return _dicom(path)
    if (volume := volume_format(start)) is not None and not kind_of(start).endswith("picture"):
        return volume.value
    return _picture(path) or kind_of(start) or "unknown"


def _dicom(path: Path) -> str:
    try:
        with silenced_warnings():
            header = read_header(path, attributes=ATTRIBUTES, pixels=False)
            bits = bits_words(header.bits_stored, header.integer("BitsAllocated"))
            frames = header.integer("NumberOfFrames", 1)
    except ImageError:
        return "DICOM, damaged or without pixels"
    several = ", several frames" if frames > 1 else ""
    return f"DICOM, {syntax_words(header.transfer_syntax)}, {photometric_words(header)}, {bits}{several}"


def _picture(path: Path) -> str:
    """The kind of a picture; empty if it is none that is read."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            depth = "16 bits, grey" if picture.mode.startswith(DEEP) else MODES.get(picture.mode, "8 bits, colour")
            # Of a PNG, Pillow would decode all pixels to find an orientation, which hardly any has.
            orientation = (
                UPRIGHT if picture.format == "PNG" and "exif" not in picture.info else picture.getexif().get(ORIENTATION_TAG, UPRIGHT)
            )
            turned = f", EXIF orientation {orientation}" if orientation != UPRIGHT else ""
            return f"{picture.format}, {depth}{turned}"
    except DAMAGED:
        return ""
