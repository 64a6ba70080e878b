"""Which subgroup a case belongs to: by sex, by age band, by a co-morbidity."""

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import AGE_BANDS, Sex
from dpmed_core.errors import CohortError

UNKNOWN = "unknown"
ATTRIBUTES = ("sex", "age")
COMORBIDITY_SUBGROUPS = ("without", "with", UNKNOWN)


def age_band_name(low: int, high: int) -> str:
    """A half-open band [low, high) in years as people write it, e.g. "60-69"; the last one is open."""
    return f"{low}+" if high > 100 else f"{low}-{high - 1}"


def subgroups(cases: pd.DataFrame, attribute: str) -> pd.Series:
    """The subgroup of each case, an ordered categorical with "unknown" last.

    Args:
        cases: a table with the column of `attribute`.
        attribute: "sex", "age" (bands of `AGE_BANDS`) or a co-morbidity's column (1, 0, NaN).

    Raises:
        CohortError: the table has no such attribute.
    """
    if attribute not in cases.columns:
        raise CohortError(f"There is no attribute {attribute!r} to group by: use sex, age or one of the cohort's co-morbidities.")
    if attribute == "sex":
        return _categories(cases["sex"].to_numpy(dtype=object), [s.value for s in Sex], cases.index)
    if attribute == "age":
        return _age_bands(cases["age"])
    values = cases[attribute].to_numpy(dtype=float)
    names = np.where(np.isnan(values), UNKNOWN, np.where(values == 1, "with", "without")).astype(object)
    return _categories(names, list(COMORBIDITY_SUBGROUPS), cases.index)


def _age_bands(age: pd.Series) -> pd.Series:
    names = np.full(len(age), UNKNOWN, dtype=object)
    for low, high in AGE_BANDS:
        names[((age >= low) & (age < (np.inf if high > 100 else high))).to_numpy()] = age_band_name(low, high)
    return _categories(names, [*(age_band_name(*band) for band in AGE_BANDS), UNKNOWN], age.index)


def _categories(names: np.ndarray, order: list[str], index: pd.Index) -> pd.Series:
    return pd.Series(pd.Categorical(names, categories=order, ordered=True), index=index)
