"""Studies with several readers and arms: order, wash-out, aids, what stays hidden, writers at once, early ends, results."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpmed_core.database import Database
from dpmed_core.errors import CohortError, DpmedError, NotAllowedError
from dpmed_core.evaluation.cases.case_scores import CaseScores
from dpmed_core.evaluation.scores.panel import Panel
from dpmed_core.people.actor import Actor
from dpmed_core.people.roles import Role
from dpmed_core.reader_study.arm_study.progress import utc_text_from
from dpmed_core.reader_study.arm_study.results import study_results
from dpmed_core.reader_study.arm_study.store import RATING_COLUMNS, ArmStudyStore
from dpmed_core.reader_study.arm_study.study import Aid, as_json, from_json
from dpmed_core.reader_study.multi_reader.comparison import compare
from dpmed_core.reader_study.multi_reader.ratings import ratings_of
from tests.reader_study.arm_study_data import Clock, drawn_cohort, made_up_study, plan, read_session
from tests.review.conftest import cohort, copy, demo, here, new_settings, on_both

__all__ = ["cohort", "copy", "demo", "here", "new_settings"]
ANSWER = {"present": True, "confidence": 3, "seconds": 1.0}


class Everything:
    """Somebody with some roles; what is refused is remembered."""

    def __init__(self, *roles: Role) -> None:
        self.given, self.refused = frozenset(roles), []

    def roles(self, *, at_once: bool) -> frozenset[Role]:
        return self.given

    def record(self, action, about, *, allowed) -> None:
        if not allowed:
            self.refused.append(action)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path, new_settings, clock) -> ArmStudyStore:
    return ArmStudyStore(Database(new_settings(tmp_path / "data")), clock=clock)


@pytest.fixture
def study(store):
    return store.add(made_up_study())


def test_a_study_is_stored_as_it_was_planned_and_its_plan_is_the_same_each_time(store, study):
    again = store.study(study.study_id)
    assert again == study and from_json(as_json(study)) == study and again.plan.equals(study.plan)
    assert store.of("f" * 16) == [study] and store.of("e" * 16) == [] and store.study("0" * 16) is None and store.study("' OR 1=1") is None


@on_both
def test_a_reader_reads_each_session_in_the_planned_order_and_arms(store, study, clock):
    seen = []
    for _ in range(3):
        store.begin_session(study, "Ada")
        while (asked := store.next_reading(study, "Ada")) is not None:
            seen.append((asked.session, asked.place, asked.case_id, asked.aid))
            assert store.record(study, "Ada", session=asked.session, place=asked.place, **ANSWER)
        clock.days_pass(28)
    planned = study.plan[study.plan["reader"] == "Ada"]
    assert [one[:3] for one in seen] == list(zip(planned["session"], planned["place"], planned["case"], strict=True))
    assert [one[3] is None for one in seen] == list(planned["arm"] == "unaided")
    assert store.state(study).of("Ada").is_done and not store.state(study).is_over
    with pytest.raises(DpmedError, match="nothing left to read"):
        store.begin_session(study, "Ada")


def test_an_aid_is_the_arms_own_score_and_threshold_and_does_not_say_whose(store, study):
    other = replace(study, study_id="b" * 16, arms=("private", "without privacy"))
    models = {
        "private": other.models["private"],
        "without privacy": replace(other.models["without privacy"], scores=(0.9,) * 12, threshold=None),
    }
    other = store.add(replace(other, models=models))
    read = other.session("Ada", 1)
    store.begin_session(other, "Ada")
    for planned in read:
        asked = store.next_reading(other, "Ada")
        expected = (
            Aid(0.9, None) if planned.arm != "private" else Aid(other.models["private"].scores[other.cases.index(planned.case_id)], 0.5)
        )
        assert asked.aid == expected and asked._fields == ("session", "place", "case_id", "aid")
        store.record(other, "Ada", session=1, place=planned.place, **ANSWER)
    assert {planned.arm for planned in read} == {"private", "without privacy"}


def test_a_session_is_not_begun_before_its_wash_out_is_over(store, study, clock):
    assert store.next_reading(study, "Ada") is None  # not begun
    read_session(store, study, "Ada", most=5)
    clock.days_pass(3)  # a session may be read over several days; the wash-out counts from its last answer
    read_session(store, study, "Ada")
    ended = clock.now
    mine = store.state(study).of("Ada")
    assert (mine.session, mine.is_open, mine.opens_at) == (2, False, ended + 28 * 86_400)
    clock.now = mine.opens_at - 1
    with pytest.raises(DpmedError, match=f"Session 2 may begin on {utc_text_from(mine.opens_at)}"):
        store.begin_session(study, "Ada")
    assert not store.record(study, "Ada", session=2, place=1, **ANSWER) and store.next_reading(study, "Ada") is None
    clock.now = mine.opens_at
    assert store.begin_session(study, "Ada").is_open and store.next_reading(study, "Ada").session == 2
    assert store.state(study).of("Bo").n_in_all == 0


def test_a_study_of_no_days_goes_on_at_once(store, clock):
    trial = store.add(made_up_study(wash_out_days=0, arms=("private", "unaided")))
    for _ in range(2):
        read_session(store, trial, "Ada")
    assert store.state(trial).of("Ada").is_done and set(trial.plan["earliest_day"]) == {0}


def test_what_is_not_the_case_to_answer_now_changes_nothing(store, study):
    read_session(store, study, "Ada", most=2)
    for session, place in ((1, 1), (1, 2), (1, 4), (2, 1), (0, 0), (1, -1)):
        assert not store.record(study, "Ada", session=session, place=place, **ANSWER)
    with pytest.raises(DpmedError, match="how confident"):
        store.record(study, "Ada", session=1, place=3, present=True, confidence=9, seconds=1.0)
    assert store.state(study).of("Ada").n_in_all == 2
    assert store.begin_session(study, "Ada").n_answered == 2  # resumed where it was


@on_both
def test_of_several_answers_to_one_case_at_once_one_is_kept(store, study):
    read_session(store, study, "Ada", most=0)
    with ThreadPoolExecutor(6) as pool:
        kept = list(pool.map(lambda _: store.record(study, "Ada", session=1, place=1, **ANSWER), range(6)))
    assert sorted(kept) == [False] * 5 + [True] and store.state(study).of("Ada").n_answered == 1


@on_both
def test_readers_who_answer_at_once_lose_nothing(store):
    study = store.add(made_up_study(readers=tuple("ABCDE")))
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda reader: read_session(store, study, reader), study.readers))
    assert [one.n_in_all for one in store.state(study).readers] == [12] * 5


def read_all(store, study, clock, readers=None):
    for _ in study.arms:
        for reader in readers or study.readers:
            read_session(store, study, reader)
        clock.days_pass(study.wash_out_days)


def test_answers_come_out_when_all_is_read_and_are_compared_as_any_ratings_are(store, study, clock):
    read_all(store, study, clock, ["Ada"])
    with pytest.raises(DpmedError, match="once all readers have read"):
        store.ratings(study)
    read_all(store, study, clock, ["Bo"])
    table = store.ratings(study)
    assert tuple(table.columns) == RATING_COLUMNS and len(table) == study.n_readings and store.state(study).is_over
    truth = dict(zip(study.cases, study.with_finding, strict=True))
    assert table["truth"].tolist() == [truth[case] for case in table["case"]]
    results = study_results(study, table)
    assert results.incomplete == () and results.ratings.readers == ("Ada", "Bo") and results.ratings.arms == study.arms
    pd.testing.assert_frame_equal(results.comparison.pairs, compare(ratings_of(table)).pairs)
    of_arm = results.comparison.arms.set_index(["about", "arm"])["auroc"]["cases"]
    assert of_arm["private"] == of_arm["without privacy"] > of_arm["unaided"]


def test_an_early_end_is_for_good_recorded_and_leaves_out_who_did_not_finish(store, study, clock):
    read_all(store, study, clock, ["Ada"])
    read_session(store, study, "Bo", most=4)
    with pytest.raises(DpmedError, match="why"):
        store.end(study, name="Dr Blue", reason="  ")
    end = store.end(study, name="Dr Blue", reason="Bo left =1+1 \x00")
    assert (end.n_answers, store.state(study).ended) == (40, end) and store.state(study).is_over
    assert not store.record(study, "Bo", session=1, place=5, **ANSWER) and store.next_reading(study, "Bo") is None
    for refused in (lambda: store.begin_session(study, "Bo"), lambda: store.end(study, name="x", reason="y")):
        with pytest.raises(DpmedError, match="over"):
            refused()
    table = store.ratings(study)
    assert len(table) == 40
    results = study_results(study, table)
    assert results.incomplete == ("Bo",) and results.ratings.readers == ("Ada",)
    assert (results.comparison.pairs.query("about != 'cases'")["reason"] != "").all()  # one reader shows nothing about others


def test_where_nobody_read_everything_nothing_is_compared(store, study):
    store.end(study, name="x", reason="y")
    results = study_results(study, store.ratings(study))
    assert (results.ratings, results.comparison, results.incomplete) == (None, None, ("Ada", "Bo"))


@on_both
def test_a_study_goes_with_its_cohort_and_others_stay(store, study):
    read_session(store, study, "Ada", most=3)
    store.end(study, name="x", reason="y")
    stays = store.add(made_up_study(study_id="b" * 16, fingerprint="e" * 16))
    read_session(store, stays, "Ada", most=3)
    store.forget("f" * 16)
    assert store.of("f" * 16) == [] and store.study(study.study_id) is None
    assert store.state(stays).of("Ada").n_in_all == 3
    with store.database.transaction() as connection:
        counts = [connection.exec_driver_sql(f"SELECT count(*) FROM arm_{name}").scalar() for name in TABLES]
    assert counts == [1, 1, 3, 0]


TABLES = ("studies", "study_sessions", "study_answers", "study_ends")


def test_a_cohort_that_is_removed_takes_its_studies_along(here, cohort):
    study = here.arm_studies.add(made_up_study(fingerprint=cohort.fingerprint))
    read_session(here.arm_studies, study, "Ada", most=2)
    here.remove_cohort(cohort.name)
    assert here.arm_studies.of(cohort.fingerprint) == [] and here.arm_studies.study(study.study_id) is None


def test_who_signed_on_reads_under_that_name_alone(store, study, clock):
    theirs = store.add(made_up_study(study_id="b" * 16, readers=("ada@h.example", "bo@h.example")))
    access = Everything(Role.READER)
    ada = ArmStudyStore(store.database, Actor("ada@h.example", access), clock)
    assert ada.reading_of("f" * 16, "ada@h.example") is None
    read_session(ada, theirs, "ada@h.example", most=2)
    assert ada.reading_of("f" * 16, "ada@h.example") == theirs
    for act in (
        lambda: ada.begin_session(theirs, "bo@h.example"),
        lambda: ada.next_reading(theirs, "bo@h.example"),
        lambda: ada.record(theirs, "bo@h.example", session=1, place=1, **ANSWER),
        lambda: ada.begin_session(study, "Ada"),
        lambda: ada.end(theirs, name="x", reason="y"),
        lambda: ada.add(theirs),
    ):
        with pytest.raises(NotAllowedError):
            act()
    assert len(access.refused) == 6
    read_session(ada, theirs, "ada@h.example")
    assert ada.reading_of("f" * 16, "ada@h.example") == theirs  # the wash-out belongs to it
    store.end(theirs, name="x", reason="y")
    assert ada.reading_of("f" * 16, "ada@h.example") is None


def test_a_role_that_is_taken_away_is_gone_at_the_next_case(store):
    study = store.add(made_up_study(study_id="b" * 16, readers=("ada@h.example",)))
    access = Everything(Role.READER)
    ada = ArmStudyStore(store.database, Actor("ada@h.example", access))
    read_session(ada, study, "ada@h.example", most=2)
    access.given = frozenset({Role.VIEWER})
    for act in (
        lambda: ada.next_reading(study, "ada@h.example"),
        lambda: ada.record(study, "ada@h.example", session=1, place=3, **ANSWER),
        lambda: ada.begin_session(study, "ada@h.example"),
        lambda: ada.study(study.study_id),
        lambda: ada.of("f" * 16),
        lambda: ada.ratings(study),
    ):
        with pytest.raises(NotAllowedError):
            act()
    assert store.state(study).of("ada@h.example").n_in_all == 2 and len(access.refused) == 6


def test_where_people_sign_on_readers_are_named_by_what_they_sign_on_with(store):
    planner = ArmStudyStore(store.database, Actor("pat@h.example", Everything(Role.RESEARCHER)))
    with pytest.raises(DpmedError, match=r"small letters: ada@h\.example"):
        planner.add(made_up_study(readers=("Ada@h.example", "bo@h.example")))
    planner.add(made_up_study(readers=("ada@h.example",)))
    assert planner.end(made_up_study(), name="somebody else", reason="y").by == "pat@h.example"


@pytest.fixture
def scores() -> CaseScores:
    """Two private trainings of which the second has the smaller seed, and a reference without a threshold."""
    drawn, _ = drawn_cohort()
    runs = pd.DataFrame({"run_id": ["other", "a run", "reference"], "epsilon": [8.0, 8.0, np.nan], "seed": [1, 0, 0]})
    runs = runs.assign(recipe="probe", unit="patient", epsilon_spent=runs["epsilon"], delta=1e-5, accountant="prv", start=None)
    values = np.stack([np.full((1, 80), 0.9), np.linspace(0, 1, 80)[None], np.linspace(1, 0, 80)[None]])
    panel = Panel(
        runs=runs, findings=("mass",), cases=drawn.cases, patients=np.arange(80), n_patients=80, labels=drawn.labels.T, scores=values
    )
    return CaseScores(panel, np.array([[0.1], [0.6], [np.nan]]))


def test_a_plan_keeps_the_first_models_scores_and_thresholds(scores):
    study = plan(scores, 8.0)
    drawn, _ = drawn_cohort()
    rows = [int(case, 16) for case in study.cases]
    private, without = study.models["private"], study.models["without privacy"]
    assert (private.run_id, private.threshold, private.guarantee) == ("a run", 0.6, "ε = 8")
    assert (without.run_id, without.threshold, without.guarantee) == ("reference", None, "")
    np.testing.assert_allclose(private.scores, np.linspace(0, 1, 80)[rows])
    assert study.with_finding == tuple(drawn.labels[rows, 0] == 1) and sum(study.with_finding) == 10 and len(study.cases) == 20
    assert plan(scores, 8.0).cases != study.cases  # another study draws other cases
    assert from_json(as_json(study)) == study


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"readers": ()}, "1 to 50 readers, and 0 are named"),
        ({"readers": ("Ada", "ada")}, "named twice"),
        ({"readers": ("x" * 201,)}, "name has 1 to 200"),
        ({"title": " \n"}, "title has 1 to 100"),
        ({"arms": ("unaided",)}, "at least two of the arms"),
        ({"arms": ("unaided", "cine")}, "at least two of the arms"),
        ({"wash_out_days": -1}, "0 to 365 days"),
        ({"wash_out_days": 366}, "0 to 365 days"),
        ({}, "no private model at this budget"),
        ({"arms": ("unaided", "without privacy")}, "no model without privacy"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_sentence(change, message):
    with pytest.raises(DpmedError, match=message):
        plan(**change)


def test_too_few_patients_are_refused(scores, monkeypatch):
    monkeypatch.setattr("dpmed_core.reader_study.case_selection.FEWEST_PATIENTS", 81)
    with pytest.raises(CohortError, match="needs 81"):
        plan(scores, 8.0)
