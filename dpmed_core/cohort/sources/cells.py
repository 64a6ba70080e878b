"""What people write in the cells of a table of images: blanks, labels, sexes, parts of a split, ages and the order of studies."""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.sources.values import UNCERTAIN_LABEL, Uncertain
from dpmed_core.imaging.dicom.ages import parse_age, parse_least_age
from dpmed_core.imaging.modality import Sex

BLANKS = frozenset(
    ("", "na", "n/a", "n.a.", "<na>", "nan", "none", "null", "nil", "nat", "#n/a", "#na", "?", "-", "--", ".", "unknown", "missing")
)
"""What R, pandas, databases and people write where there is no value, in small letters."""
PRESENT = frozenset(
    ("yes", "y", "true", "t", "positive", "pos", "present", "+", "ja", "wahr", "oui", "vrai", "si", "sí", "verdadero", "sim")
)
ABSENT = frozenset(("no", "n", "false", "f", "negative", "neg", "absent", "nein", "falsch", "non", "faux", "falso", "não", "nao"))
UNCERTAIN = frozenset(("uncertain", "equivocal", "indeterminate"))
SEXES = {
    **dict.fromkeys(("f", "female", "w", "woman", "weiblich", "frau", "femme", "féminin", "mujer", "femenino", "feminino"), Sex.FEMALE),
    **dict.fromkeys(("m", "male", "man", "männlich", "maennlich", "mann", "homme", "masculin", "hombre", "masculino"), Sex.MALE),
    **dict.fromkeys(("o", "other", "x", "d", "divers", "diverse", "nonbinary", "non-binary"), Sex.OTHER),
    "u": Sex.UNKNOWN,
}
PARTS = {
    **dict.fromkeys(("train", "training"), Part.TRAIN),
    **dict.fromkeys(("validation", "val", "valid", "validate", "dev", "development"), Part.VALIDATION),
    **dict.fromkeys(("test", "testing", "holdout", "hold-out", "held-out"), Part.TEST),
}
NUMBER = re.compile(r"[+-]?\d+(?:[.,]0*)?")
DECIMAL = re.compile(r"[+-]?\d{1,15}(?:[.,]\d*)?")
YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*")

AGE_AT_LEAST, AGE_IS_A_DATE, AGE_UNREADABLE = "ages_at_least", "ages_are_dates", "ages_not_read"
SEX_UNREADABLE = "sexes_not_read"
ORDER_UNREADABLE = "study_orders_not_read"
"""Names of remarks about a cell that was not read as it stands; see `remarks.ROW_REMARKS`."""

CACHED = 1 << 14


def is_blank(text: str) -> bool:
    """Whether `text`, without surrounding spaces, says that there is no value.

    >>> [is_blank(text) for text in ("", "NA", "NaN", "#N/A", "?", "0", "N")]
    [True, True, True, True, True, False, False]
    """
    return text.lower() in BLANKS


@lru_cache(CACHED)
def label_of(text: str, uncertain: Uncertain | None = None) -> float | None:
    """1 (present), 0 (absent) or NaN (unknown); None if `text` is no label, or an uncertain one and nothing says what it becomes.

    >>> [label_of(text) for text in ("1", "0.0", "1,0", "True", "negative", "NA")]
    [1.0, 0.0, 1.0, 1.0, 0.0, nan]
    >>> label_of("2"), label_of("-1"), label_of("-1.0", Uncertain.ONE), label_of("-1", Uncertain.IGNORE)
    (None, None, 1.0, nan)
    """
    text = text.lower()
    if is_blank(text):
        return math.nan
    if is_uncertain(text):
        return None if uncertain is None else UNCERTAIN_LABEL[uncertain]
    if text in PRESENT or text in ABSENT:
        return float(text in PRESENT)
    number = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else math.nan
    return number if number in (0, 1) else None


def is_uncertain(text: str) -> bool:
    """Whether `text` is a label that CheXpert, MIMIC-CXR or a reader calls uncertain.

    >>> is_uncertain("-1"), is_uncertain("-1.0"), is_uncertain("Equivocal"), is_uncertain("-2")
    (True, True, True, False)
    """
    text = text.lower()
    return text in UNCERTAIN or (text.startswith("-") and bool(NUMBER.fullmatch(text)) and float(text.replace(",", ".")) == -1)


@lru_cache(CACHED)
def sex_of(text: str) -> tuple[Sex, str]:
    """The sex, and the name of a remark about the cell; empty if there is none.

    Numbers are not read: 1 is male in ISO 5218 and female in other tables.

    >>> sex_of("weiblich")[0].value, sex_of("M")[0].value, sex_of("1")
    ('female', 'male', (<Sex.UNKNOWN: 'unknown'>, 'sexes_not_read'))
    """
    found = Sex.UNKNOWN if is_blank(text) else SEXES.get(text.lower())
    return (Sex.UNKNOWN, SEX_UNREADABLE) if found is None else (found, "")


def part_of(text: str) -> Part | None:
    """The part of the split that `text` names; None if it names none.

    >>> part_of("TRAINING").value, part_of("dev").value, part_of("2")
    ('train', 'validation', None)
    """
    return PARTS.get(text.lower())


@lru_cache(CACHED)
def age_of(text: str) -> tuple[float | None, str]:
    """The age in years, None if it is unknown, and the name of a remark about the cell; empty if there is none.

    >>> age_of("045Y"), age_of("89+"), age_of("1900-02-14"), age_of("999"), age_of("NA")
    ((45.0, ''), (89.0, 'ages_at_least'), (None, 'ages_are_dates'), (None, 'ages_not_read'), (None, ''))
    """
    if is_blank(text):
        return None, ""
    if (age := parse_age(text)) is not None:
        return age, ""
    if (age := parse_least_age(text)) is not None:
        return age, AGE_AT_LEAST
    return None, AGE_IS_A_DATE if DATE.fullmatch(text) else AGE_UNREADABLE


@lru_cache(CACHED)
def order_of(text: str) -> tuple[float | None, str]:
    """A number that grows with time, None if it is unknown, and the name of a remark about the cell; empty if there is none.

    A number is taken as it is, a date as the number YYYYMMDD with the part of the day that is past, so that 20190304 and 2019-03-04 are the
    same. Years come first: 03/04/2019 is a day in March to some and in April to others, and is not read.

    >>> order_of("3"), order_of("2019-03-04"), order_of("2019/3/4 12:00"), order_of("20190304T120000")
    ((3.0, ''), (20190304.0, ''), (20190304.5, ''), (20190304.5, ''))
    >>> order_of("03/04/2019"), order_of("NA")
    ((None, 'study_orders_not_read'), (None, ''))
    """
    if is_blank(text):
        return None, ""
    if DECIMAL.fullmatch(text):
        return float(text.replace(",", ".")), ""
    try:
        moment = datetime.fromisoformat(YEAR_FIRST.sub(lambda date: f"{date[1]}-{int(date[3]):02}-{int(date[4]):02}", text, count=1))
    except ValueError:
        return None, ORDER_UNREADABLE
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    seconds = 3600 * moment.hour + 60 * moment.minute + moment.second + moment.microsecond / 1e6
    return 10_000 * moment.year + 100 * moment.month + moment.day + seconds / 86_400, ""
