"""What holds for each entry of the figure catalogue, and what a figure refuses."""

import numpy as np
import pytest

from dpmed_core.errors import ExportError
from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.metrics.catalogue import METRICS
from dpmed_core.reporting.catalogue import CATALOGUE, Page, draw, figures_of
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.cost import cost_figure
from dpmed_core.reporting.figures.forest import forest_figure
from dpmed_core.reporting.figures.gap import gap_figure
from dpmed_core.reporting.figures.parity import parity_figure
from dpmed_core.reporting.figures.privacy_utility import privacy_utility_figure
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "private": 1.0}
AT_A_BUDGET = {"finding": "macro", "attribute": "sex", "epsilon": 1.0}


@pytest.fixture
def tables(make_scored):
    return evaluation_tables(make_scored(RUNS, n_patients=200, validation=True), ["sex"])


def test_every_figure_has_its_place_on_one_page():
    beside_the_verdict = [name for name, entry in CATALOGUE.items() if entry.of_plan]
    assert sorted([*(name for page in Page for name in figures_of(page)), *beside_the_verdict]) == sorted(CATALOGUE)
    assert all(figures_of(page) for page in Page)


def test_an_empty_figure_is_refused_and_never_drawn(tables, images_cohort):
    of = tables.auroc
    with pytest.raises(ExportError, match="No finished run has AUROC for Mean over findings"):
        forest_figure(of.groups.iloc[:0], images_cohort, metric=AUROC, **AT_A_BUDGET)
    with pytest.raises(ExportError, match="No finished run has"):
        gap_figure(of.gaps.iloc[:0], images_cohort, metric=AUROC, **AT_A_BUDGET)
    with pytest.raises(ExportError, match="No finished run has"):
        parity_figure(tables.parity.iloc[:0], images_cohort, **AT_A_BUDGET)
    with pytest.raises(ExportError, match="No finished run has"):
        privacy_utility_figure(of.utility.iloc[:0], of.overall, images_cohort, metric=AUROC, finding="macro")
    with pytest.raises(ExportError, match="No private model has a non-private reference"):
        cost_figure(of.costs.iloc[:0], images_cohort, metric=AUROC, finding="macro")


@pytest.mark.parametrize("name", ["auprc", "sensitivity", "brier"])
def test_rows_of_another_metric_are_refused(tables, images_cohort, name):
    with pytest.raises(ExportError, match=rf"another figure or metric.*{name}"):
        forest_figure(tables.auroc.groups, images_cohort, metric=METRICS[name], **AT_A_BUDGET)


def test_no_guarantee_is_stated_where_no_private_run_is(tables, images_cohort):
    with pytest.raises(ExportError, match="No private run at ε = 1"):
        forest_figure(tables.auroc.groups.query("epsilon.isna()"), images_cohort, metric=AUROC, **AT_A_BUDGET)


@pytest.mark.parametrize("finding", ["mass", "macro"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_where_nothing_is_estimable_there_is_no_scale_but_a_reason(make_scored, images_cohort, words, name, finding):
    scored = make_scored(RUNS, n_patients=60, validation=True)
    few = scored.assign(label=scored["label"].where(scored["finding"] != "mass", 0.0))
    nothing = evaluation_tables(few.assign(label=0.0) if finding == "macro" else few, ["sex"])
    try:
        figure = draw(name, nothing, Choice(finding=finding, attribute="sex", epsilon=1.0), images_cohort)
    except ExportError as refused:
        assert "not estimable" in str(refused) or "No finished run has" in str(refused)
        return
    is_drawn = [trace for trace in figure.data if len(trace.x) and not np.isnan(np.asarray(trace.x, dtype=float)).all()]
    of_all_findings = name in ("findings", "mean-and-worst", "loss-map")
    if not of_all_findings or finding == "macro":  # the other finding is drawn
        assert is_drawn == [] or name == "parity"  # of which one difference is estimable without positives
    if not is_drawn:
        assert "estimable" in words(figure)
        assert all(axis.visible is False or axis.showgrid is False for axis in figure.select_xaxes()) and not figure.layout.shapes


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("metric", ["auprc", "sensitivity", "brier", "calibration_slope"])
def test_every_figure_is_drawn_for_metrics_of_every_scale(tables, images_cohort, words, name, metric):
    figure = draw(name, tables, Choice(metric=metric, attribute="sex", epsilon=1.0), images_cohort)
    drawn_of_metric = any(word in CATALOGUE[name].title for word in ("{metric}", "Cost", "Gap", "Size"))
    assert figure.data and (METRICS[metric].title in words(figure)) >= drawn_of_metric
