"""A figure shows what its CSV holds, and a CSV holds what its figure shows."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from dpmed_core.reporting.catalogue import CATALOGUE, draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.export import exported
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "reference-again": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0, "high-again": 8.0}
AT = {"recipe": "probe", "unit": "patient", "epsilon": 0.3, "attribute": "sex"}
DRAWN = {
    "mean-and-worst": ("y", ["auroc"]),
    "loss-map": ("z", ["difference"]),
    "privacy-utility": ("y", ["auroc"]),
    "cost": ("y", ["difference"]),
    "findings": ("y", ["auroc"]),
    "roc": ("y", ["sensitivity"]),
    "calibration": ("y", ["observed"]),
    "decision-curve": ("y", ["net_benefit", "treat_all"]),
    "fairness-forest": ("x", ["auroc"]),
    "verdict": ("x", ["excess"]),
    "parity": ("x", ["paper_parity_difference", "parity_difference"]),
    "gap": ("y", ["gap"]),
    "size-loss": ("y", ["difference"]),
    "verdict-map": ("z", ["difference"]),
}
"""For each figure: the axis of its values, and their columns."""


@pytest.fixture
def tables(make_scored):
    return evaluation_tables(make_scored(RUNS, n_patients=200, validation=True), ["sex"])


@pytest.mark.parametrize("finding", ["mass", "macro"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_figure_and_its_csv_hold_the_same_values(tables, images_cohort, name, finding):
    shown = Choice(finding=finding, **AT)
    axis, columns = DRAWN[name]
    figure = draw(name, tables, shown, images_cohort)
    table = pd.read_csv(BytesIO(exported(name, tables, images_cohort, shown, ".csv")))
    sign = -1 if name == "size-loss" else 1  # drawn as a loss
    stored = {round(sign * value, 9) for column in columns for value in table[column].dropna()}
    # The diagonal, the line of acting on nobody and that of chance show no measurement; their points have no tooltip.
    traces = [t for t in figure.data if t.hoverinfo != "skip" or t.name == "acting on every image" or t.opacity == 0.45]
    drawn = {round(float(value), 9) for trace in traces for value in trace[axis] if value is not None and not np.isnan(value)}
    assert stored and stored <= drawn
    # The thick ROC curve is the mean of those of the training runs, which the file holds.
    assert drawn <= stored or name == "roc"
    assert table["estimand"].notna().all()


def test_whole_numbers_stay_whole_where_a_part_lacks_them(tables, images_cohort):
    text = exported("privacy-utility", tables, images_cohort, Choice(finding="mass", **AT), ".csv").decode()
    table = pd.read_csv(BytesIO(text.encode()), dtype=str)
    assert set(table["seed"].dropna()) <= {str(n) for n in range(9)} and table["n_cases"].str.isdigit().all()


def test_a_budget_that_was_left_open_leaves_all_in_the_file(tables, images_cohort):
    opened, chosen = (
        pd.read_csv(BytesIO(exported("roc", tables, images_cohort, choice, ".csv"))) for choice in (Choice(), Choice(epsilon=8.0))
    )
    assert set(opened["epsilon"].dropna()) == {0.3, 8.0} and set(chosen["epsilon"].dropna()) == {8.0}
    assert chosen["epsilon"].isna().any()
