"""Fixtures for tests of cohorts: a store, and manifests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dpmed_core.cohort.store import CohortStore
from tests.conftest import KEY


@pytest.fixture
def store(tmp_path: Path) -> CohortStore:
    return CohortStore(tmp_path / "data" / "cohorts", KEY)


@pytest.fixture
def write_manifest() -> Callable[[Path, list[dict[str, object]]], Path]:
    """A function that writes rows as a CSV with every column that occurs in one of them."""

    def write(path: Path, rows: list[dict[str, object]]) -> Path:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
