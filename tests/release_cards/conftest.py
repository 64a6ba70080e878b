"""The reviewed installation of the tests of reviews; cards ask the database for nothing that those do not test on both kinds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dpmed_core.release_cards.statements import QUESTIONS, Statements
from dpmed_core.review.frozen import CANDIDATE, run_ids
from dpmed_core.settings import Settings
from tests.review.conftest import cohort, copy, demo, here, review

__all__ = ["cohort", "copy", "demo", "here", "review"]


@pytest.fixture
def new_settings() -> Callable[[Path], Settings]:
    return lambda folder: Settings(data_dir=folder, demo=False)


@pytest.fixture
def run_id(review) -> str:
    """The first model of the review."""
    return run_ids(review.frozen, CANDIDATE)[0]


@pytest.fixture
def everything_said() -> Statements:
    return Statements({**{name: f"Answer to {name}." for name in QUESTIONS}, "curator_type": "Nonprofit", "licence": "cc-by-nc-4.0"})
