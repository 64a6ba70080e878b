"""What a file is that cannot be read, by its first bytes: a message that names it helps more than one that says what it is not."""

START_BYTES = 512
RIFF, WEBP_AT = b"RIFF", 8

PICTURES = {
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"BM": "a BMP picture",
    b"GIF8": "a GIF picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"II+\0": "a BigTIFF picture",
    b"MM\0+": "a BigTIFF picture",
    b"8BPS": "a Photoshop picture",
    b"P5": "a PGM picture",
    b"P6": "a PPM picture",
}
DOCUMENTS = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"\x1f\x8b": "a gzipped file",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<HTML": "a web page",
    b"version https://git-lfs": "a pointer to a file that Git LFS has not fetched",
}
VOLUMES = {b"NRRD": "an NRRD volume", b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array"}
NIFTI_WORDS = ((344, b"n+1\0"), (4, b"n+2\0"))


def kind_of(start: bytes) -> str:
    """What a file that begins with `start` is, in words; empty if it is none of those that are known here.

    >>> kind_of(b"BM6"), kind_of(b"RIFF\\x10\\0\\0\\0WEBPVP8 "), kind_of(b""), kind_of(b"abc")
    ('a BMP picture', 'a WebP picture', 'empty', '')
    """
    if not start:
        return "empty"
    if start.startswith(RIFF) and start[WEBP_AT : WEBP_AT + 4] == b"WEBP":
        return "a WebP picture"
    if any(start[offset : offset + len(word)] == word for offset, word in NIFTI_WORDS):
        return "a NIfTI volume"
    return next((name for known in (PICTURES, DOCUMENTS, VOLUMES) for word, name in known.items() if start.startswith(word)), "")


def not_read(start: bytes, *, advice: str) -> str:
    """The message for a file that begins with `start` and is of a kind that is not read here; empty if its kind is not known.

    Args:
        start: its first bytes.
        advice: as what to save it, e.g. "save it as PNG, TIFF or DICOM".
    """
    kind = kind_of(start)
    if not kind:
        return ""
    return "is empty: copy or export it again." if kind == "empty" else f"is {kind}, which is not read here: {advice}."
