"""The plan of the sessions: what every reader reads, how arms cross, and that it is the same on every machine."""

from collections import Counter
from itertools import pairwise, permutations

import pandas as pd
import pytest

from dpmed_core.errors import DpmedError
from dpmed_core.reader_study.multi_reader.crossing import PLAN_COLUMNS, WASH_OUT_DAYS, arm_orders, crossing_plan

ARMS = ("unaided", "private", "without privacy")
READERS, CASES = tuple("ABCDEF"), tuple(f"case-{n}" for n in range(60))
WITH_FINDING = [n < 18 for n in range(60)]
FIRST_THREE = [["case-18", "unaided"], ["case-29", "without privacy"], ["case-24", "private"]]


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    return crossing_plan(READERS, CASES, ARMS, seed=4, with_finding=WITH_FINDING)


def test_every_reader_reads_every_case_once_a_session_and_once_an_arm(plan):
    assert tuple(plan.columns) == PLAN_COLUMNS
    assert len(plan) == 6 * 60 * 3
    for names in (["reader", "session", "case"], ["reader", "arm", "case"], ["reader", "session", "place"]):
        assert not plan.duplicated(names).any()
    assert set(plan["place"]) == set(range(1, 61))


def test_in_every_session_of_a_reader_every_arm_has_the_same_number_of_cases_and_of_findings(plan):
    counts = plan.groupby(["reader", "session", "arm"]).size()
    assert set(counts) == {20}
    has = plan["case"].map(dict(zip(CASES, WITH_FINDING, strict=True)))
    assert set(plan[has].groupby(["reader", "session", "arm"]).size()) == {6}


def test_in_every_session_every_case_is_read_in_every_arm_by_as_many_readers(plan):
    assert set(plan.groupby(["session", "case", "arm"]).size()) == {2}


@pytest.mark.parametrize("n_arms", [2, 3, 4, 5])
def test_every_arm_stands_and_follows_every_other_equally_often(n_arms):
    orders = arm_orders(n_arms)
    for session in range(n_arms):
        assert set(Counter(order[session] for order in orders).values()) == {len(orders) // n_arms}
    following = Counter(pair for order in orders for pair in pairwise(order))
    assert set(following) == set(permutations(range(n_arms), 2))
    assert len(set(following.values())) == 1


def test_readers_meet_the_arms_in_the_same_share_of_orders(plan):
    """Over a reader's cases, each order of arms occurs equally often."""
    orders = plan.sort_values("session").groupby(["reader", "case"])["arm"].agg(tuple)
    for _, of_reader in orders.groupby(level=0):
        assert set(Counter(of_reader).values()) == {10}


def test_without_a_wash_out_the_plan_is_the_same_but_for_its_days(plan):
    trial = crossing_plan(READERS, CASES, ARMS, seed=4, with_finding=WITH_FINDING, wash_out_days=None)
    assert set(trial["earliest_day"]) == {0} and trial.drop(columns="earliest_day").equals(plan.drop(columns="earliest_day"))


def test_between_two_sessions_lies_the_wash_out(plan):
    assert plan.groupby("session")["earliest_day"].unique().map(list).to_dict() == {1: [0], 2: [WASH_OUT_DAYS], 3: [WASH_OUT_DAYS]}


def test_arms_alternate_within_a_session(plan):
    for _, session in plan.groupby(["reader", "session"]):
        arms = session.sort_values("place")["arm"].tolist()
        assert all(len(set(arms[start : start + 3])) == 3 for start in range(0, 60, 3))


def test_neither_place_nor_arm_tells_whether_a_case_has_the_finding(plan):
    """In the first tenth of the places there are about as many cases with the finding as elsewhere."""
    has = plan["case"].map(dict(zip(CASES, WITH_FINDING, strict=True)))
    assert 0.15 < has[plan["place"] <= 6].mean() < 0.45


def test_the_same_seed_gives_the_same_plan_and_another_another(plan):
    again = crossing_plan(READERS, CASES, ARMS, seed=4, with_finding=WITH_FINDING)
    pd.testing.assert_frame_equal(plan, again)
    assert not plan.equals(crossing_plan(READERS, CASES, ARMS, seed=5, with_finding=WITH_FINDING))
    # Written down: another machine or version must read the cases in the same order.
    assert plan.head(3)[["case", "arm"]].to_numpy().tolist() == FIRST_THREE


@pytest.mark.parametrize(("n_readers", "n_cases", "n_arms"), [(1, 3, 3), (4, 50, 3), (5, 7, 2), (3, 100, 4)])
def test_numbers_that_do_not_divide_stay_as_even_as_they_can(n_readers, n_cases, n_arms):
    plan = crossing_plan(READERS[:n_readers], [str(n) for n in range(n_cases)], [str(n) for n in range(n_arms)], seed=0)
    assert len(plan) == n_readers * n_cases * n_arms
    assert not plan.duplicated(["reader", "arm", "case"]).any()
    sizes = plan.groupby(["reader", "session", "arm"]).size()
    # Each group of cases is one too large at most, and an arm has one or two groups a session.
    assert sizes.max() - sizes.min() <= (2 if n_arms % 2 else 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"readers": ("A", "A")}, "A reader is named twice"),
        ({"cases": ("1", "2")}, "at least 3 cases, and there are 2"),
        ({"arms": ("unaided",)}, "at least 2 arms, and there is 1"),
        ({"readers": ()}, "at least 1 reader, and there are 0"),
        ({"wash_out_days": 0}, "Without a wash-out"),
    ],
)
def test_what_is_no_study_is_refused(change, message):
    given = {"readers": READERS, "cases": CASES, "arms": ARMS, "seed": 0, **change}
    with pytest.raises(DpmedError, match=message):
        crossing_plan(given.pop("readers"), given.pop("cases"), given.pop("arms"), **given)
