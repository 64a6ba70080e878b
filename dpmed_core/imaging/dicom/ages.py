"""Ages as headers and tables write them, in years."""

import re

MAX_AGE_YEARS = 120
DAYS_PER_YEAR = 365.25
YEARS_PER = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR}
"""Unit of a DICOM age string -> years; a number without unit counts as years."""
WRITTEN = re.compile(r"(\d{1,4})(?:\.0+)?\s*([DWMY]?)")


def parse_age(text: str) -> float | None:
    """An age in years; None if `text` is not an age, or one above `MAX_AGE_YEARS`.

    >>> parse_age("058Y"), parse_age("018M"), parse_age("62"), parse_age("58.0")
    (58.0, 1.5, 62.0, 58.0)
    >>> parse_age("999Y"), parse_age("unknown"), parse_age("")
    (None, None, None)

    Source: DICOM PS3.5 6.2 (value representation AS).
    """
    found = WRITTEN.fullmatch(text.strip().upper())
    return plausible_age(float(found[1]) * YEARS_PER[found[2]]) if found else None


def plausible_age(age: float) -> float | None:
    """`age` if it lies from 0 to `MAX_AGE_YEARS` years, else None."""
    return age if 0 <= age <= MAX_AGE_YEARS else None
