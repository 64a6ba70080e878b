"""What an image is of, and the sex of whom it shows."""

from enum import StrEnum


class Modality(StrEnum):
    """What the images are."""

    RADIOGRAPH = "radiograph"
    CT = "ct"


class Sex(StrEnum):
    """Sex as recorded; `UNKNOWN` where the source leaves it blank."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"
