"""Reading one DICOM image: the pixels as a radiologist sees them, and the few attributes that are used."""

import logging
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from dpmed_core.cohort.schema import Sex
from dpmed_core.errors import ImageError

ALLOWED_TAGS = ("PatientAge", "PatientSex")
"""The only attributes read besides those that describe the pixels; everything else is left where it is."""

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # it logs values out of headers

AGE = re.compile(r"(\d{1,3})([DWMY]?)")
YEARS_PER = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
SEXES = {"F": Sex.FEMALE, "M": Sex.MALE, "O": Sex.OTHER, "": Sex.UNKNOWN}
TAILS_PERCENT = (0.5, 99.5)
MAX_PIXELS = 100_000_000


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One image.

    Attributes:
        pixels: float32 `[rows, columns]` in [0, 1]; 0 black, 1 white, as displayed.
        age: years; None where the header does not say.
        sex: as the header says.
    """

    pixels: NDArray[np.float32]
    age: float | None
    sex: Sex


def read_dicom(path: Path) -> DicomImage:
    """The image in the DICOM file at `path`.

    Raises:
        ImageError: it is not a DICOM file, holds no single grey image, or its pixels cannot be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns with values out of the header
        try:
            header = pydicom.dcmread(path)
        except InvalidDicomError:
            raise ImageError("is not a DICOM file, whatever its name says: export it again.") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, IndexError, OverflowError):
            raise ImageError("breaks off or is damaged: export it again.") from None
        return DicomImage(pixels=_displayed(header), age=_age(header), sex=_sex(header))


def _displayed(header: Any) -> NDArray[np.float32]:
    """The pixels after modality LUT, VOI LUT or window, and inversion for MONOCHROME1. Source: DICOM PS3.3 C.11, PS3.4 N.2."""
    _refuse_unsuitable(header)
    stored = _decoded(header)
    padding = _padding(header, stored)
    values = np.asarray(apply_modality_lut(stored, header), dtype=np.float64)
    if "WindowCenter" in header or "VOILUTSequence" in header:
        source = values if "VOILUTSequence" not in header else apply_modality_lut(stored, header)
        values = np.asarray(apply_voi_lut(source, header), dtype=np.float64)
        low, high = _window_range(header, values)
    else:
        low, high = np.percentile(values[~padding], TAILS_PERCENT)
    if not high > low:
        raise ImageError("has the same value everywhere: it shows nothing.")
    shown = np.clip((values - low) / (high - low), 0, 1)
    if header.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    shown[padding] = 0
    return shown.astype(np.float32)


def _refuse_unsuitable(header: Any) -> None:
    if "PixelData" not in header:
        raise ImageError("holds no image.")
    if int(header.get("NumberOfFrames") or 1) != 1:
        raise ImageError("holds several frames; one film a file is read here.")
    if header.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise ImageError("is a colour image; a radiograph is grey (MONOCHROME1 or MONOCHROME2).")
    if int(header.get("Rows") or 0) * int(header.get("Columns") or 0) > MAX_PIXELS:
        raise ImageError(f"has more than {MAX_PIXELS:,} pixels.")


def _decoded(header: Any) -> NDArray[Any]:
    try:
        return np.asarray(header.pixel_array)
    except (RuntimeError, NotImplementedError, AttributeError):
        raise ImageError("is compressed in a way that cannot be decoded here: export it uncompressed.") from None
    except (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, OverflowError, MemoryError):
        raise ImageError("has pixels that break off or contradict its header: export it again.") from None


def _padding(header: Any, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the image is padding, not picture. Source: DICOM PS3.3 C.7.5.1.1.2."""
    if "PixelPaddingValue" not in header:
        return np.zeros(stored.shape, dtype=bool)
    ends = sorted((int(header.PixelPaddingValue), int(header.get("PixelPaddingRangeLimit", header.PixelPaddingValue))))
    padding = (stored >= ends[0]) & (stored <= ends[1])
    return np.zeros_like(padding) if padding.all() else padding


def _window_range(header: Any, windowed: NDArray[np.float64]) -> tuple[float, float]:
    """The range that `apply_voi_lut` maps to: that of its LUT, or of the stored values that it windows into."""
    if "VOILUTSequence" in header:
        return 0.0, float(2 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    bits = int(header.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if int(header.PixelRepresentation) else (0, 2**bits - 1)
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    ends = sorted((low * slope + intercept, high * slope + intercept))
    return (ends[0], ends[1]) if windowed.max() > windowed.min() else (0.0, 0.0)


def _age(header: Any) -> float | None:
    """Years from PatientAge: "067Y", "018M", "62". Source: DICOM PS3.5 6.2 (AS)."""
    found = AGE.fullmatch(str(header.get("PatientAge") or "").strip().upper())
    return float(found[1]) * YEARS_PER[found[2]] if found else None


def _sex(header: Any) -> Sex:
    return SEXES.get(str(header.get("PatientSex") or "").strip().upper(), Sex.UNKNOWN)
