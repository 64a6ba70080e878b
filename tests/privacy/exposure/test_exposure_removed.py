"""Exposure removed: paired over the same patients, limits for all groups together, small groups withheld and not to be worked out."""

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from dpmed_core.privacy.exposure.exposure_removed import EVERYBODY, all_removed, exposure_removed
from dpmed_core.privacy.exposure.group_exposure import FAMILY_ERROR


def sexes(n_women, n_men):
    women = np.arange(n_women + n_men) < n_women
    return {("sex", "female"): women, ("sex", "male"): ~women}


def arms(n, seed=0, *, shared=0.12):
    """AUCs of the same patients in two arms: what a patient is exposed without privacy shows at the budget too."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, shared, n)
    return 0.8 + own + rng.normal(0, 0.03, n), 0.55 + own + rng.normal(0, 0.03, n)


def test_one_group_is_the_paired_t_test():
    without, private = arms(40)
    (row,) = exposure_removed(without, private, {})
    theirs = ttest_rel(without, private)
    error = row.removed / theirs.statistic
    reach = t.ppf(1 - FAMILY_ERROR / 2, 39) * error
    assert (row.attribute, row.group, row.n_patients) == (*EVERYBODY, 40) and row.removed == pytest.approx((without - private).mean())
    assert (row.low, row.high) == pytest.approx((row.removed - reach, row.removed + reach), rel=0.02)


def test_pairing_takes_out_what_patients_have_in_common():
    narrow, wide = (exposure_removed(*arms(60, shared=s), sexes(30, 30))[1] for s in (0.0, 0.3))
    assert wide.high - wide.low == pytest.approx(narrow.high - narrow.low, rel=0.01)


def test_a_small_group_is_withheld_with_all_from_which_it_would_follow():
    without, private = arms(60)
    members = {("age", name): np.repeat([0, 1, 2], [9, 21, 30]) == k for k, name in enumerate(("0-29", "30-59", "60-69"))}
    rows = {(row.attribute, row.group): row for row in exposure_removed(without, private, members)}
    assert [row.removed is None for row in rows.values()] == [True, True, False, False]
    assert [row.n_patients for row in rows.values()] == [None, None, None, 30]
    changed = without.copy()
    changed[:9] = 0.0  # nothing that is shown depends on the nine
    again = {(row.attribute, row.group): row for row in exposure_removed(changed, private, members)}
    assert again == rows


def test_limits_hold_for_all_groups_together():
    missed, rng, n = 0, np.random.default_rng(5), 120
    for seed in range(200):
        without, private = arms(n, seed)
        members = sexes(60, 60) | {("finding", name): rng.random(n) < share for name, share in (("rare", 0.15), ("often", 0.4))}
        rows = exposure_removed(without, private, members)
        missed += any(not row.low <= 0.25 <= row.high for row in rows if row.low is not None)
    assert missed <= 16  # 3 % are six; one in ten thousand such simulations has more than sixteen


def test_a_budget_that_removes_nothing_is_not_said_to():
    without, _ = arms(60)
    rng = np.random.default_rng(1)
    assert not all_removed(exposure_removed(without, without + rng.normal(0, 0.03, 60), sexes(30, 30)))
    assert all_removed(exposure_removed(*arms(60), sexes(30, 30))) and not all_removed([])
