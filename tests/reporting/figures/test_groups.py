"""Figures of subgroups: forest, gap, parity, size against loss."""

import numpy as np
import pytest

from dpmed_core.reporting.catalogue import draw
from dpmed_core.reporting.choice import Choice
from dpmed_core.reporting.figures.style import DARK, paper_column
from tests.scored import evaluation_tables

RUNS = {"reference": np.nan, "reference-again": np.nan, "low": 0.3, "low-again": 0.3, "high": 8.0}
CANVASES = [DARK, paper_column("single")]
NAMES = ("fairness-forest", "parity", "gap", "size-loss")


@pytest.fixture
def scored(make_scored):
    """Five runs; a fifth of the patients are the validation part; hardly anyone is of unknown sex."""
    table = make_scored(RUNS, n_patients=300)
    patient = table["patient_id"].str[1:].astype(int)
    return table.assign(split=np.where(patient % 5 == 0, "validation", "test"))


@pytest.fixture
def tables(scored):
    return evaluation_tables(scored, ["age"])


@pytest.fixture
def choice():
    return Choice(finding="mass", recipe="probe", unit="patient", epsilon=0.3, attribute="age")


@pytest.mark.parametrize("canvas", CANVASES, ids=["dark", "single"])
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_can_be_read_alone(tables, choice, cohort, words, name, canvas):
    text = words(draw(name, tables, choice, cohort, canvas))
    assert "Mass by age" in text and "Synthetic cohort images, version ffffff" in text
    assert "δ = 1e-05 for each patient (analytic-gaussian accountant)" in text


def test_the_forest_has_every_group_with_its_size_and_both_arms(tables, choice, cohort, points, words):
    figure = draw("fairness-forest", tables, choice, cohort)
    rows = choice.rows(tables.auroc.groups)
    rows = rows[rows["epsilon"].isna() | (rows["epsilon"] == 0.3)]
    assert len(rows) == 2 * 6
    drawn = {round(x, 9) for x, _ in points(figure)}
    assert {round(value, 9) for value in rows["auroc"]} <= drawn
    for row in rows.itertuples():
        assert f"{row.n_cases:,} images, {row.n_positive:,} positive, {row.n_patients:,} patients" in words(figure)
    assert "mean of 2 training runs" in words(figure)


def test_the_forest_of_a_paper_holds_the_numbers(tables, choice, cohort, words):
    text = words(draw("fairness-forest", tables, choice, cohort, paper_column("double")))
    row = choice.rows(tables.auroc.groups).query("epsilon == 0.3 and subgroup == '80+'").iloc[0]
    assert f"{row['auroc']:.3f} ({row['auroc_low']:.3f}–{row['auroc_high']:.3f})" in text


def test_a_group_that_is_too_small_stays_in_the_forest_with_its_reason(scored, choice, cohort, words):
    few = scored.assign(label=scored["label"].where(~scored["age"].between(60, 69), 0.0))
    figure = draw("fairness-forest", evaluation_tables(few, ["age"]), choice, cohort)
    assert "60–69 years" in words(figure) and "not estimable: only one class" in words(figure)
    assert "Not estimable: 60–69 years." in words(draw("size-loss", evaluation_tables(few, ["age"]), choice, cohort))


def test_both_parity_differences_are_drawn_and_labelled(tables, choice, cohort, points, words):
    figure = draw("parity", tables, choice, cohort)
    rows = choice.rows(tables.parity)
    rows = rows[rows["epsilon"].isna() | (rows["epsilon"] == 0.3)]
    drawn = {round(x, 9) for x, _ in points(figure)}
    for column in ("paper_parity_difference", "parity_difference"):
        assert {round(value, 9) for value in rows[column]} <= drawn
    assert "As in the paper" in words(figure) and "demographic parity" in words(figure) and "validation" in words(figure)


def test_the_gap_shows_every_training_run_and_is_marked_as_descriptive(tables, choice, cohort, points, words):
    figure = draw("gap", tables, choice, cohort)
    private = choice.rows(tables.auroc.gaps).dropna(subset=["epsilon"])
    assert {round(value, 9) for value in private["gap"]} <= {y for _, y in points(figure)}
    assert "Descriptive only" in words(figure)


def test_size_against_loss_draws_losses_upwards_and_states_pearsons_r(tables, choice, cohort, points, words):
    figure = draw("size-loss", tables, choice, cohort)
    costs = choice.rows(tables.auroc.costs).query("epsilon == 0.3 and attribute == 'age'")
    assert {(float(row.n_cases), round(-row.difference, 9)) for row in costs.itertuples()} <= points(figure)
    r = choice.rows(tables.auroc.size_loss).query("epsilon == 0.3").iloc[0]
    assert f"Pearson's r = {r['pearson_r']:+.2f}" in words(figure)


def test_pearsons_r_of_two_groups_is_not_estimable(scored, choice, cohort, words):
    by_sex = evaluation_tables(scored, ["sex"])
    text = words(draw("size-loss", by_sex, Choice("mass", "probe", "patient", 0.3, "sex"), cohort))
    assert "Pearson's r between size and loss is not estimable: fewer than 5 subgroups" in text
