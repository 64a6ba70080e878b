"""What a DICOM header says about the patient and the exposure, and what in it deserves a warning."""

import re
from datetime import date

from dpmed_core.imaging.dicom.ages import parse_age, plausible_age
from dpmed_core.imaging.dicom.header import DicomHeader
from dpmed_core.imaging.modality import Modality, Sex

DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
"""DICOM's YYYYMMDD, the older YYYY.MM.DD, and YYYY-MM-DD of some exports. Source: DICOM PS3.5 6.2 (value representation DA)."""
SEXES = {"F": Sex.FEMALE, "M": Sex.MALE, "O": Sex.OTHER, "": Sex.UNKNOWN}
STUDY_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate")

MODALITIES = {Modality.RADIOGRAPH: ("CR", "DX", "DR", "RG", "PX", "OT", ""), Modality.CT: ("CT", "")}
"""Values of the attribute Modality that fit a cohort of each modality; OT (other) and blank do not contradict it."""
CHEST = ("CHEST", "THORAX", "LUNG", "CHESTABDOMEN", "CHESTABDPELVIS", "RIB", "HEART")

FRONTAL_VIEWS = ("PA", "AP", "")
LATERAL_VIEWS = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD")

LATERAL = "the header says that the radiograph is a lateral view"
POLARITY_INVERTED = "the lungs were bright, so the image was a negative, whatever its header says, and was inverted"
POLARITY_DOUBTFUL = "the image may be a negative, with bright lungs, but that is not certain, so it was left as its header says"
BURNED_IN = "the header says that text is burned into the image"
OTHER_MODALITY = "the header names a modality other than the cohort's"
OTHER_BODY_PART = "the header names a body part other than the chest"


def age_years(header: DicomHeader) -> float | None:
    """The age in years from PatientAge, else in completed years from the dates of birth and study; None if neither can be used."""
    if (written := parse_age(header.text("PatientAge"))) is not None:
        return written
    born = _date(header.text("PatientBirthDate"))
    # Any of the three dates will do: an age in years does not depend on the day within an examination.
    taken = next((day for keyword in STUDY_DATES if (day := _date(header.text(keyword)))), None)
    if born is None or taken is None:
        return None
    # One year less before the birthday in the year of the study.
    return plausible_age(float(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))))


def sex_of(header: DicomHeader) -> Sex:
    """The sex that the header names; UNKNOWN if it is blank or none of F, M and O."""
    return SEXES.get(header.text("PatientSex").upper(), Sex.UNKNOWN)


def view_of(header: DicomHeader) -> str:
    """The view in capitals, e.g. "PA"; empty if the header does not say."""
    return header.text("ViewPosition").upper()


def warnings_of_header(header: DicomHeader, modality: Modality) -> tuple[str, ...]:
    """What the user should check before using this image in a cohort of `modality`; never a value from the header."""
    warnings = []
    if header.text("BurnedInAnnotation").upper() == "YES":
        warnings.append(BURNED_IN)
    if header.text("Modality").upper() not in MODALITIES[modality]:
        warnings.append(OTHER_MODALITY)
    if modality is Modality.RADIOGRAPH and _body_part(header) and not _body_part(header).startswith(CHEST):
        warnings.append(OTHER_BODY_PART)
    if view_of(header) in LATERAL_VIEWS:
        warnings.append(LATERAL)
    return tuple(warnings)


def is_frontal_chest(header: DicomHeader) -> bool:
    """Whether the header says that this is a radiograph of a chest, and names no view other than PA or AP.

    CT slices and magnetic resonance images of a chest name no view either.
    """
    is_radiograph = header.text("Modality").upper() in MODALITIES[Modality.RADIOGRAPH]
    return is_radiograph and _body_part(header).startswith(CHEST) and view_of(header) in FRONTAL_VIEWS


def _body_part(header: DicomHeader) -> str:
    """The body part in capitals, letters only: exports write "CHEST", "Chest PA", "CHEST^ABDOMEN"."""
    return re.sub(r"[^A-Z]", "", header.text("BodyPartExamined").upper())


def _date(text: str) -> date | None:
    found = DATE.match(text)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
