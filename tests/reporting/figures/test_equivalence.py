"""The verdict as a picture: its bounds are those of the table, and it says how many comparisons they hold for."""

import numpy as np
import pytest

from dpmed_core.errors import ExportError
from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.equivalence import NAMES
from tests.scored import evaluation_tables

RUNS = {"reference0": np.nan, "reference1": np.nan, "private0": 1.0, "private1": 1.0}


def test_the_points_and_bounds_are_those_of_the_verdicts(make_scored, cohort, words):
    tables = evaluation_tables(make_scored(RUNS, n_patients=400), ["sex"])
    figure = draw("verdict", tables, Choice(finding="mass", epsilon=1.0, attribute="sex"), cohort)
    rows = tables.verdicts[(tables.verdicts["finding"] == "mass") & tables.verdicts["excess"].notna()]
    drawn = [(x, x - low, x + high) for t in figure.data for x, low, high in zip(t.x, t.error_x.arrayminus, t.error_x.array, strict=True)]
    expected = rows[["excess", "excess_low", "excess_high"]].sort_values("excess").to_numpy(dtype=float)
    np.testing.assert_allclose(np.array(sorted(drawn)), expected, atol=1e-12)
    assert f"Bounds hold for {rows['n_comparisons'].max():.0f} comparisons at once" in words(figure)
    assert {trace.name for trace in figure.data} <= set(NAMES.values())


def test_over_all_findings_each_has_its_row_and_what_cannot_be_judged_says_why(make_scored, cohort, words):
    scored = make_scored(RUNS, n_patients=400)
    scored.loc[(scored["sex"] == "male") & (scored["finding"] == "nodule"), "label"] = 0.0
    figure = draw("verdict", evaluation_tables(scored, ["sex"]), Choice(epsilon=1.0, attribute="sex"), cohort)
    labels = " ".join(figure.layout.yaxis.ticktext)
    assert "Female</b>, Mass" in labels and "Male</b>, Nodule" in labels and "not estimable: only one class" in words(figure)


def test_groups_that_were_not_judged_are_refused(make_scored, cohort):
    tables = evaluation_tables(make_scored(RUNS, n_patients=200), ["sex"])
    with pytest.raises(ExportError, match="no verdict on groups by age"):
        draw("verdict", tables, Choice(epsilon=1.0, attribute="age"), cohort)
