"""Ages as headers and tables write them, in years."""

import re

MAX_AGE_YEARS = 120
DAYS_PER_YEAR = 365.25
YEARS_PER = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR}
"""Initial of a unit, as in a DICOM age string -> years; a number without unit counts as years."""
UNIT = r"(?:Y(?:EARS?|RS?|O)?|A(?:NOS?)?|M(?:ONTHS?|OS?|THS?)?|W(?:EEKS?|KS?)?|D(?:AYS?)?)"
NUMBER = r"\d{1,4}(?:[.,]\d+)?"
WRITTEN = re.compile(rf"({NUMBER})\s*({UNIT})?\.?(?:\s*OLD)?")
AT_LEAST = re.compile(
    rf"(?:(?:>=|≥|AT LEAST)\s*({NUMBER})|({NUMBER})\s*(?:\+|(?:AND|OR) (?:OVER|OLDER|ABOVE|MORE|UP)))\s*(?:{UNIT})?\.?(?:\s*\+)?"
)
OVER = re.compile(rf"(?:>|OVER|ABOVE|OLDER THAN|MORE THAN)\s*({NUMBER})\s*(?:{UNIT})?\.?")


def parse_age(text: str) -> float | None:
    """An age in years; None if `text` is not an age, or one above `MAX_AGE_YEARS`.

    >>> parse_age("058Y"), parse_age("018M"), parse_age("62"), parse_age("58.0"), parse_age("45,5"), parse_age("45 years old")
    (58.0, 1.5, 62.0, 58.0, 45.5, 45.0)
    >>> parse_age("999Y"), parse_age("unknown"), parse_age(""), parse_age("1900-02-14")
    (None, None, None, None)

    Source: DICOM PS3.5 6.2 (value representation AS).
    """
    found = WRITTEN.fullmatch(text.strip().upper())
    if found is None:
        return None
    # Spanish and Portuguese years begin with an A.
    unit = (found[2] or "")[:1].replace("A", "Y")
    return plausible_age(float(found[1].replace(",", ".")) * YEARS_PER[unit])


def parse_least_age(text: str) -> float | None:
    """The youngest age in whole years that a text such as "90+" allows; None if `text` does not give a least age.

    Ages above 89 are written so where a law forbids to give them (45 CFR 164.514(b)(2)(i)(C)).

    >>> [parse_least_age(text) for text in ("89+", "90 and over", ">= 90", ">89", "over 89", "90Y+", "90 or older")]
    [89.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0]
    >>> parse_least_age("90"), parse_least_age("200+")
    (None, None)
    """
    text = re.sub(rf"({NUMBER})\s*{UNIT}\s*\+", r"\1+", text.strip().upper())
    if over := OVER.fullmatch(text):
        return plausible_age(float(int(float(over[1].replace(",", "."))) + 1))
    if least := AT_LEAST.fullmatch(text):
        return plausible_age(float((least[1] or least[2]).replace(",", ".")))
    return None


def plausible_age(age: float) -> float | None:
    """`age` if it lies from 0 to `MAX_AGE_YEARS` years, else None."""
    return age if 0 <= age <= MAX_AGE_YEARS else None
