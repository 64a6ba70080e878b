"""Reads a stored cohort's table of cases, of each file once."""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from dpmed_core.cohort.facts import CASES, CohortFacts, damaged


def read_cases(folder: Path, facts: CohortFacts) -> pd.DataFrame:
    """The table of the cases in `folder`; where `facts` name the file's digest it must have been checked, and the table is kept.

    Raises:
        CohortError: it cannot be read.
    """
    digest = facts.files.get(CASES)
    # Pages read it several times for each view. A copy that takes no memory: whoever changes it changes that one alone.
    return _read(folder) if digest is None else _read_once(folder, digest).copy(deep=False)


@lru_cache(maxsize=4)
def _read_once(folder: Path, digest: str) -> pd.DataFrame:
    del digest  # key of the cache
    return _read(folder)


def _read(folder: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(folder / CASES)
    except (OSError, ValueError, KeyError):
        raise damaged(folder, CASES, "is missing, damaged or no table") from None
