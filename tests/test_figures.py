import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dpmed_core.cohort.schema import Cohort, Modality
from dpmed_core.evaluation.utility import MACRO, utility_means, utility_table
from dpmed_core.export import figure_html, table_csv
from dpmed_core.figures import privacy_utility_figure

RUNS = {"twin": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0}


@pytest.fixture
def cohort():
    cases = pd.DataFrame({"case_id": [], "patient_id": []})
    return Cohort("films", Modality.RADIOGRAPH, True, ("mass", "nodule"), ("copd",), cases, np.zeros((0, 4, 4), np.uint8), "f" * 16)


@pytest.fixture
def utility(make_scored):
    return utility_table(make_scored(RUNS))


def points(figure: go.Figure) -> set[tuple[float, float]]:
    return {
        (float(x), round(float(y), 9)) for trace in figure.data if trace.x is not None for x, y in zip(trace.x, trace.y, strict=False) if y
    }


def test_every_mean_is_drawn_where_it_belongs_and_every_training_beside_it(utility, cohort):
    means = utility_means(utility)
    drawn = points(privacy_utility_figure(utility, means, cohort, finding=MACRO))
    of_macro = means[(means["finding"] == MACRO) & means["epsilon"].notna()]
    assert len(of_macro) == 2 and {(row.epsilon, round(row.auroc, 9)) for row in of_macro.itertuples()} <= drawn
    for training in utility[(utility["finding"] == MACRO) & utility["epsilon"].notna()].itertuples():
        assert any(abs(x / training.epsilon - 1) < 0.15 and y == round(training.auroc, 9) for x, y in drawn)


def test_the_figure_says_what_epsilon_means_and_who_was_scored(utility, cohort):
    figure = privacy_utility_figure(utility, utility_means(utility), cohort, finding=MACRO)
    assert figure.layout.xaxis.type == "log"
    text = str(figure.to_dict())
    for needed in ("δ", "patient", "analytic-gaussian", "ynthetic", "AUROC", f"{utility['n_patients'].iloc[0]} patients"):
        assert needed in text


def test_exports_need_no_network_and_lose_no_row(utility, cohort):
    page = figure_html(privacy_utility_figure(utility, utility_means(utility), cohort, finding="mass")).decode()
    assert "<script src=" not in page and "Plotly" in page
    assert len(table_csv(utility).decode().strip().splitlines()) == len(utility) + 1
