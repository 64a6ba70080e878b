"""The reviewed installation of the tests of reviews; a report asks the database for nothing that those do not test on both kinds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dpmed_core.settings import Settings
from tests.review.conftest import cohort, copy, demo, here, review

__all__ = ["cohort", "copy", "demo", "here", "review"]


@pytest.fixture
def new_settings() -> Callable[[Path], Settings]:
    return lambda folder: Settings(data_dir=folder, demo=False)
