"""Fixtures for tests of figures: all text of a figure, and a cohort to name in it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dpmed_core.cohort.schema import Cohort
from dpmed_core.imaging.modality import Modality


@pytest.fixture
def images_cohort() -> Cohort:
    """A synthetic cohort of radiographs that holds no case."""
    cases = pd.DataFrame({"case_id": [], "patient_id": []})
    return Cohort("images", Modality.RADIOGRAPH, True, ("mass", "nodule"), ("copd",), cases, np.zeros((0, 4, 4), np.uint8), "f" * 16)


@pytest.fixture
def words() -> Callable[[go.Figure], str]:
    """All text of a figure: title, facts, axes, legend, annotations, tick labels."""

    def read(figure: go.Figure) -> str:
        layout = figure.layout
        parts = [layout.title.text, layout.title.subtitle.text, *(trace.name for trace in figure.data)]
        parts += [annotation.text for annotation in layout.annotations]
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            parts += [axis.title.text, *(axis.ticktext or ())]
        return "\n".join(part for part in parts if part).replace("<br>", " ")

    return read
