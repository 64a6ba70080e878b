"""What the tests of figures share: a cohort to name, and how to read a figure."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality


@pytest.fixture
def cohort() -> Cohort:
    cases = pd.DataFrame({"case_id": [], "patient_id": []})
    return Cohort("images", Modality.RADIOGRAPH, True, ("mass", "nodule"), ("copd",), cases, np.zeros((0, 4, 4), np.uint8), "f" * 16)


@pytest.fixture
def points() -> Callable[[go.Figure], set[tuple[float, float]]]:
    """Every point that a figure draws, the second coordinate to nine digits."""

    def read(figure: go.Figure) -> set[tuple[float, float]]:
        traces = [trace for trace in figure.data if trace.x is not None]
        return {(float(x), round(float(y), 9)) for trace in traces for x, y in zip(trace.x, trace.y, strict=True)}

    return read


@pytest.fixture
def words() -> Callable[[go.Figure], str]:
    """All text of a figure: title, facts, axes, legend, annotations, tick labels."""

    def read(figure: go.Figure) -> str:
        layout = figure.layout
        said = [layout.title.text, layout.title.subtitle.text, *(trace.name for trace in figure.data)]
        said += [annotation.text for annotation in layout.annotations]
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            said += [axis.title.text, *(axis.ticktext or ())]
        return "\n".join(part for part in said if part).replace("<br>", " ")

    return read
