"""The bootstrap over patients as a check of the intervals."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dpmed_core.errors import SpecError
from dpmed_core.evaluation.tables.bootstrap import drawn_aurocs, weighted_auroc
from tests.scored import evaluation_tables


@pytest.mark.parametrize("decimals", [0, 6])
def test_a_weighted_auroc_is_scikit_learns(decimals):
    rng = np.random.default_rng(decimals)
    positive, weights = rng.random(200) < 0.3, rng.integers(0, 4, (5, 200)).astype(float)
    scores = np.round(positive + rng.normal(size=200), decimals)
    expected = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    assert weighted_auroc(scores, positive, weights) == pytest.approx(expected)


def test_draws_are_of_whole_patients_and_alike_for_all_runs(make_scored):
    """By loops: the same patients, drawn by the same generator, with all their images."""
    tables = evaluation_tables(make_scored({"r0": np.nan, "p0": 1.0}, n_patients=80), ["sex"])
    design = tables._designs[0]
    values, panel = drawn_aurocs(design, 100), design.panel
    counts = np.random.default_rng(0).multinomial(80, np.full(80, 1 / 80), size=100)
    women = np.flatnonzero((panel.cases["sex"] == "female").to_numpy() & ~np.isnan(panel.labels[0]))
    group = [name for _, name in design.grouping.groups].index("female")
    for draw in (0, 57):
        rows = np.concatenate([women[panel.patients[women] == p] for p in range(80) for _ in range(counts[draw, p])])
        for run in (0, 1):
            assert values[draw, run, 0, group] == pytest.approx(roc_auc_score(panel.labels[0, rows], panel.scores[run, 0, rows]))
    assert values[:, :, 2, 0] == pytest.approx(values[:, :, :2, 0].mean(axis=2))


def test_in_a_large_cohort_it_agrees_with_the_intervals_of_one_run(make_scored):
    tables = evaluation_tables(make_scored({"r0": np.nan, "p0": 1.0}, n_patients=600), ["sex"])
    checked = tables.bootstrap(400)
    means, costs = checked["means"], checked["costs"].dropna(subset="difference")
    assert len(means) == len(tables.auroc.means) and len(checked["costs"]) == len(tables.auroc.costs)
    for table, low, high in ((means, "auroc_low", "auroc_high"), (costs, "difference_low", "difference_high")):
        large = table[table["n_patients"] > 150]
        width, other = large[high] - large[low], large["bootstrap_high"] - large["bootstrap_low"]
        assert len(large) > 8 and (other / width).between(0.85, 1.15).all()
        assert (large["bootstrap_low"] - large[low]).abs().max() < 0.15 * width.max()


def test_what_is_not_estimable_has_no_bootstrap_either(make_scored):
    scored = make_scored({"r0": np.nan, "p0": 1.0}, n_patients=60)
    scored.loc[scored["sex"] == "male", "label"] = 0.0
    costs = evaluation_tables(scored, ["sex"]).bootstrap(100)["costs"]
    assert (costs["difference"].isna() == costs["bootstrap_low"].isna()).all() and costs["difference"].isna().any()


@pytest.mark.parametrize("n_draws", [0, 99, 10_001])
def test_too_few_or_too_many_draws_are_refused(make_scored, n_draws):
    with pytest.raises(SpecError, match="100 to 10,000"):
        evaluation_tables(make_scored({"p0": 1.0})).bootstrap(n_draws)
