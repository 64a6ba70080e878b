"""What a DICOM header says of the person and of the exposure, and what in it should make the user look twice."""

import re
from datetime import date

from dpmed_core.imaging.dicom.ages import plausible, years
from dpmed_core.imaging.dicom.header import DicomHeader
from dpmed_core.imaging.modality import Modality, Sex

DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
"""DICOM's YYYYMMDD, the older YYYY.MM.DD, and what some exports write. Source: DICOM PS3.5 6.2 (DA)."""
SEXES = {"F": Sex.FEMALE, "M": Sex.MALE, "O": Sex.OTHER, "": Sex.UNKNOWN}
STUDY_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate")

MODALITIES = {Modality.RADIOGRAPH: ("CR", "DX", "DR", "RG", "PX", "OT", ""), Modality.CT: ("CT", "")}
"""Modality attribute of the images that a cohort of this kind may hold; OT (other) and blank say nothing against it."""
CHEST = ("CHEST", "THORAX", "LUNG", "CHESTABDOMEN", "CHESTABDPELVIS", "RIB", "HEART")

FRONTAL_VIEWS = ("PA", "AP", "")
LATERAL_VIEWS = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD")

FROM_THE_SIDE = "the header says that the radiograph was taken from the side"
TURNED = "the picture was a negative, whatever its header says, and was turned round"
BURNED_IN = "the header says that text is burned into the picture"
OTHER_MODALITY = "the header names another modality than this cohort's"
OTHER_BODY_PART = "the header names another body part than the chest"


def age_years(header: DicomHeader) -> float | None:
    """Years from PatientAge ("062Y", "62", "018M"), else from the dates of birth and study; None where neither can be used.

    Completed years where dates are used, as PatientAge has them.
    """
    if (written := years(header.text("PatientAge"))) is not None:
        return written
    born = _date(header.text("PatientBirthDate"))
    taken = next((day for keyword in STUDY_DATES if (day := _date(header.text(keyword)))), None)
    if born is None or taken is None:
        return None
    return plausible(float(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))))


def sex_of(header: DicomHeader) -> Sex:
    """Sex as the header says; UNKNOWN where it is blank or none of F, M, O."""
    return SEXES.get(header.text("PatientSex").upper(), Sex.UNKNOWN)


def view_of(header: DicomHeader) -> str:
    """The view's name in capitals, e.g. "PA"; empty where the header does not say."""
    return header.text("ViewPosition").upper()


def remarks_on(header: DicomHeader, modality: Modality) -> tuple[str, ...]:
    """What the user should look at before trusting this image in a cohort of `modality`; never a value out of the header."""
    remarks = []
    if header.text("BurnedInAnnotation").upper() == "YES":
        remarks.append(BURNED_IN)
    if header.text("Modality").upper() not in MODALITIES[modality]:
        remarks.append(OTHER_MODALITY)
    if modality is Modality.RADIOGRAPH and _body_part(header) and not _body_part(header).startswith(CHEST):
        remarks.append(OTHER_BODY_PART)
    if view_of(header) in LATERAL_VIEWS:
        remarks.append(FROM_THE_SIDE)
    return tuple(remarks)


def is_frontal_chest(header: DicomHeader) -> bool:
    """Whether the header says that this is a chest, and does not say that it was taken from the side."""
    return _body_part(header).startswith(CHEST) and view_of(header) in FRONTAL_VIEWS


def _body_part(header: DicomHeader) -> str:
    return re.sub(r"[^A-Z]", "", header.text("BodyPartExamined").upper())


def _date(text: str) -> date | None:
    found = DATE.match(text)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
