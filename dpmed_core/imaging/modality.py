"""Two enumerations of the image's header: modality and sex."""

from enum import StrEnum


class Modality(StrEnum):
    """How the images of a cohort were acquired."""

    RADIOGRAPH = "radiograph"
    CT = "ct"


class Sex(StrEnum):
    """The patient's sex as recorded; `UNKNOWN` where the source leaves it blank."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"
