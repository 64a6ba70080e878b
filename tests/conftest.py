"""What several test folders share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_cohorts() -> Path:
    """The folder of real cohorts, or a skip that says how to name it."""
    named = os.environ.get("DPMED_REAL_COHORTS")
    if not named or not Path(named).is_dir():
        pytest.skip("DPMED_REAL_COHORTS does not name the folder of real cohorts")
    return Path(named)
