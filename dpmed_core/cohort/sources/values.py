"""Values of published tables, converted to the notation of the manifest."""

import hashlib
import math
import re
from collections.abc import Callable
from enum import StrEnum

import pandas as pd

from dpmed_core.imaging.dicom.ages import parse_age, plausible_age
from dpmed_core.phrases import counted

VALIDATION_SHARE = 1 / 8
"""Of the patients that a publication lists for training and validation together."""


class Uncertain(StrEnum):
    """What a label that the publication calls uncertain becomes."""

    IGNORE = "ignore"
    ZERO = "zero"
    ONE = "one"


UNCERTAIN_LABEL = {Uncertain.IGNORE: math.nan, Uncertain.ZERO: 0.0, Uncertain.ONE: 1.0}
UNCERTAIN_TEXT = {Uncertain.IGNORE: "", Uncertain.ZERO: "0", Uncertain.ONE: "1"}
UNCERTAIN_MEANING = {Uncertain.IGNORE: "as unknown", Uncertain.ZERO: "as absent", Uncertain.ONE: "as present"}


def column_name(text: str) -> str:
    """The name of a column for a published label.

    >>> column_name("Pleural_Thickening"), column_name("Nodule/Mass")
    ('pleural_thickening', 'nodule_mass')
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def ages(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Ages in years as text, from "58", "058Y", "013M" or "58.0"; blank if there is none, or an impossible one."""
    return _by_distinct(texts, lambda text: age_text(parse_age(text)))


def age_text(age: float | None) -> str:
    """An age in years as text; blank if it is None, NaN or impossible."""
    return f"{age:.6g}" if age is not None and plausible_age(age) is not None else ""


def sexes(texts: "pd.Series[str]") -> "pd.Series[str]":
    """F, M or blank, from the first letter of e.g. "Female", "male", "M" or "Unknown"."""
    initials = texts.str.strip().str.upper().str[:1]
    return initials.where(initials.isin(["F", "M"]), "")


def certain(labels: "pd.Series[str]", uncertain: Uncertain, *, unmentioned: str) -> "pd.Series[str]":
    """0, 1 or blank, from the notation of CheXpert and MIMIC-CXR: 1.0, 0.0, -1.0 (uncertain) and blank (not mentioned).

    Args:
        labels: as published.
        uncertain: what uncertain labels become.
        unmentioned: what unmentioned ones become, "0" or blank.
    """
    meaning = {"1": "1", "0": "0", "-1": UNCERTAIN_TEXT[uncertain], "": unmentioned}
    return labels.str.strip().str.removesuffix(".0").map(lambda text: meaning.get(text, text))


def part_by_patient(patients: "pd.Series[str]") -> "pd.Series[str]":
    """ "train" or "validation" for each patient of a published list for training and validation.

    The part follows from an unkeyed hash of the patient's identifier: it is the same in every installation, so results on published data
    can be compared, and no patient's part depends on another's.
    """
    limit = int(VALIDATION_SHARE * 2**32)
    return _by_distinct(patients, lambda name: "validation" if _position(name) < limit else "train")


def other_views_note(count: int) -> str:
    """A note about images of other views that were left out."""
    return f"{counted(count, 'image was', 'images were')} left out because the view is neither PA nor AP; --views all reads them too."


def _position(name: str) -> int:
    """A number uniform in 0 to 2**32 - 1, from the hash of `name`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _by_distinct(texts: "pd.Series[str]", convert: Callable[[str], str]) -> "pd.Series[str]":
    """`texts` converted; each distinct value is converted once."""
    return texts.map({text: convert(text) for text in texts.unique()})
