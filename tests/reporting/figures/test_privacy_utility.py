import numpy as np
import pytest

from dpmed_core.evaluation.metrics.auroc import AUROC
from dpmed_core.evaluation.scores.findings import MACRO
from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.privacy_utility import privacy_utility_figure
from dpmed_core.reporting.figures.style import DARK, LIGHT, paper_column
from tests.scored import evaluation_tables, utility_means, utility_table

RUNS = {"reference": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0}


@pytest.fixture
def utility(make_scored):
    return utility_table(make_scored(RUNS))


def test_every_mean_is_drawn_with_every_training_run_beside_it(utility, cohort, points):
    means = utility_means(utility)
    drawn = points(privacy_utility_figure(utility, means, cohort, metric=AUROC, finding=MACRO))
    of_macro = means[(means["finding"] == MACRO) & means["epsilon"].notna()]
    assert len(of_macro) == 2 and {(row.epsilon, round(row.auroc, 9)) for row in of_macro.itertuples()} <= drawn
    for run in utility[(utility["finding"] == MACRO) & utility["epsilon"].notna()].itertuples():
        assert any(abs(x / run.epsilon - 1) < 0.15 and y == round(run.auroc, 9) for x, y in drawn)


@pytest.mark.parametrize("canvas", [LIGHT, DARK, paper_column("single"), paper_column("double")])
def test_the_figure_says_what_epsilon_means_and_who_was_scored(utility, cohort, words, canvas):
    figure = privacy_utility_figure(utility, utility_means(utility), cohort, metric=AUROC, finding=MACRO, canvas=canvas)
    assert figure.layout.xaxis.type == "log"
    text = words(figure)
    for needed in ("δ = 1e-05", "each patient", "analytic-gaussian", "Synthetic cohort images, version ffffff", "AUROC"):
        assert needed in text
    assert f"{utility['n_patients'].iloc[0]} patients" in text


def test_small_multiples_have_a_panel_for_every_finding_with_its_positives(make_scored, cohort, points, words):
    tables = evaluation_tables(make_scored(RUNS))
    means = tables.auroc.overall
    figure = draw("findings", tables, Choice(epsilon=0.3), cohort)
    of_findings = means[(means["finding"] != MACRO) & means["epsilon"].notna()]
    assert {(row.epsilon, round(row.auroc, 9)) for row in of_findings.itertuples()} <= points(figure)
    for row in of_findings.itertuples():
        assert f"{row.finding.capitalize()} <span" in words(figure)
        assert f"{row.n_positive} positive of {row.n_cases} images" in words(figure)
    assert "each patient (analytic-gaussian accountant)" in words(figure)


def test_a_finding_that_is_not_estimable_keeps_its_panel_with_the_reason(make_scored, cohort, words):
    scored = make_scored(RUNS)
    tables = evaluation_tables(scored.assign(label=scored["label"].where(scored["finding"] != "nodule", 0.0)))
    text = words(draw("findings", tables, Choice(), cohort))
    assert "Nodule" in text and "not estimable: only one class" in text
