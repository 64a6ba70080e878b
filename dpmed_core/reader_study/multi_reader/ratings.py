"""The ratings of a study in which every reader rates every case in every arm, checked where they enter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.errors import DpmedError
from dpmed_core.phrases import counted
from dpmed_core.reader_study.reader_vs_model import PRIVATE, WITHOUT, confidence_rating

UNAIDED = "unaided"
ARMS = (PRIVATE, WITHOUT, UNAIDED)
"""The arms of DPMed's own studies, in the order in which they are compared: first minus second, so that help and cost have their signs."""
KEY_COLUMNS = ("reader", "case", "arm", "truth")
ANSWER_COLUMNS = ("present", "confidence")
FEWEST_ARMS = 2
MOST_RATINGS = 1_000_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Complete ratings: every reader's of every case in every arm.

    Attributes:
        arms: names, at least two.
        readers: names, at least one.
        cases: names; each of another patient.
        values: `[n_arms, n_readers, n_cases]`, larger = more suspicious; only their order counts.
        positive: whether the case has the finding `[n_cases]`.
    """

    arms: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...] = field(repr=False)
    values: Floats = field(repr=False)
    positive: NDArray[np.bool_] = field(repr=False)

    def of_arms(self, arms: Sequence[str]) -> "Ratings":
        """The ratings in some of the arms, in the order given."""
        return Ratings(tuple(arms), self.readers, self.cases, self.values[[self.arms.index(arm) for arm in arms]], self.positive)


def ratings_of(table: pd.DataFrame) -> Ratings:
    """The ratings in a table with one row a rating.

    Args:
        table: columns reader, case, arm, truth (1 has the finding, 0 has not) and rating; instead of rating, present (1 or 0) and
            confidence, which become the confidence with the sign of the answer.

    Raises:
        DpmedError: a column is missing, a cell is blank or no number where one is needed, a case has two truths, or a rating is missing
            or given twice.
    """
    keys, values, truth = _checked(table)
    known = {arm: number for number, arm in enumerate(ARMS)}
    orders = {
        "arm": sorted(dict.fromkeys(keys["arm"]), key=lambda arm: known.get(arm, len(ARMS))),
        "reader": list(dict.fromkeys(keys["reader"])),
        "case": list(dict.fromkeys(keys["case"])),
    }
    shape = tuple(map(len, orders.values()))
    _refuse_incomplete(shape, len(keys))
    positions = [pd.Categorical(keys[name], categories=order).codes.astype(np.intp) for name, order in orders.items()]
    array = np.empty(shape)
    array[tuple(positions)] = values
    positive = np.empty(shape[2], dtype=bool)
    positive[positions[2]] = truth == 1
    return Ratings(tuple(orders["arm"]), tuple(orders["reader"]), tuple(orders["case"]), array, positive)


def _refuse_incomplete(shape: tuple[int, ...], n_given: int) -> None:
    """Raise where there is nothing to compare, more than can be held, or not a rating of every reader, case and arm."""
    (n_arms, n_readers, n_cases), wanted = shape, math.prod(shape)
    if n_arms < FEWEST_ARMS:
        raise DpmedError(f"The table has {counted(n_arms, 'arm', 'arms')}, and a comparison needs two: add the ratings of another arm.")
    if wanted > MOST_RATINGS:
        raise DpmedError(f"{n_arms} arms, {n_readers:,} readers and {n_cases:,} cases are more than {MOST_RATINGS:,} ratings.")
    if missing := wanted - n_given:
        raise DpmedError(
            f"{counted(missing, 'rating is', 'ratings are')} missing: {counted(n_readers, 'reader', 'readers')}, "
            f"{counted(n_cases, 'case', 'cases')} and {n_arms} arms need {wanted:,}, and the table has {n_given:,}. Every reader must rate "
            "every case in every arm: leave out cases or readers that are not complete."
        )


def _checked(table: pd.DataFrame) -> tuple[pd.DataFrame, Floats, Floats]:
    """The names in each row as text, its rating and its truth."""
    columns = set(table.columns)
    answers = ANSWER_COLUMNS if "rating" not in columns and columns.issuperset(ANSWER_COLUMNS) else ("rating",)
    if missing := [name for name in (*KEY_COLUMNS, *answers) if name not in columns]:
        raise DpmedError(
            f"The table has no column {', '.join(missing)}: it needs reader, case, arm, truth, and rating or present and confidence."
        )
    keys = pd.DataFrame({name: table[name].astype(str).str.strip() for name in KEY_COLUMNS[:3]}).reset_index(drop=True)
    for name in keys:
        blank = table[name].isna().to_numpy() | (keys[name] == "").to_numpy()
        _refuse(blank, f"column {name} is blank")
    truth = _numbers(table, "truth")
    _refuse(~np.isin(truth, (0, 1)), "truth is neither 1 nor 0")
    if answers == ("rating",):
        values = _numbers(table, "rating")
    else:
        present, confidence = _numbers(table, "present"), _numbers(table, "confidence")
        _refuse(~np.isin(present, (0, 1)), "present is neither 1 nor 0")
        _refuse(confidence <= 0, "confidence is not above 0")
        values = confidence_rating(present == 1, confidence)
    _refuse(keys.duplicated().to_numpy(), "the same reader, case and arm stand in an earlier row too")
    first = pd.Series(truth).groupby(keys["case"].to_numpy()).transform("first").to_numpy()
    _refuse(first != truth, "truth differs from the same case's in an earlier row")
    return keys, values, truth


def _numbers(table: pd.DataFrame, name: str) -> Floats:
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    _refuse(~np.isfinite(values), f"{name} is not a number")
    return values


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    """Raise for rows that are wrong, naming the first by its number; its cells may be a patient's."""
    if wrong.any():
        rows = np.flatnonzero(wrong) + 2  # as an editor counts them, below the heading
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        raise DpmedError(f"Row {rows[0]:,}{more}: {what}. Correct the table and try again.")


def read_ratings(path: Path) -> Ratings:
    """The ratings in a CSV file.

    Raises:
        DpmedError: it cannot be read, or `ratings_of` refuses it.
    """
    return ratings_of(_read(path))


def read_cases(path: Path) -> tuple[list[str], list[bool] | None]:
    """The cases in a CSV file, for a plan, and which of them have the finding; None where there is no column truth.

    Raises:
        DpmedError: it cannot be read, has no column case, or a cell is blank or wrong.
    """
    table = _read(path)
    if "case" not in table:
        raise DpmedError("The table has no column case.")
    cases = table["case"].str.strip()
    _refuse((cases == "").to_numpy(), "column case is blank")
    _refuse(cases.duplicated().to_numpy(), "the same case stands in an earlier row too")
    if "truth" not in table:
        return cases.tolist(), None
    truth = _numbers(table, "truth")
    _refuse(~np.isin(truth, (0, 1)), "truth is neither 1 nor 0")
    return cases.tolist(), [bool(value) for value in truth]


def _read(path: Path) -> pd.DataFrame:
    """A CSV file as text."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DpmedError(f"The table cannot be read as CSV in UTF-8 ({type(error).__name__}): check the file's name and content.") from None
    if table.empty:
        raise DpmedError("The table has no rows: it needs a heading and at least one row.")
    # Where every row has a cell more than the heading, the reader takes the first column for names of rows.
    if not isinstance(table.index, pd.RangeIndex):
        raise DpmedError("The table has rows with more cells than the heading: name every column.")
    return table.fillna("")
