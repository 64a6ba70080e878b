"""Which subgroup a case belongs to: by sex, by age, by a co-morbidity, or by two of them together.

An attribute is written

    sex                    as recorded
    age                    the paper's bands of `AGE_BANDS`
    age:quartiles          four bands of about equally many of the cases at hand
    age:40/65              own cuts, in years
    copd                   a co-morbidity's column (1, 0, blank)
    sex*age                an intersection; any two of the above

Unknown is a subgroup of its own, named "unknown" and last.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from dpmed_core.cohort.schema import AGE_BANDS
from dpmed_core.errors import CohortError
from dpmed_core.imaging.modality import Sex

UNKNOWN = "unknown"
ATTRIBUTES = ("sex", "age")
COMORBIDITY_SUBGROUPS = ("without", "with", UNKNOWN)
TOGETHER, BESIDE = "*", ", "
"""Between the attributes of an intersection, and between the parts of its subgroups' names."""
OLDEST = 100


def age_band_name(low: float, high: float) -> str:
    """A half-open band [low, high) in whole years as people write it, e.g. "60-69"; the first may be "under 40", the last one is open."""
    if high > OLDEST:
        return f"{low:g}+"
    return f"under {high:g}" if low == -np.inf else f"{low:g}-{high - 1:g}"


def subgroups(cases: pd.DataFrame, attribute: str) -> pd.Series:
    """The subgroup of each case, an ordered categorical with "unknown" last.

    Args:
        cases: a table with the columns of `attribute`.
        attribute: as in the head of this module.

    Raises:
        CohortError: the table has no such attribute, or it is written wrongly.
    """
    if TOGETHER in attribute:
        return _intersection(cases, attribute)
    column, _, bands = attribute.partition(":")
    if column not in cases.columns or (bands and column != "age"):
        raise CohortError(f"There is no attribute {attribute!r} to group by: use sex, age or one of the cohort's co-morbidities.")
    if column == "sex":
        return _categories(cases["sex"].to_numpy(dtype=object), [s.value for s in Sex], cases.index)
    if column == "age":
        return _age_bands(cases["age"], _bands(cases["age"], bands))
    values = cases[column].to_numpy(dtype=float)
    names = np.where(np.isnan(values), UNKNOWN, np.where(values == 1, "with", "without")).astype(object)
    return _categories(names, list(COMORBIDITY_SUBGROUPS), cases.index)


def _bands(age: pd.Series, asked: str) -> Sequence[tuple[float, float]]:
    if not asked:
        return AGE_BANDS
    cuts = _quartiles(age) if asked == "quartiles" else _own_cuts(asked)
    return list(pairwise([-np.inf, *cuts, np.inf]))


def _quartiles(age: pd.Series) -> list[float]:
    """The three quartiles in whole years, each once; a band holds ages from its cut on."""
    known = age.dropna()
    return sorted({float(np.ceil(cut)) for cut in np.quantile(known, [0.25, 0.5, 0.75])}) if len(known) else []


def _own_cuts(asked: str) -> list[float]:
    try:
        cuts = [float(part) for part in asked.split("/")]
    except ValueError:
        cuts = []
    if not cuts or cuts != sorted(set(cuts)) or not all(0 < cut <= OLDEST for cut in cuts):
        raise CohortError(f"Age cannot be cut at {asked!r}: write rising years as age:40/65, or age:quartiles.")
    return cuts


def _age_bands(age: pd.Series, bands: Sequence[tuple[float, float]]) -> pd.Series:
    names = np.full(len(age), UNKNOWN, dtype=object)
    for low, high in bands:
        names[((age >= low) & (age < (np.inf if high > OLDEST else high))).to_numpy()] = age_band_name(low, high)
    return _categories(names, [*(age_band_name(*band) for band in bands), UNKNOWN], age.index)


def _intersection(cases: pd.DataFrame, attribute: str) -> pd.Series:
    parts = attribute.split(TOGETHER)
    if len(parts) != 2 or parts[0] == parts[1]:
        raise CohortError(f"{attribute!r} cannot be grouped by: name two different attributes, as in sex*age.")
    first, second = (subgroups(cases, part.strip()) for part in parts)
    unknown = (first == UNKNOWN) | (second == UNKNOWN)
    names = np.where(unknown, UNKNOWN, first.astype(str) + BESIDE + second.astype(str)).astype(object)
    order = [f"{a}{BESIDE}{b}" for a in first.cat.categories if a != UNKNOWN for b in second.cat.categories if b != UNKNOWN]
    return _categories(names, [*order, UNKNOWN], cases.index)


def _categories(names: np.ndarray, order: list[str], index: pd.Index) -> pd.Series:
    return pd.Series(pd.Categorical(names, categories=order, ordered=True), index=index)
