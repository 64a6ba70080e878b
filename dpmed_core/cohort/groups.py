"""The subgroup of each case: by sex, by age, by a co-morbidity, or by two of them together.

An attribute is written

    sex                    as recorded
    age                    the published bands `AGE_BANDS`
    age:quartiles          four bands with about equally many of the given cases
    age:40/65              chosen cuts, in years
    copd                   a co-morbidity's column (1, 0, blank)
    sex*age                an intersection of any two of the above

A column whose own name has `:` or `*` in it is meant where the whole name is written.

Cases with an unknown value form a subgroup of their own, named "unknown" and last.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import AGE_BANDS, CASE_COLUMNS, STUDY_ORDER
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Sex

UNKNOWN = "unknown"
ATTRIBUTES = ("sex", "age")
COMORBIDITY_SUBGROUPS = ("without", "with", UNKNOWN)
TOGETHER, BESIDE = "*", ", "
"""Between the attributes of an intersection, and between the parts of its subgroups' names."""
OLDEST = 100
"""The band that reaches beyond this age is open: it has no upper end in its name, and takes in all higher ages."""


def age_band_name(low: float, high: float) -> str:
    """The name of the half-open age band [low, high), in whole years.

    >>> age_band_name(60, 70), age_band_name(80, 101), age_band_name(-np.inf, 40)
    ('60-69', '80+', 'under 40')
    """
    if high > OLDEST:
        return f"{low:g}+"
    return f"under {high:g}" if low == -np.inf else f"{low:g}-{high - 1:g}"


def subgroups(cases: pd.DataFrame, attribute: str) -> pd.Series:
    """The subgroup of each case, an ordered categorical with "unknown" last.

    Args:
        cases: a table with the columns of `attribute`.
        attribute: in the notation of this module's docstring.

    Raises:
        CohortError: the table has no such attribute, or the notation is wrong.
    """
    if TOGETHER in attribute and not _is_column(cases, attribute):
        return _intersection(cases, attribute)
    column, _, bands = (attribute, "", "") if _is_column(cases, attribute) else attribute.partition(":")
    if not _is_column(cases, column) or (bands and column != "age"):
        raise CohortError(f"The cohort has no attribute {attribute!r} to group by: use sex, age or one of its co-morbidities.")
    if column == "sex":
        return _categories(cases["sex"].to_numpy(dtype=object), [s.value for s in Sex], cases.index)
    if column == "age":
        return _age_bands(cases["age"], _bands(cases["age"], bands))
    values = cases[column].to_numpy(dtype=float)
    names = np.where(np.isnan(values), UNKNOWN, np.where(values == 1, "with", "without")).astype(object)
    return _categories(names, list(COMORBIDITY_SUBGROUPS), cases.index)


def _is_column(cases: pd.DataFrame, name: str) -> bool:
    """Whether `name` is a column by which cases can be grouped."""
    return name in cases.columns and (name in ATTRIBUTES or name not in (*CASE_COLUMNS, STUDY_ORDER))


def _bands(age: pd.Series, cuts: str) -> Sequence[tuple[float, float]]:
    """The age bands [low, high) that `cuts`, the part of an attribute after its colon, describes."""
    if not cuts:
        return AGE_BANDS
    years = _quartiles(age) if cuts == "quartiles" else _parsed_cuts(cuts)
    return list(pairwise([-np.inf, *years, np.inf]))


def _quartiles(age: pd.Series) -> list[float]:
    """The quartiles of the known ages, rounded up to whole years; equal ones are merged."""
    known = age.dropna()
    return sorted({float(np.ceil(cut)) for cut in np.quantile(known, [0.25, 0.5, 0.75])}) if len(known) else []


def _parsed_cuts(cuts: str) -> list[float]:
    """The cuts in years of e.g. "40/65".

    Raises:
        CohortError: they are not increasing numbers from above 0 to `OLDEST`.
    """
    try:
        years = [float(part) for part in cuts.split("/")]
    except ValueError:
        years = []
    if not years or years != sorted(set(years)) or not all(0 < cut <= OLDEST for cut in years):
        raise CohortError(f"Age cannot be cut at {cuts!r}: write increasing years from 1 to {OLDEST} as in age:40/65, or age:quartiles.")
    return years


def _age_bands(age: pd.Series, bands: Sequence[tuple[float, float]]) -> pd.Series:
    names = np.full(len(age), UNKNOWN, dtype=object)
    for low, high in bands:
        # A band up to 100 or more is open: it also takes in ages above its upper end.
        names[((age >= low) & (age < (np.inf if high > OLDEST else high))).to_numpy()] = age_band_name(low, high)
    return _categories(names, [*(age_band_name(*band) for band in bands), UNKNOWN], age.index)


def _intersection(cases: pd.DataFrame, attribute: str) -> pd.Series:
    """The subgroups of two attributes together; a case unknown in one of them is unknown."""
    parts = _two_attributes(cases, [part.strip() for part in attribute.split(TOGETHER)])
    if len(parts) != 2 or parts[0] == parts[1]:
        raise CohortError(f"Cases cannot be grouped by {attribute!r}: name two different attributes, as in sex*age.")
    first, second = (subgroups(cases, part) for part in parts)
    # "female, unknown" would be a subgroup of its own for every value of the other attribute.
    unknown = (first == UNKNOWN) | (second == UNKNOWN)
    names = np.where(unknown, UNKNOWN, first.astype(str) + BESIDE + second.astype(str)).astype(object)
    order = [f"{a}{BESIDE}{b}" for a in first.cat.categories if a != UNKNOWN for b in second.cat.categories if b != UNKNOWN]
    return _categories(names, [*order, UNKNOWN], cases.index)


def _two_attributes(cases: pd.DataFrame, parts: list[str]) -> list[str]:
    """`parts` of an intersection, put together where a column's own name was taken apart."""
    for place in range(1, len(parts)) if len(parts) > 2 else ():
        two = [TOGETHER.join(parts[:place]), TOGETHER.join(parts[place:])]
        if all(_is_column(cases, one) or one.startswith("age:") for one in two):
            return two
    return parts


def _categories(names: np.ndarray, order: list[str], index: pd.Index) -> pd.Series:
    return pd.Series(pd.Categorical(names, categories=order, ordered=True), index=index)
