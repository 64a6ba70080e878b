"""What the tests of figures share: a cohort to name, and how to read a figure."""

from collections.abc import Callable

import plotly.graph_objects as go
import pytest

from dpmed_core.cohort.schema import Cohort


@pytest.fixture
def cohort(images_cohort: Cohort) -> Cohort:
    return images_cohort


@pytest.fixture
def points() -> Callable[[go.Figure], set[tuple[float, float]]]:
    """Every point that a figure draws, the second coordinate to nine digits."""

    def read(figure: go.Figure) -> set[tuple[float, float]]:
        traces = [trace for trace in figure.data if trace.x is not None]
        return {(float(x), round(float(y), 9)) for trace in traces for x, y in zip(trace.x, trace.y, strict=True)}

    return read
