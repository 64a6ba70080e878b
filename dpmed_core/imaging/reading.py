"""How a file was read: what it is, which of its values are used, how it lies, and what was assumed where it does not say."""

from dataclasses import dataclass

from dpmed_core.phrases import counted


@dataclass(frozen=True)
class Reading:
    """How one file was read, in words; never a value of its header that could identify a patient.

    Attributes:
        kind: file format and compression, e.g. "PNG", "DICOM, JPEG 2000".
        bits: of a value, e.g. "12 of 16 bits", "32 bits, floating point".
        values: least and greatest value as stored, e.g. "0 to 4095".
        orientation: how it was laid, e.g. "as stored", "turned as its EXIF orientation 6 says".
        photometric: what the values mean, e.g. "MONOCHROME1", "grey", "colour".
        assumed: what the file does not say, or says wrongly.
    """

    kind: str
    bits: str
    values: str
    orientation: str = "as stored"
    photometric: str = "grey"
    assumed: tuple[str, ...] = ()


def bits_words(used: int, allocated: int) -> str:
    """Used bits of those that a value takes.

    >>> bits_words(12, 16), bits_words(8, 8), bits_words(1, 1)
    ('12 of 16 bits', '8 bits', '1 bit')
    """
    return f"{used} of {allocated} bits" if used != allocated else counted(used, "bit", "bits")


def values_words(low: float, high: float) -> str:
    """A range of values.

    >>> values_words(0, 4095), values_words(-0.5, 1.25)
    ('0 to 4095', '-0.5 to 1.25')
    """
    return f"{low:.6g} to {high:.6g}"
