import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint, minimize
from scipy.stats import chi2

from dpmed_core.evaluation.statistics.correlation import pearson, pearson_interval
from tests.scored import cost_table, size_loss_table

SIZES = np.array([40.0, 200.0, 350.0, 420.0, 180.0])
FOUR_RUNS = {"r0": float("nan"), "r1": float("nan"), "p0": 1.0, "p1": 1.0}


def truth(rng, *, spread, r=None):
    """True losses of five groups with standard deviation `spread` and this r with the sizes."""
    r = rng.uniform(-1, 1) if r is None else r
    along = (SIZES - SIZES.mean()) / SIZES.std()
    across = rng.normal(size=5)
    across -= across.mean() + along * (across @ along) / 5
    return spread * (r * along + np.sqrt(1 - r**2) * across / across.std())


def test_pearson_is_numpys_over_the_groups_of_the_table(make_scored):
    scored = make_scored(FOUR_RUNS, n_patients=900)
    row = size_loss_table(scored, ["age"]).set_index("finding").loc["mass"]
    costs = cost_table(scored, ["age"])
    groups = costs[(costs["attribute"] == "age") & (costs["finding"] == "mass") & (costs["subgroup"] != "unknown")]
    assert row["pearson_r"] == pytest.approx(np.corrcoef(groups["n_cases"], -groups["difference"])[0, 1])
    assert row["n_groups"] == 5 and row["covers"] == "patients and trainings"
    assert pearson(np.array([1.0, 2, 3]), np.array([[2.0, 4, 6], [1, 1, 1]])) == pytest.approx([1, 0])


@pytest.mark.parametrize("seed", range(4))
def test_the_ends_are_those_of_a_general_optimiser(seed):
    """Largest and smallest r over the set of losses that are not rejected, by SciPy, with correlated errors."""
    rng = np.random.default_rng(seed)
    losses, root = truth(rng, spread=6.0), np.diag(np.sqrt(SIZES.mean() / SIZES)) @ (np.eye(5) + 0.2)
    covariance = root @ root.T
    low, high = pearson_interval(SIZES, losses, covariance)
    inverse = np.linalg.inv(covariance)
    inside = NonlinearConstraint(lambda at: (at - losses) @ inverse @ (at - losses), 0, chi2.ppf(0.95, 4))
    ends = []
    for sign in (1, -1):
        starts = losses + 0.5 * rng.normal(size=(6, 5)) @ root.T
        found = [minimize(lambda at, s=sign: s * pearson(SIZES, at[None])[0], at, constraints=[inside], method="SLSQP") for at in starts]
        ends.append(sign * min(one.fun for one in found if one.success))
    assert (low, high) == pytest.approx(tuple(ends), abs=2e-3)


@pytest.mark.parametrize("spread", [0.3, 2.0, 8.0])
@pytest.mark.parametrize("r", [None, 1.0])
def test_the_true_r_is_inside_in_95_percent_also_where_it_is_exactly_1(spread, r):
    """Errors of a smaller, of the same and of a larger size than the differences between groups; standard error of a coverage .015."""
    rng = np.random.default_rng([7, int(10 * spread), r is None])
    covered = []
    for _ in range(200):
        losses, errors = truth(rng, spread=spread, r=r), np.sqrt(SIZES.mean() / SIZES)
        low, high = pearson_interval(SIZES, losses + errors * rng.normal(size=5), np.diag(errors**2))
        covered.append(low - 1e-9 <= pearson(SIZES, losses[None])[0] <= high + 1e-9)
    assert np.mean(covered) >= 0.93


def test_with_much_data_the_interval_is_short_and_leaves_out_0():
    """What an interval for r of subgroups yet to be drawn could never do with five of them."""
    rng = np.random.default_rng(3)
    losses = truth(rng, spread=0.05, r=-0.9)
    low, high = pearson_interval(SIZES, losses, 0.002**2 * np.eye(5))
    assert -1 < low < -0.85 and high < -0.8


def test_equal_losses_that_cannot_be_excluded_leave_r_open_and_exact_ones_close_it():
    losses = np.array([0.01, 0.02, 0.015, 0.012, 0.018])
    assert pearson_interval(SIZES, losses, 0.01**2 * np.eye(5)) == (-1.0, 1.0)
    assert pearson_interval(SIZES, losses, np.zeros((5, 5))) == pytest.approx([pearson(SIZES, losses[None])[0]] * 2, abs=1e-4)
