"""The cost of privacy over repeated random splits: the corrected t interval, and that splits are never mixed."""

import numpy as np
import pytest
from scipy.stats import t

from dpmed_core.evaluation.scores.load_scores import Scores
from dpmed_core.evaluation.statistics.resampled import corrected_resampled
from dpmed_core.evaluation.tables.over_splits import TEST_TO_TRAIN, over_splits
from tests.scored import cost_table, panels_of

RUNS = {"reference": np.nan, "low": 0.3, "low-again": 0.3}


@pytest.fixture
def by_split(make_scored):
    """Scores of three runs on each of four splits; a split has images of its own."""
    return {seed: make_scored(RUNS, n_patients=100 + 10 * seed) for seed in range(4)}


def test_the_difference_is_the_mean_over_splits_with_nadeau_and_bengios_interval(by_split):
    table = over_splits(lambda seed: Scores(tuple(panels_of(by_split[seed])), (), (), ()), range(4), margin=0.02)
    for row in table.to_dict("records"):
        costs = [cost_table(scored) for scored in by_split.values()]
        each = np.array([float(c.loc[(c["finding"] == row["finding"]) & (c["attribute"] == "all"), "difference"].iloc[0]) for c in costs])
        reach = t.ppf(0.975, 3) * np.sqrt((1 / 4 + 2 / 7) * each.var(ddof=1))
        assert row["difference"] == pytest.approx(each.mean(), abs=1e-12) and row["n_splits"] == 4
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((each.mean() - reach, each.mean() + reach))
    assert set(table["finding"]) == {"mass", "nodule"} and set(table["epsilon"]) == {0.3}


def test_one_split_has_no_row_and_two_have_no_interval(by_split):
    def read(seed):
        return Scores(tuple(panels_of(by_split[seed])), (), (), ())

    assert over_splits(read, [0], margin=0.02).empty
    two = over_splits(read, [0, 1], margin=0.02)
    assert len(two) and two["difference"].isna().all() and (two["reason"] == "estimable in fewer than 3 splits").all()


@pytest.mark.parametrize("n_patients", [60, 300])
def test_the_interval_covers_the_true_difference_although_splits_share_patients(n_patients):
    """Each patient adds a difference of its own; a split shows the mean of its test patients, with chance in training on top."""
    rng, covered, naive = np.random.default_rng(n_patients), 0, 0
    for _ in range(1000):
        own = rng.normal(0.03, 0.2, n_patients)
        shown = np.array([rng.permutation(own)[: n_patients // 5].mean() + rng.normal(0, 0.01) for _ in range(10)])
        found = corrected_resampled(shown, test_to_train=TEST_TO_TRAIN)
        covered += found.low <= 0.03 <= found.high
        reach = t.ppf(0.975, 9) * shown.std(ddof=1) / np.sqrt(10)
        naive += abs(shown.mean() - 0.03) <= reach
    assert covered >= 930 and naive < 900
