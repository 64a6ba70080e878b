"""Ages as headers and tables write them, in years."""

import re

MAX_AGE_YEARS = 120
DAYS_PER_YEAR = 365.25
YEARS_PER = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR}
WRITTEN = re.compile(r"(\d{1,4})(?:\.0+)?\s*([DWMY]?)")


def years(text: str) -> float | None:
    """Years from "058Y", "018M", "010W", "003D", "62" or "58.0"; None where it is none of these, or above `MAX_AGE_YEARS`.

    Source: DICOM PS3.5 6.2 (AS).
    """
    found = WRITTEN.fullmatch(text.strip().upper())
    return plausible(float(found[1]) * YEARS_PER[found[2]]) if found else None


def plausible(age: float) -> float | None:
    """`age` in years where somebody can be so old, else None."""
    return age if 0 <= age <= MAX_AGE_YEARS else None
