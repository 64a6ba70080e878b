"""Average precision against scikit-learn, and its standard error against leaving each patient out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from dpmed_core.cohort.groups import subgroups
from dpmed_core.evaluation.metrics.auprc import AUPRC, average_precision
from dpmed_core.evaluation.metrics.measured import measure
from dpmed_core.evaluation.scores.panel_design import PanelDesign
from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from tests.scored import evaluation_tables, panels_of

RUNS = {"reference": np.nan, "private": 1.0, "private-again": 1.0}


def test_every_subgroups_value_is_scikit_learns(make_scored):
    scored = make_scored(RUNS, n_patients=300)
    tables = evaluation_tables(scored, ["sex", "age", "sex*copd"]).of(AUPRC)
    every = pd.concat([tables.utility.assign(attribute="all", subgroup="all"), tables.subgroups])
    checked = 0
    for row in every[(every["finding"] != "macro") & (every["reason"] == "")].itertuples():
        images = scored[(scored["run_id"] == row.run_id) & (scored["finding"] == row.finding)].dropna(subset="label")
        if row.attribute != "all":
            images = images[subgroups(images, row.attribute) == row.subgroup]
        assert row.auprc == pytest.approx(average_precision_score(images["label"], images["score"]), abs=1e-12)
        assert 0 <= row.auprc_low < row.auprc < row.auprc_high <= 1
        checked += 1
    assert checked > 60


def test_the_mean_over_findings_is_their_mean(make_scored):
    utility = evaluation_tables(make_scored(RUNS)).of(AUPRC).utility
    means = utility[utility["finding"] != "macro"].groupby("run_id")["auprc"].mean()
    macro = utility[utility["finding"] == "macro"].set_index("run_id")["auprc"]
    assert macro.to_numpy() == pytest.approx(means[macro.index].to_numpy())


def test_the_standard_error_is_near_that_of_leaving_each_patient_out(make_scored):
    scored = make_scored({"one": 1.0}, n_patients=150, findings=("mass",))
    table = evaluation_tables(scored).of(AUPRC).utility.iloc[0]
    images = scored.dropna(subset="label")
    left_out = np.array(
        [
            average_precision_score(rest["label"], rest["score"])
            for rest in (images[images["patient_id"] != patient] for patient in images["patient_id"].unique())
        ]
    )
    n = len(left_out)
    jackknife = np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    assert table["standard_error"] == pytest.approx(jackknife, rel=0.05)


def test_the_derivative_is_that_of_weighing_an_image_a_little_more():
    rng = np.random.default_rng(0)
    positive = rng.random(40) < 0.4
    scores = np.sort(np.round(positive + rng.normal(size=40), 1))[::-1]
    weight, step = np.ones(40), 1e-6
    _, derivative = average_precision(scores, positive)
    for image in (0, 7, 20, 39):
        more, less = (weight + step * sign * (np.arange(40) == image) for sign in (1, -1))
        slope = np.subtract(*(average_precision_score(positive, scores, sample_weight=w) for w in (more, less))) / (2 * step)
        assert derivative[image] == pytest.approx(slope, abs=1e-7)


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """400 cohorts of 120 patients with one image each: 95 % intervals hold the average precision of the whole population."""
    rng = np.random.default_rng(1)
    n_population = 400_000
    positive = rng.random(n_population) < 0.3
    truth = average_precision_score(positive, positive + rng.normal(size=n_population))
    held, n_cohorts = 0, 400
    for number in range(n_cohorts):
        rng = np.random.default_rng([2, number])
        labels = (rng.random(120) < 0.3).astype(float)
        names = [f"p{i}" for i in range(120)]
        facts = {"run_id": "one", "recipe": "probe", "epsilon": 1.0, "epsilon_spent": 1.0, "delta": 1e-5, "unit": "patient"}
        who = {
            "case_id": names,
            "patient_id": names,
            "split": "test",
            "finding": "mass",
            "label": labels,
            "score": labels + rng.normal(size=120),
        }
        (panel,) = panels_of(pd.DataFrame({**who}).assign(**facts, accountant="prv", seed=0, age=50.0, sex="female"))
        low, high = measure(AUPRC, PanelDesign(panel)).intervals(0)
        held += bool(low[0, 0] <= truth <= high[0, 0])
    assert held / n_cohorts > 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_cohorts)


def test_its_figures_name_it_and_its_chance_level_is_each_groups_prevalence(make_scored, images_cohort, words):
    tables = evaluation_tables(make_scored(RUNS, n_patients=300), ["sex"])
    choice = Choice(finding="mass", epsilon=1.0, attribute="sex", metric="auprc")
    forest = draw("fairness-forest", tables, choice, images_cohort)
    assert "AUPRC with and without privacy" in words(forest) and "AUROC" not in words(forest)
    chance = next(trace for trace in forest.data if trace.name and trace.name.startswith("chance"))
    rows = choice.rows(tables.of(AUPRC).groups).query("epsilon == 1").drop_duplicates("subgroup")
    assert {x for x in chance.x if x is not None} == {row.n_positive / row.n_cases for row in rows.itertuples()}
    for name in ("privacy-utility", "findings", "cost", "gap"):
        assert "AUROC" not in words(draw(name, tables, choice, images_cohort))
