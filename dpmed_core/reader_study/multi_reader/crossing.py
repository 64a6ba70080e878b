"""The plan of a study with several arms: which reader reads which case in which arm, in which session.

Every reader reads every case once a session, in as many sessions as there are arms, and in another arm each time; between two sessions lies
a wash-out, in which the cases are forgotten. A reader's cases are dealt into groups, and each group takes the arms in another order. The
orders are those of Williams' design: over them every arm stands in every session equally often, and every arm follows every other equally
often, so that neither practice nor what a reader remembers favours an arm. Readers begin at different orders, so that a case is read in
different arms in the same session.

Source: Williams 1949, Australian Journal of Scientific Research A 2; Obuchowski & Bullen 2022, Radiology 303 (reader studies, wash-out).
"""

from collections.abc import Sequence

import pandas as pd

from dpmed_core.errors import DpmedError
from dpmed_core.keyed_hash import keyed_digest
from dpmed_core.phrases import counted

PLAN_COLUMNS = ("reader", "session", "place", "case", "arm", "earliest_day")
"""`session` and `place` count from 1, `place` within the reader's session; `earliest_day` is the first day of the session, counted in days
from the end of the reader's session before; 0 of the first."""
WASH_OUT_DAYS = 28
"""Four weeks, the customary least."""


def crossing_plan(
    readers: Sequence[str],
    cases: Sequence[str],
    arms: Sequence[str],
    *,
    seed: int,
    with_finding: Sequence[bool] | None = None,
    wash_out_days: int | None = WASH_OUT_DAYS,
) -> pd.DataFrame:
    """One row a reading, with `PLAN_COLUMNS`, in the order in which each reader reads; the same for the same arguments on every machine.

    Within a session arms alternate: every run of as many places as there are arms has each arm once, as far as the cases go, so that no
    arm is read by tired readers.

    Args:
        readers: names.
        cases: names.
        arms: names.
        seed: of all choices that are random; 0 or more.
        with_finding: of each case, so that groups of cases have the finding equally often; None for groups at random.
        wash_out_days: from the end of a reader's session to the beginning of the next; None for a trial without a wash-out.

    Raises:
        DpmedError: names are repeated, there are too few of them, or there is no wash-out.
    """
    _refuse(readers, cases, arms)
    if wash_out_days is not None and wash_out_days < 1:
        raise DpmedError("Without a wash-out of at least one day readers remember the cases of the arm before; four weeks are customary.")
    key, orders = seed.to_bytes(16, "big"), arm_orders(len(arms))
    group = _groups(key, cases, [False] * len(cases) if with_finding is None else with_finding, len(orders))
    begins = {reader: number for number, reader in enumerate(_drawn(key, "reader", readers))}
    rows = []
    for reader in readers:
        for session in range(len(arms)):
            by_arm: list[list[str]] = [[] for _ in arms]
            for case in _drawn(key, "order", cases, reader, str(session)):
                by_arm[orders[(group[case] + begins[reader]) % len(orders)][session]].append(case)
            earliest = (wash_out_days or 0) if session else 0
            read = _alternating(key, by_arm, reader, str(session))
            rows += [(reader, session + 1, place, case, arms[arm], earliest) for place, (case, arm) in enumerate(read, start=1)]
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))


def arm_orders(n_arms: int) -> list[list[int]]:
    """The orders of arms of Williams' design: as many as arms for an even number of them, twice as many for an odd one.

    >>> arm_orders(2)
    [[0, 1], [1, 0]]
    >>> arm_orders(3)
    [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 0, 2]]
    """
    # 0, 1, n - 1, 2, n - 2, ...: the steps between neighbours are all different, so each order of two arms occurs once over the shifts.
    first = [(step + 1) // 2 if step % 2 else (n_arms - step // 2) % n_arms for step in range(n_arms)]
    orders = [[(arm + shift) % n_arms for arm in first] for shift in range(n_arms)]
    return orders if n_arms % 2 == 0 else orders + [order[::-1] for order in orders]


def _refuse(readers: Sequence[str], cases: Sequence[str], arms: Sequence[str]) -> None:
    for names, what, fewest in ((readers, "reader", 1), (cases, "case", len(arms)), (arms, "arm", 2)):
        if len(set(names)) < len(names):
            raise DpmedError(f"A {what} is named twice: give every {what} a name of its own.")
        if len(names) < fewest:
            there = "is" if len(names) == 1 else "are"
            raise DpmedError(f"A plan needs at least {counted(fewest, what, f'{what}s')}, and there {there} {len(names)}.")


def _drawn(key: bytes, purpose: str, names: Sequence[str], *of: str) -> list[str]:
    """The names in random order, by hashes: unlike random numbers of a library they stay the same in later versions."""
    return sorted(names, key=lambda name: keyed_digest(key, f"crossing-{purpose}", *of, name))


def _groups(key: bytes, cases: Sequence[str], with_finding: Sequence[bool], n_groups: int) -> dict[str, int]:
    """The group of each case; groups of each class differ in size by one at most, and so do whole groups."""
    has = dict(zip(cases, with_finding, strict=True))
    drawn = _drawn(key, "group", cases)
    # Dealt out class by class without a break, so that what is left over of one class does not fall to the groups that have more already.
    dealt = [case for case in drawn if has[case]] + [case for case in drawn if not has[case]]
    return {case: number % n_groups for number, case in enumerate(dealt)}


def _alternating(key: bytes, by_arm: list[list[str]], reader: str, session: str) -> list[tuple[str, int]]:
    """Cases with their arms: in each round one of each arm that has some left, in random order."""
    read = []
    for round_ in range(max(map(len, by_arm))):
        left = [str(arm) for arm, cases in enumerate(by_arm) if round_ < len(cases)]
        read += [(by_arm[int(arm)][round_], int(arm)) for arm in _drawn(key, "round", left, reader, session, str(round_))]
    return read
