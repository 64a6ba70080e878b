"""Reading one DICOM image: its pixels as displayed, and the few attributes that are used."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.display import Displayed, displayed, negative_of
from dpmed_core.imaging.dicom.frames import stored_values
from dpmed_core.imaging.dicom.header import DAMAGED, DicomHeader, read_header, silenced_warnings
from dpmed_core.imaging.dicom.patient import (
    POLARITY_DOUBTFUL,
    POLARITY_INVERTED,
    age_years,
    is_frontal_chest,
    sex_of,
    view_of,
    warnings_of_header,
)
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.polarity import Polarity, polarity_of
from dpmed_core.imaging.reading import Reading

POLARITY_WARNINGS = {Polarity.USUAL: (), Polarity.DOUBTFUL: (POLARITY_DOUBTFUL,), Polarity.NEGATIVE: (POLARITY_INVERTED,)}
PHOTOMETRIC = re.compile(r"MONOCHROME[12]|RGB|PALETTE COLOR|YBR_[A-Z0-9_]{3,20}")


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One image.

    Attributes:
        pixels: float32 `[rows, columns]` in [0, 1]; 0 black, 1 white, as displayed; a frontal chest that looks like a negative is inverted.
        age: years; None if the header does not say.
        sex: from the header.
        view: in capitals, e.g. "PA"; empty if the header does not say.
        warnings: what the user should check; never a value from the header.
        identifying: keywords of the identifying attributes that the file holds.
        reading: how it was read.
    """

    pixels: NDArray[np.float32]
    age: float | None
    sex: Sex
    reading: Reading
    view: str = ""
    warnings: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()


def read_dicom(path: Path, *, modality: Modality = Modality.RADIOGRAPH) -> DicomImage:
    """The image in the DICOM file at `path`, for a cohort of `modality`.

    Raises:
        ImageError: it is not a DICOM file, does not hold exactly one image, or its pixels cannot be decoded.
    """
    with silenced_warnings():
        header = read_header(path)
        try:
            stored = stored_values(header)
            image = displayed(stored, header)
            is_judged = modality is Modality.RADIOGRAPH and is_frontal_chest(header)
            polarity = polarity_of(image.pixels) if is_judged else Polarity.USUAL
            if polarity is Polarity.NEGATIVE:
                image = negative_of(image, stored, header)
        except DAMAGED:
            raise ImageError("has pixel data that contradicts its header: export it again.") from None
        return DicomImage(
            pixels=image.pixels,
            age=age_years(header),
            sex=sex_of(header),
            reading=_reading(image, header),
            view=view_of(header),
            warnings=(*warnings_of_header(header, modality), *image.warnings, *POLARITY_WARNINGS[polarity]),
            identifying=header.identifying,
        )


def _reading(image: Displayed, header: DicomHeader) -> Reading:
    """How the image was read."""
    assumed = [*image.assumed, *([] if header.text("PhotometricInterpretation") else ["no photometric interpretation: MONOCHROME2"])]
    kind = f"DICOM, {syntax_words(header.transfer_syntax)}"
    return Reading(kind, image.bits, image.values, photometric=photometric_words(header), assumed=tuple(assumed))


def photometric_words(header: DicomHeader) -> str:
    """The photometric interpretation; one that is none of DICOM's is not shown, since it could be any text."""
    return header.photometric if PHOTOMETRIC.fullmatch(header.photometric) else "not one of DICOM's"


def syntax_words(syntax: str) -> str:
    """The compression that a transfer syntax stands for, in DICOM's words.

    >>> syntax_words("1.2.840.10008.1.2.1"), syntax_words("1.2.840.10008.1.2.4.90")
    ('uncompressed', 'JPEG 2000 Image Compression (Lossless Only)')
    """
    uid = UID(syntax)
    if not uid.is_transfer_syntax:
        return "unknown compression"
    return uid.name if uid.is_encapsulated or uid.is_deflated else "uncompressed"
