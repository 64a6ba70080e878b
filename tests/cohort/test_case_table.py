"""The table of cases is read once for each file, and nobody's change of it reaches another reader."""

import pandas as pd
import pytest

from dpmed_core.cohort import case_table
from dpmed_core.errors import CohortError
from tests.cohort.test_store import stored

__all__ = ["stored"]


@pytest.fixture
def reads(monkeypatch):
    """The files that were read."""
    found, read = [], pd.read_parquet
    case_table._read_once.cache_clear()
    monkeypatch.setattr(case_table.pd, "read_parquet", lambda path: found.append(path) or read(path))
    return found


def test_a_file_is_read_once(store, stored, reads):
    assert store.load("images").cases.equals(store.load("images").cases)
    assert len(reads) == 1


def test_a_change_of_a_loaded_table_stays_with_whoever_made_it(store, stored):
    changed = store.load("images").cases
    changed.loc[0, "age"] = 99.0
    changed["mass"] = 0.0
    again = store.load("images").cases
    assert 99.0 not in again["age"].tolist() and again["mass"].tolist() == [0.0, 1.0]


def test_a_file_that_was_changed_is_refused_though_its_table_is_kept(store, stored):
    store.load("images")
    file = store.folder("images") / case_table.CASES
    pd.read_parquet(file).assign(mass=1.0).to_parquet(file)
    with pytest.raises(CohortError, match="was changed"):
        store.load("images")
