"""What published tables write in their cells, as the manifest's columns have it."""

import hashlib
import re
from collections.abc import Callable
from enum import StrEnum

import pandas as pd

from dpmed_core.imaging.dicom.ages import plausible, years

VALIDATION_SHARE = 1 / 8
"""Of the patients whom a publication gives for training and validation together."""


class Uncertain(StrEnum):
    """What becomes of a label that the publication calls uncertain."""

    IGNORE = "ignore"
    ZERO = "zero"
    ONE = "one"


UNCERTAIN_TEXT = {Uncertain.IGNORE: "", Uncertain.ZERO: "0", Uncertain.ONE: "1"}


def column_name(text: str) -> str:
    """A label's name as a column: "Pleural_Thickening" and "Nodule/Mass" become pleural_thickening and nodule_mass."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def ages(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Years as text, from "58", "058Y", "013M" or "58.0"; blank where there is none, or an impossible one."""
    return _by_distinct(texts, lambda text: age_text(years(text)))


def age_text(age: float | None) -> str:
    """An age as a manifest has it; blank where it is None, NaN or impossible."""
    return f"{age:.6g}" if age is not None and plausible(age) is not None else ""


def sexes(texts: "pd.Series[str]") -> "pd.Series[str]":
    """F, M or blank, from "Female", "male", "M", "Unknown" and the like."""
    initials = texts.str.strip().str.upper().str[:1]
    return initials.where(initials.isin(["F", "M"]), "")


def certain(labels: "pd.Series[str]", uncertain: Uncertain, *, unmentioned: str) -> "pd.Series[str]":
    """0, 1 or blank, from 1.0, 0.0, -1.0 (uncertain) and blank (not mentioned), as CheXpert and MIMIC-CXR write them."""
    meaning = {"1": "1", "0": "0", "-1": UNCERTAIN_TEXT[uncertain], "": unmentioned}
    return labels.str.strip().str.removesuffix(".0").map(lambda text: meaning.get(text, text))


def part_by_patient(patients: "pd.Series[str]") -> "pd.Series[str]":
    """train or validation for each patient of a published train-and-validation list.

    By an unkeyed hash of the patient alone: the same for everybody who has the data, and no patient's part depends on another's.
    """
    limit = int(VALIDATION_SHARE * 2**32)
    return _by_distinct(patients, lambda name: "validation" if _position(name) < limit else "train")


def _position(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _by_distinct(texts: "pd.Series[str]", convert: Callable[[str], str]) -> "pd.Series[str]":
    return texts.map({text: convert(text) for text in texts.unique()})
