"""Reading one DICOM image: its pixels as displayed, and the few attributes that are used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.display import displayed, negative_of
from dpmed_core.imaging.dicom.frames import stored_values
from dpmed_core.imaging.dicom.header import DAMAGED, read_header, silenced_warnings
from dpmed_core.imaging.dicom.patient import POLARITY_INVERTED, age_years, is_frontal_chest, sex_of, view_of, warnings_of_header
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.polarity import is_negative


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One image.

    Attributes:
        pixels: float32 `[rows, columns]` in [0, 1]; 0 black, 1 white, as displayed; a frontal chest that `is_negative` is inverted.
        age: years; None if the header does not say.
        sex: from the header.
        view: in capitals, e.g. "PA"; empty if the header does not say.
        warnings: what the user should check; never a value from the header.
        identifying: keywords of the identifying attributes that the file holds.
    """

    pixels: NDArray[np.float32]
    age: float | None
    sex: Sex
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
            pixels = displayed(stored, header)
            inverted = modality is Modality.RADIOGRAPH and is_frontal_chest(header) and is_negative(pixels)
            if inverted:
                pixels = negative_of(pixels, stored, header)
        except DAMAGED:
            raise ImageError("has pixel data that contradicts its header: export it again.") from None
        return DicomImage(
            pixels=pixels,
            age=age_years(header),
            sex=sex_of(header),
            view=view_of(header),
            warnings=(*warnings_of_header(header, modality), *([POLARITY_INVERTED] if inverted else [])),
            identifying=header.identifying,
        )
