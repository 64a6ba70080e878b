"""Reading one DICOM image: the pixels as a radiologist sees them, and the few attributes that are used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpmed_core.errors import ImageError
from dpmed_core.imaging.dicom.display import displayed, turned_round
from dpmed_core.imaging.dicom.frames import stored_values
from dpmed_core.imaging.dicom.header import DAMAGED, quiet, read_header
from dpmed_core.imaging.dicom.patient import TURNED, age_years, is_frontal_chest, remarks_on, sex_of, view_of
from dpmed_core.imaging.modality import Modality, Sex
from dpmed_core.imaging.polarity import is_negative


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One image.

    Attributes:
        pixels: float32 `[rows, columns]` in [0, 1]; 0 black, 1 white, as displayed; lungs dark on a frontal chest radiograph.
        age: years; None where the header does not say.
        sex: as the header says.
        view: the view's name in capitals, e.g. "PA"; empty where the header does not say.
        remarks: what the user should look at; never a value out of the header.
        identifying: keywords of the identifying attributes that the file holds.
    """

    pixels: NDArray[np.float32]
    age: float | None
    sex: Sex
    view: str = ""
    remarks: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()


def read_dicom(path: Path, *, modality: Modality = Modality.RADIOGRAPH) -> DicomImage:
    """The image in the DICOM file at `path`, for a cohort of `modality`.

    Raises:
        ImageError: it is not a DICOM file, holds no single image, or its pixels cannot be decoded.
    """
    with quiet():
        header = read_header(path)
        try:
            stored = stored_values(header)
            pixels = displayed(stored, header)
            turned = modality is Modality.RADIOGRAPH and is_frontal_chest(header) and is_negative(pixels)
            if turned:
                pixels = turned_round(pixels, stored, header)
        except DAMAGED:
            raise ImageError("has pixels that contradict its header: export it again.") from None
        return DicomImage(
            pixels=pixels,
            age=age_years(header),
            sex=sex_of(header),
            view=view_of(header),
            remarks=(*remarks_on(header, modality), *([TURNED] if turned else [])),
            identifying=header.identifying,
        )
